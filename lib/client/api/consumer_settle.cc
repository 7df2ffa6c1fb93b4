#include <memory>
#include <mutex>
#include <utility>

#include "client/api/consumer_core.h"
#include "client/api/convert.h"
#include "client/api/delivery.h"

// What the application's threads say about messages, on its way to the loop's thread.
namespace sluice {
namespace {

client::SettleCallback to_internal(SettleCallback done) {
  if (!done) return nullptr;
  return [done = std::move(done)](const base::Status& status) { done(api::to_public(status)); };
}

// The outcomes of several settles as one.
class Gathering {
 public:
  Gathering(std::size_t parts, SettleCallback done) : left_(parts), done_(std::move(done)) {}
  void add(const base::Status& status) {
    std::unique_lock lock(mutex_);
    if (!status.has_value() && !error_) error_ = api::to_public(status.error());
    if (--left_ > 0) return;
    lock.unlock();
    done_(error_ ? Status(*error_) : Status());
  }

 private:
  std::mutex mutex_;
  std::size_t left_;
  std::optional<Error> error_;
  SettleCallback done_;
};

// In the order in which the sequences stand, rows as one.
std::vector<client::Receipt> to_receipts(const DeliveryBatch& batch) {
  std::vector<client::Receipt> receipts;
  for (const Delivery& delivery : batch) {
    client::append_receipt(receipts, DeliveryAccess::receipt(delivery));
  }
  return receipts;
}

}  // namespace

// REQUIRES: the lock is held. The loop's thread is woken for the first of a row, and when there are
// many.
void Consumer::Core::count_receipts(std::size_t more) {
  const std::size_t before = std::exchange(receipts_waiting_, receipts_waiting_ + more);
  const bool many = before < kReceiptsMany && receipts_waiting_ >= kReceiptsMany;
  if (before == 0 || many) client_->loop().wake();
}

// REQUIRES: the lock is held.
void Consumer::Core::command(Command command) {
  all_is_settled_ = false;
  const std::size_t receipts = command.size();
  commands_.push_back(std::move(command));
  ++commands_given_;
  count_receipts(receipts);
}

// REQUIRES: the lock is held. Nobody waits for it, so that it may share the last one's command.
void Consumer::Core::ack_plainly(const client::ReceiptWord& one) {
  if (commands_.empty() || commands_.back().acks.empty() ||
      commands_.back().acks.size() >= kReceiptsMany) {
    Command first;
    first.acks.push_back(one);
    return command(std::move(first));
  }
  std::vector<client::ReceiptWord>& acks = commands_.back().acks;
  client::ReceiptWord& last = acks.back();
  // Where it lies before the word the difference wraps to something far above 64.
  const std::uint64_t bit = one.first.value() - last.first.value();
  const bool is_near = bit < 64 && last.shard == one.shard && last.epoch == one.epoch;
  // One that is settled twice is to be told apart.
  if (is_near && (last.bits >> bit & 1) == 0) {
    last.bits |= std::uint64_t{1} << bit;
    return;
  }
  acks.push_back(one);
  count_receipts(1);
}

// REQUIRES: the lock is held.
void Consumer::Core::make_room(const client::Delivery& delivery) {
  if (!failure_) ack_plainly({delivery.shard, delivery.epoch, delivery.sequence});
}

// REQUIRES: the lock is held. Where nothing can be settled any more that is told, without the lock.
bool Consumer::Core::is_over(std::unique_lock<std::mutex>& lock, const SettleCallback& done) {
  if (!failure_) return false;
  const Error error = api::to_public(*failure_);
  lock.unlock();
  if (done) done(error);
  return true;
}

void Consumer::Core::settle(const Delivery& delivery, const Settlement& settlement,
                            SettleCallback done) {
  if (settlement.kind() == Settlement::Kind::kLater) {
    if (done) done(Error(ErrorCode::kInvalidArgument, "later() is for handlers to return"));
    return;
  }
  if (options_.at_most_once) {  // settled before it came
    if (done) done({});
    return;
  }
  // Before the lock, which the processor would wait for before it fetches the delivery: 15 ns.
  const client::ReceiptWord word = DeliveryAccess::word(delivery);
  std::unique_lock lock(mutex_);
  if (is_over(lock, done)) return;
  if (settlement.kind() == Settlement::Kind::kAck && !done) return ack_plainly(word);
  Command one;
  one.kind = settlement.kind();
  one.receipt = DeliveryAccess::receipt(delivery);
  one.delay = settlement.delay();
  one.error = settlement.error();
  one.done = to_internal(std::move(done));
  command(std::move(one));
}

void Consumer::Core::ack(const DeliveryBatch& batch, const SettleCallback& done) {
  if (options_.at_most_once || batch.empty()) {
    if (done) done({});
    return;
  }
  Command one;
  if (done) {
    one.several = to_receipts(batch);
    const auto all = std::make_shared<Gathering>(one.several.size(), done);
    one.done = [all](const base::Status& status) { all->add(status); };
  }
  std::unique_lock lock(mutex_);
  if (is_over(lock, done)) return;
  if (done) return command(std::move(one));
  for (const Delivery& delivery : batch) ack_plainly(DeliveryAccess::word(delivery));
}

void Consumer::Core::extend(const Delivery& delivery, base::Millis duration, SettleCallback done) {
  const client::Receipt receipt = DeliveryAccess::receipt(delivery);
  client::SettleCallback told = to_internal(std::move(done));
  const auto extend = [self = shared_from_this(), receipt, duration, told] {
    if (self->consumer_ == nullptr) {
      if (told) told(stopped());
      return;
    }
    client::Consumer& consumer = *self->consumer_;
    const base::Status sent = consumer.extend(receipt, duration, told);
    if (!sent.has_value()) {
      if (told) told(sent);
    } else if (duration > base::Millis(0)) {
      self->leases_.hold(receipt, self->client_->loop().connection().now() + duration);
    }
  };
  if (!client_->loop().post(extend) && told) told(stopped());
}

// REQUIRES: the lock is held. What a lost session threw away has its answer too, and it is no
// confirmation.
base::Status Consumer::Core::told_of_lost() {
  const std::uint64_t lost = messages_lost_ - std::exchange(messages_lost_told_, messages_lost_);
  if (lost == 0) return {};
  return base::failed_precondition("the session was lost before " + std::to_string(lost) +
                                   " settled messages were confirmed; most come again");
}

base::Status Consumer::Core::flush(base::Millis timeout) {
  if (client_->loop().on_thread()) {
    return base::failed_precondition("a call that waits cannot be made from a callback");
  }
  std::unique_lock lock(mutex_);
  const std::uint64_t given = commands_given_;
  if (commands_confirmed_ >= given) return told_of_lost();
  ++flushes_waiting_;
  client_->loop().wake();
  const bool ended =
      progress_.wait_for(lock, timeout, [&] { return failure_ || commands_confirmed_ >= given; });
  --flushes_waiting_;
  if (commands_confirmed_ >= given) return told_of_lost();
  if (ended) return *failure_;
  return base::Error(base::ErrorCode::kDeadlineExceeded, "settles are not confirmed in time");
}

}  // namespace sluice
