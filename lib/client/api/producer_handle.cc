#include <utility>

#include "client/api/convert.h"
#include "client/api/producer_core.h"

namespace sluice {

Producer::Producer() noexcept = default;
Producer::Producer(std::shared_ptr<Core> core) : core_(std::move(core)) {}
Producer::Producer(Producer&&) noexcept = default;

Producer::~Producer() {
  if (core_ != nullptr) core_->close_in_time();
}

Producer& Producer::operator=(Producer&& other) noexcept {
  if (this == &other) return *this;
  if (core_ != nullptr) core_->close_in_time();
  core_ = std::move(other.core_);
  return *this;
}

std::future<Result<Receipt>> Producer::send(const Message& message) {
  const auto promise = std::make_shared<std::promise<Result<Receipt>>>();
  std::future<Result<Receipt>> future = promise->get_future();
  send(message, [promise](const Result<Receipt>& result) { promise->set_value(result); });
  return future;
}

void Producer::send(const Message& message, const SendCallback& callback) {
  Core::Waiter waiter;
  waiter.callback = callback;
  const base::Status status = core_->add(message, {}, std::move(waiter));
  if (!status.has_value() && callback) callback(api::to_public(status.error()));
}

std::future<Result<Receipt>> Producer::send_numbered(std::uint64_t number, const Message& message) {
  const auto promise = std::make_shared<std::promise<Result<Receipt>>>();
  std::future<Result<Receipt>> future = promise->get_future();
  send_numbered(number, message,
                [promise](const Result<Receipt>& result) { promise->set_value(result); });
  return future;
}

void Producer::send_numbered(std::uint64_t number, const Message& message,
                             const SendCallback& callback) {
  base::Status status = base::invalid_argument("a producer's messages are numbered from 1");
  if (number > 0) {
    Core::Waiter waiter;
    waiter.callback = callback;
    status = core_->add(message, {.number = number}, std::move(waiter));
  }
  if (!status.has_value() && callback) callback(api::to_public(status.error()));
}

Status Producer::try_send(const Message& message, SendCallback callback) {
  Core::Waiter waiter;
  waiter.callback = std::move(callback);
  return api::to_public(core_->add(message, {.may_wait = false}, std::move(waiter)));
}

std::future<BatchReceipt> Producer::send_batch(std::span<const Message> messages) {
  return core_->add_all(messages);
}

std::future<BatchReceipt> Producer::send_batch(std::span<const std::string_view> bodies) {
  return core_->add_all(bodies);
}

Status Producer::flush(std::chrono::milliseconds timeout) {
  return api::to_public(core_->flush(timeout));
}
Status Producer::close(std::chrono::milliseconds timeout) {
  return api::to_public(core_->close(timeout));
}

std::uint16_t Producer::shards() const { return core_->shards(); }
std::optional<std::uint16_t> Producer::shard_of(const Message& message) const {
  return core_->shard_of(message);
}
std::uint16_t Producer::home_shard() const { return core_->home_shard(); }
std::uint64_t Producer::last_sequence(std::uint16_t shard) const {
  return core_->last_sequence(shard);
}
std::uint64_t Producer::next_sequence(std::uint16_t shard) const {
  return core_->next_sequence(shard);
}
std::uint64_t Producer::next_sequence() const { return core_->next_sequence(core_->home_shard()); }
std::uint64_t Producer::last_sequence() const { return core_->last_sequence(core_->home_shard()); }
ProducerStats Producer::stats() const { return core_->stats(); }

}  // namespace sluice
