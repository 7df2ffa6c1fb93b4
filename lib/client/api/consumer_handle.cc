#include <future>
#include <memory>
#include <utility>

#include "client/api/consumer_core.h"
#include "client/api/convert.h"

namespace sluice {
namespace {

std::pair<std::future<Status>, SettleCallback> promised() {
  const auto promise = std::make_shared<std::promise<Status>>();
  return {promise->get_future(), [promise](const Status& status) { promise->set_value(status); }};
}

}  // namespace

Consumer::Consumer() noexcept = default;
Consumer::Consumer(std::shared_ptr<Core> core) : core_(std::move(core)) {}
Consumer::Consumer(Consumer&&) noexcept = default;

Consumer::~Consumer() {
  if (core_ != nullptr) core_->stop_in_time();
}

Consumer& Consumer::operator=(Consumer&& other) noexcept {
  if (this == &other) return *this;
  if (core_ != nullptr) core_->stop_in_time();
  core_ = std::move(other.core_);
  return *this;
}

Status Consumer::run_handler(const Handler& handler, unsigned concurrency) {
  return api::to_public(core_->run(handler, concurrency));
}

Status Consumer::stop(std::chrono::milliseconds deadline) {
  return api::to_public(core_->stop(deadline));
}
void Consumer::request_stop() { core_->request_stop(); }

Result<std::optional<Delivery>> Consumer::receive(std::chrono::milliseconds timeout) {
  base::Result<DeliveryBatch> batch = core_->receive(timeout, 1);
  if (!batch.has_value()) return api::to_public(batch.error());
  if (batch->empty()) return std::optional<Delivery>();
  return std::optional<Delivery>(std::move(batch->front()));
}

Result<DeliveryBatch> Consumer::receive_batch(std::chrono::milliseconds timeout,
                                              std::size_t messages_max) {
  base::Result<DeliveryBatch> batch = core_->receive(timeout, messages_max);
  if (!batch.has_value()) return api::to_public(batch.error());
  return std::move(*batch);
}

void Consumer::settle(const Delivery& delivery, const Settlement& settlement) {
  core_->settle(delivery, settlement, nullptr);
}
void Consumer::settle(const Delivery& delivery, const Settlement& settlement, SettleCallback done) {
  core_->settle(delivery, settlement, std::move(done));
}
std::future<Status> Consumer::settle_confirmed(const Delivery& delivery,
                                               const Settlement& settlement) {
  auto [future, done] = promised();
  core_->settle(delivery, settlement, std::move(done));
  return std::move(future);
}
void Consumer::ack(const Delivery& delivery) {
  core_->settle(delivery, Settlement::ack(), nullptr);
}
void Consumer::ack(const DeliveryBatch& batch) { core_->ack(batch, nullptr); }
std::future<Status> Consumer::ack_confirmed(const DeliveryBatch& batch) {
  auto [future, done] = promised();
  core_->ack(batch, done);
  return std::move(future);
}
void Consumer::extend(const Delivery& delivery, std::chrono::milliseconds duration,
                      SettleCallback done) {
  core_->extend(delivery, duration, std::move(done));
}
std::future<Status> Consumer::extend(const Delivery& delivery, std::chrono::milliseconds duration) {
  auto [future, done] = promised();
  core_->extend(delivery, duration, std::move(done));
  return std::move(future);
}
Status Consumer::flush(std::chrono::milliseconds timeout) {
  return api::to_public(core_->flush(timeout));
}
ConsumerStats Consumer::stats() const { return core_->stats(); }

}  // namespace sluice
