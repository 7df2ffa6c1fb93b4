#include "client/api/consumer_core.h"

#include <algorithm>
#include <chrono>
#include <exception>
#include <thread>
#include <utility>

#include "base/check.h"
#include "client/api/address.h"
#include "client/api/convert.h"
#include "client/api/delivery.h"

namespace sluice {

base::Error Consumer::Core::stopped() {
  return base::failed_precondition("the consumer was stopped");
}

Consumer::Core::Core(std::shared_ptr<Client::Core> client, ConsumerOptions options)
    : client_(std::move(client)), options_(std::move(options)), leases_(options_.extend_for) {}

base::Result<std::shared_ptr<Consumer::Core>> Consumer::Core::open(
    std::shared_ptr<Client::Core> client, ConsumerOptions options) {
  auto core = std::make_shared<Core>(std::move(client), std::move(options));
  api::IoLoop& loop = core->client_->loop();
  base::Status opened = loop.run([&]() -> base::Status {
    RETURN_IF_ERROR(core->open_consumer());
    loop.attend(core);
    return {};
  });
  RETURN_IF_ERROR(std::move(opened));
  return core;
}

base::Status Consumer::Core::open_consumer() {
  client::ConsumerOptions options;
  api::Address address = api::to_address(options_.queue, options_.subscription);
  options.queue = std::move(address.queue);
  options.subscription = std::move(address.subscription);
  options.messages_max = std::max<std::uint32_t>(options_.prefetch_messages, 1);
  options.bytes_max = std::max<std::uint64_t>(options_.prefetch_bytes, 1);
  options.at_most_once = options_.at_most_once;
  options.on_leases_lost = [this](base::ShardIndex shard) {
    leases_.clear(shard);
    if (!options_.at_most_once) drop_ready(shard);
  };
  client::Connection& connection = client_->loop().connection();
  ASSIGN_OR_RETURN(consumer_, client::Consumer::open(connection, std::move(options)));
  attached_ = true;
  return {};
}

// --- Handing out.

void Consumer::Core::take(DeliveryBatch& out, std::size_t messages_max) {
  while (!ready_.empty() && out.size() < messages_max) {
    Ready& ready = ready_.front();
    for (; out.size() < messages_max && ready.at != ready.batch->end(); ++ready.at) {
      out.push_back(DeliveryAccess::make(ready.batch, *ready.at));
      if (options_.at_most_once) make_room(*ready.at);
    }
    if (ready.at == ready.batch->end()) ready_.pop_front();
  }
}

// REQUIRES: the lock is held. No less than are ready, or than `messages_max`.
std::size_t Consumer::Core::ready_messages(std::size_t messages_max) const {
  std::size_t messages = 0;
  for (const Ready& ready : ready_) {
    messages += ready.batch->size();
    if (messages >= messages_max) return messages_max;
  }
  return messages;
}

// REQUIRES: the lock is held.
std::vector<Consumer::Core::Command> Consumer::Core::take_commands() {
  receipts_waiting_ = 0;
  return std::exchange(commands_, {});
}

base::Result<DeliveryBatch> Consumer::Core::receive(base::Millis timeout,
                                                    std::size_t messages_max) {
  DeliveryBatch batch;
  std::unique_lock lock(mutex_);
  const auto some = [&] { return !ready_.empty() || stopping_ || failure_; };
  if (!some() && !client_->loop().on_thread()) arrived_.wait_for(lock, timeout, some);
  batch.reserve(ready_messages(messages_max));
  take(batch, messages_max);
  if (!batch.empty()) return batch;
  if (failure_) return *failure_;
  if (stopping_) return stopped();
  return batch;
}

base::Status Consumer::Core::run(const Handler& handler, unsigned concurrency) {
  if (client_->loop().on_thread()) {
    return base::failed_precondition("run() cannot be called from a callback");
  }
  std::vector<std::thread> threads;
  for (unsigned i = 1; i < concurrency; ++i) threads.emplace_back([&] { work(handler); });
  work(handler);
  for (std::thread& thread : threads) thread.join();
  const std::lock_guard lock(mutex_);
  if (failure_ && !stopping_) return *failure_;
  return {};
}

void Consumer::Core::work(const Handler& handler) {
  std::unique_lock lock(mutex_);
  ++threads_running_;
  DeliveryBatch one;  // keeps its memory
  for (;;) {
    arrived_.wait(lock, [&] { return !ready_.empty() || stopping_ || failure_; });
    // What will never come again is not left lying.
    if (ready_.empty() || (stopping_ && !options_.at_most_once)) break;
    take(one, 1);
    ++handlers_running_;
    lock.unlock();
    Settlement settlement = Settlement::ack();
    try {
      settlement = handler(one.front());
    } catch (const std::exception& exception) {
      settlement = Settlement::fail(std::string(exception.what()));
    } catch (...) {
      settlement = Settlement::fail(std::string("the handler threw something unknown"));
    }
    const bool later = settlement.kind() == Settlement::Kind::kLater;
    if (!later) settle(one.front(), settlement, nullptr);
    one.clear();
    lock.lock();
    defers_ = defers_ || later;
    --handlers_running_;
    if (stopping_) progress_.notify_all();
  }
  --threads_running_;
  progress_.notify_all();
}

ConsumerStats Consumer::Core::stats() const {
  const std::lock_guard lock(mutex_);
  return stats_;
}

// --- Stopping.

void Consumer::Core::release(Ready& ready) {
  std::optional<client::Receipt> row;
  for (; ready.at != ready.batch->end(); ++ready.at) {
    const client::Receipt receipt = ready.at->receipt();
    if (row && row->range.last + 1 == receipt.range.first) {
      row->range.last = receipt.range.last;
      continue;
    }
    if (row) command({Settlement::Kind::kRelease, *row, std::nullopt, {}});
    row = receipt;
  }
  if (row) command({Settlement::Kind::kRelease, *row, std::nullopt, {}});
}

void Consumer::Core::release_ready() {
  for (Ready& ready : ready_) release(ready);
  ready_.clear();
}

void Consumer::Core::request_stop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    if (!options_.at_most_once) release_ready();
  }
  arrived_.notify_all();
  client_->loop().wake();
}

base::Status Consumer::Core::stop(base::Millis deadline) {
  if (client_->loop().on_thread()) {
    return base::failed_precondition("a call that waits cannot be made from a callback");
  }
  const auto until = std::chrono::steady_clock::now() + deadline;
  request_stop();
  bool ended = false;
  {
    std::unique_lock lock(mutex_);
    ended = progress_.wait_until(lock, until, [&] {
      if (handlers_running_ > 0) return false;
      if (failure_) return true;
      if (options_.at_most_once) return threads_running_ == 0;
      return !defers_ || all_is_settled_;
    });
  }
  const auto left =
      std::chrono::duration_cast<base::Millis>(until - std::chrono::steady_clock::now());
  base::Status status = flush(std::max(left, base::Millis(0)));
  (void)client_->loop().run([&]() -> base::Status {
    detach();
    return {};
  });
  if (!ended) {
    return base::Error(base::ErrorCode::kDeadlineExceeded,
                       "a handler, or a message that one left for later, did not end in time");
  }
  return status;
}

void Consumer::Core::stop_in_time() {
  if (client_->loop().on_thread()) {
    request_stop();
    client_->loop().post([self = shared_from_this()] { self->detach(); });
    return;
  }
  (void)stop(options_.close_timeout);
  // Handlers may still run, and use what this object's user owns.
  std::unique_lock lock(mutex_);
  progress_.wait(lock, [&] { return threads_running_ == 0; });
}

// --- The loop's thread.

void Consumer::Core::detach() {
  if (!attached_) return;
  attached_ = false;
  // What was settled leaves before the goodbye, also where nobody waits for the answer.
  std::vector<Command> commands;
  {
    const std::lock_guard lock(mutex_);
    commands = take_commands();
    if (!failure_) failure_ = stopped();
  }
  for (Command& command : commands) apply(command);
  consumer_.reset();
  arrived_.notify_all();
  progress_.notify_all();
  client_->loop().leave(this);
}

void Consumer::Core::apply(std::vector<client::ReceiptWord>& acks) {
  if (options_.at_most_once) return consumer_->ack(acks);  // there are no leases
  // What is not known any more goes alone, since it is likely to be stale.
  for (const client::Receipt& row : leases_.settle(acks)) {
    consumer_->settle(client::SettleKind::kAck, row, {.alone = true});
  }
  consumer_->ack(acks);
}

void Consumer::Core::apply(Command& command) {
  if (!command.acks.empty()) return apply(command.acks);
  const std::span<const client::Receipt> receipts = command.receipts();
  for (const client::Receipt& receipt : receipts) {
    const bool known = leases_.settle(receipt) == receipt.range.count();
    const bool last = &receipt == &receipts.back();
    consumer_->settle(static_cast<client::SettleKind>(command.kind), receipt,
                      {.delay = command.delay,
                       .error = command.error,
                       .done = last ? std::move(command.done) : command.done,
                       .alone = !known});
  }
}

std::optional<base::MonoTime> Consumer::Core::turn(base::MonoTime now) {
  if (!attached_) return std::nullopt;
  std::vector<Command> commands;
  {
    const std::lock_guard lock(mutex_);
    if (stopping_) consumer_->stop_credit();
    if (!commands_.empty()) {
      if (!commands_due_) commands_due_ = now + options_.settle_linger;
      if (hurried() || receipts_waiting_ >= kReceiptsMany || *commands_due_ <= now) {
        commands = take_commands();
        commands_due_.reset();
        commands_applied_ = commands_given_;
      }
    }
  }
  for (Command& command : commands) apply(command);
  fetch(now);
  std::optional<base::MonoTime> wake = commands_due_;
  for (const client::Receipt& receipt : leases_.take_due(now)) {
    // Without a connection the session keeps the leases, or they are lost.
    (void)consumer_->extend(receipt);
  }
  const std::optional<base::MonoTime> extend_at = leases_.next();
  if (extend_at) wake = wake ? std::min(*wake, *extend_at) : *extend_at;
  return wake;
}

void Consumer::Core::fetch(base::MonoTime now) {
  std::vector<Ready> fresh;
  std::optional<base::Error> error;
  for (;;) {
    base::Result<std::optional<client::DeliveredBatch>> batch = consumer_->poll(base::Millis(0));
    if (!batch.has_value()) {
      error = batch.error();
      break;
    }
    if (!batch->has_value()) break;
    auto shared = std::make_shared<const client::DeliveredBatch>(std::move(**batch));
    if (!options_.at_most_once) leases_.add(shared->receipts(), now, shared->lease());
    fresh.push_back({shared, shared->begin()});
  }
  const client::ConsumerStats& stats = consumer_->stats();
  {
    const std::lock_guard lock(mutex_);
    stats_ = {stats.messages_delivered, stats.messages_settled, stats.messages_stale};
    if (error && !failure_) failure_ = error;
    for (Ready& ready : fresh) {
      if (stopping_ && !options_.at_most_once) {
        release(ready);
      } else {
        ready_.push_back(std::move(ready));
      }
    }
    confirm();
  }
  if (!fresh.empty() || error) arrived_.notify_all();
}

// REQUIRES: the lock is held.
void Consumer::Core::confirm() {
  messages_lost_ = consumer_->lost_messages();
  if (mark_ && consumer_->passed(mark_->place)) {
    commands_confirmed_ = mark_->commands;
    mark_.reset();
  }
  if (!mark_ && hurried() && commands_confirmed_ < commands_applied_) {
    mark_ = Mark{commands_applied_, consumer_->settle_mark()};
    if (consumer_->passed(mark_->place)) {
      commands_confirmed_ = mark_->commands;
      mark_.reset();
    }
  }
  all_is_settled_ = leases_.empty() && commands_.empty();
  if (hurried() || failure_) progress_.notify_all();
}

void Consumer::Core::on_dead(const base::Error& error) {
  consumer_->abandon(error);
  std::vector<Command> commands;
  {
    const std::lock_guard lock(mutex_);
    if (!failure_) failure_ = error;
    commands = take_commands();
  }
  for (Command& command : commands) {
    if (!command.done) continue;
    for (std::size_t i = 0; i < command.receipts().size(); ++i) command.done(error);
  }
  arrived_.notify_all();
  progress_.notify_all();
}

// What is in hand of the shard is leased to nobody or to others: it comes again.
void Consumer::Core::drop_ready(base::ShardIndex shard) {
  const std::lock_guard lock(mutex_);
  std::erase_if(ready_, [shard](const Ready& ready) { return ready.batch->shard() == shard; });
}

}  // namespace sluice
