#include <utility>

#include "client/api/consumer_core.h"
#include "client/api/convert.h"

namespace sluice {

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
  core_->settle(delivery, settlement);
}
void Consumer::ack(const Delivery& delivery) { core_->settle(delivery, Settlement::ack()); }
void Consumer::ack(const DeliveryBatch& batch) { core_->ack(batch); }
Status Consumer::flush(std::chrono::milliseconds timeout) {
  return api::to_public(core_->flush(timeout));
}
ConsumerStats Consumer::stats() const { return core_->stats(); }

}  // namespace sluice
