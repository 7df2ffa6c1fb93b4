#include "client/consumer.h"

#include <utility>
#include <vector>

#include "client/consumer_impl.h"

namespace sluice::client {
namespace {

std::vector<wire::WireReceipt> to_wire(const std::vector<Receipt>& receipts) {
  std::vector<wire::WireReceipt> out;
  out.reserve(receipts.size());
  for (const Receipt& receipt : receipts) {
    out.push_back(
        {receipt.epoch.value(), receipt.range.first.value(), receipt.range.last.value(), 0});
  }
  return out;
}

}  // namespace

base::Result<std::unique_ptr<Consumer>> Consumer::open(Connection& connection,
                                                       ConsumerOptions options) {
  if (options.subscription.size() > wire::kNameBytesMax) {
    return base::invalid_argument("a subscription's name has at most 253 characters");
  }
  ASSIGN_OR_RETURN(ResolvedQueue queue, resolve_queue(connection, options.queue));
  auto impl = std::make_unique<Impl>(connection, std::move(options), std::move(queue));
  RETURN_IF_ERROR(impl->open());
  return std::unique_ptr<Consumer>(new Consumer(std::move(impl)));
}

Consumer::Consumer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Consumer::~Consumer() = default;

base::Result<std::optional<DeliveredBatch>> Consumer::poll(base::Millis timeout) {
  return impl_->poll(timeout);
}
void Consumer::ack(const DeliveredBatch& batch) { impl_->settle(SettleKind::kAck, batch); }
void Consumer::ack(const Receipt& receipt) { impl_->settle(SettleKind::kAck, receipt, {}); }
void Consumer::ack(std::span<const ReceiptWord> words) { impl_->ack(words); }
void Consumer::release(const DeliveredBatch& batch) { impl_->settle(SettleKind::kRelease, batch); }
void Consumer::release(const Receipt& receipt) { impl_->settle(SettleKind::kRelease, receipt, {}); }
void Consumer::fail(const Receipt& receipt, const FailOptions& options) {
  impl_->settle(SettleKind::kFail, receipt, {.delay = options.delay, .error = options.error});
}
void Consumer::reject(const Receipt& receipt, std::string_view error) {
  impl_->settle(SettleKind::kReject, receipt, {.error = error});
}
base::Status Consumer::extend(const DeliveredBatch& batch, base::Millis duration) {
  return impl_->extend(batch.shard(), to_wire(batch.receipts()), duration, nullptr);
}
void Consumer::settle(SettleKind kind, const Receipt& receipt, SettleOptions options) {
  impl_->settle(kind, receipt, std::move(options));
}
base::Status Consumer::extend(const Receipt& receipt, base::Millis duration, SettleCallback done) {
  return impl_->extend(receipt.shard, to_wire({receipt}), duration, std::move(done));
}
base::Status Consumer::extend_all(base::Millis duration) { return impl_->extend_all(duration); }
base::Status Consumer::flush_settles(base::Millis timeout) { return impl_->flush_settles(timeout); }
std::uint64_t Consumer::lost_messages() const { return impl_->lost_messages(); }
std::uint64_t Consumer::unconfirmed_messages() const { return impl_->unconfirmed_messages(); }
std::uint64_t Consumer::held_messages() const { return impl_->held_messages(); }
Consumer::Mark Consumer::settle_mark() const { return impl_->settle_mark(); }
bool Consumer::passed(const Mark& mark) const { return impl_->passed(mark); }
void Consumer::abandon(const base::Error& error) { impl_->abandon(error); }
void Consumer::stop_credit() { impl_->stop_credit(); }
const ConsumerStats& Consumer::stats() const { return impl_->stats(); }

}  // namespace sluice::client
