#include "client/api/consumer_core.h"

#include <algorithm>
#include <chrono>
#include <exception>
#include <thread>
#include <utility>

#include "base/check.h"
#include "client/api/convert.h"
#include "client/api/delivery.h"

namespace sluice {
namespace {

// Worth a frame of their own at once.
constexpr std::size_t kCommandsMany = 1'024;

base::Error stopped() { return base::failed_precondition("the consumer was stopped"); }

}  // namespace

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
  options.queue = options_.queue;
  options.subscription = options_.subscription;
  options.messages_max = std::max<std::uint32_t>(options_.prefetch_messages, 1);
  options.bytes_max = std::max<std::uint64_t>(options_.prefetch_bytes, 1);
  client::Connection& connection = client_->loop().connection();
  ASSIGN_OR_RETURN(consumer_, client::Consumer::open(connection, std::move(options)));
  connection.add_user(this);
  attached_ = true;
  return {};
}

// --- Handing out.

void Consumer::Core::take(DeliveryBatch& out, std::size_t messages_max) {
  while (!ready_.empty() && out.size() < messages_max) {
    Ready& ready = ready_.front();
    for (; out.size() < messages_max && ready.at != ready.batch->end(); ++ready.at) {
      out.push_back(DeliveryAccess::make(ready.batch, *ready.at));
    }
    if (ready.at == ready.batch->end()) ready_.pop_front();
  }
}

base::Result<DeliveryBatch> Consumer::Core::receive(base::Millis timeout,
                                                    std::size_t messages_max) {
  DeliveryBatch batch;
  std::unique_lock lock(mutex_);
  const auto some = [&] { return !ready_.empty() || stopping_ || failure_; };
  if (!some() && !client_->loop().on_thread()) arrived_.wait_for(lock, timeout, some);
  if (!ready_.empty() && messages_max < ready_.front().batch->size()) batch.reserve(messages_max);
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
  for (;;) {
    arrived_.wait(lock, [&] { return !ready_.empty() || stopping_ || failure_; });
    if (stopping_ || ready_.empty()) break;
    DeliveryBatch one;
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
    settle(one.front(), settlement);
    lock.lock();
    --handlers_running_;
    if (stopping_) progress_.notify_all();
  }
  --threads_running_;
  progress_.notify_all();
}

// --- Settling.

// REQUIRES: the lock is held. The loop's thread is woken for the first of a row only.
void Consumer::Core::command(Command command) {
  commands_.push_back(std::move(command));
  ++commands_given_;
  if (commands_.size() == 1 || commands_.size() == kCommandsMany) client_->loop().wake();
}

void Consumer::Core::settle(const Delivery& delivery, const Settlement& settlement) {
  Command one;
  one.kind = settlement.kind();
  one.receipt = DeliveryAccess::receipt(delivery);
  one.delay = settlement.delay();
  one.error = settlement.error();
  const std::lock_guard lock(mutex_);
  if (one.kind == Settlement::Kind::kAck && !commands_.empty()) {
    Command& last = commands_.back();
    if (last.kind == one.kind && last.receipt.shard == one.receipt.shard &&
        last.receipt.epoch == one.receipt.epoch &&
        last.receipt.range.last + 1 == one.receipt.range.first) {
      last.receipt.range.last = one.receipt.range.last;
      return;
    }
  }
  command(std::move(one));
}

void Consumer::Core::ack(const DeliveryBatch& batch) {
  std::vector<client::Receipt> receipts;
  for (const Delivery& delivery : batch) {
    const client::Receipt receipt = DeliveryAccess::receipt(delivery);
    if (!receipts.empty() && receipts.back().shard == receipt.shard &&
        receipts.back().epoch == receipt.epoch &&
        receipts.back().range.last + 1 == receipt.range.first) {
      receipts.back().range.last = receipt.range.last;
    } else {
      receipts.push_back(receipt);
    }
  }
  const std::lock_guard lock(mutex_);
  for (const client::Receipt& receipt : receipts) {
    command({Settlement::Kind::kAck, receipt, std::nullopt, {}});
  }
}

base::Status Consumer::Core::flush(base::Millis timeout) {
  if (client_->loop().on_thread()) {
    return base::failed_precondition("a call that waits cannot be made from a callback");
  }
  std::unique_lock lock(mutex_);
  const std::uint64_t given = commands_given_;
  const auto done = [&] { return failure_ || commands_confirmed_ >= given; };
  if (commands_confirmed_ < given) {
    hurried_ = true;
    client_->loop().wake();
  }
  if (!progress_.wait_for(lock, timeout, done)) {
    return base::Error(base::ErrorCode::kDeadlineExceeded, "settles are not confirmed in time");
  }
  if (commands_confirmed_ < given) return *failure_;
  return {};
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
    hurried_ = true;
    release_ready();
  }
  arrived_.notify_all();
  client_->loop().wake();
}

base::Status Consumer::Core::stop(base::Millis deadline) {
  const auto until = std::chrono::steady_clock::now() + deadline;
  request_stop();
  bool ended = false;
  {
    std::unique_lock lock(mutex_);
    ended = progress_.wait_until(lock, until, [&] { return handlers_running_ == 0; });
  }
  const auto left =
      std::chrono::duration_cast<base::Millis>(until - std::chrono::steady_clock::now());
  base::Status status = flush(std::max(left, base::Millis(0)));
  (void)client_->loop().run([&]() -> base::Status {
    detach();
    return {};
  });
  if (!ended) {
    return base::Error(base::ErrorCode::kDeadlineExceeded, "a handler did not end in time");
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
  consumer_.reset();
  client_->loop().connection().remove_user(this);
  leases_.clear();
  {
    const std::lock_guard lock(mutex_);
    if (!failure_) failure_ = stopped();
  }
  arrived_.notify_all();
  progress_.notify_all();
  client_->loop().leave(this);
}

void Consumer::Core::apply(const Command& command) {
  leases_.settle(command.receipt);
  switch (command.kind) {
    case Settlement::Kind::kAck:
      consumer_->ack(command.receipt);
      break;
    case Settlement::Kind::kRelease:
      consumer_->release(command.receipt);
      break;
    case Settlement::Kind::kFail:
      consumer_->fail(command.receipt, {.delay = command.delay, .error = command.error});
      break;
    case Settlement::Kind::kReject:
      consumer_->reject(command.receipt, command.error);
      break;
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
      if (hurried_ || commands_.size() >= kCommandsMany || *commands_due_ <= now) {
        commands.swap(commands_);
        commands_due_.reset();
        commands_applied_ = commands_given_;
      }
    }
  }
  for (const Command& command : commands) apply(command);
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
    leases_.add(shared->receipts(), now, shared->lease());
    fresh.push_back({shared, shared->begin()});
  }
  const client::ConsumerStats& stats = consumer_->stats();
  const bool confirmed = consumer_->unconfirmed_messages() == 0;
  {
    const std::lock_guard lock(mutex_);
    stats_ = {stats.messages_delivered, stats.messages_settled, stats.messages_stale};
    if (confirmed) commands_confirmed_ = commands_applied_;
    if (confirmed && commands_.empty()) hurried_ = stopping_;
    if (error && !failure_) failure_ = error;
    for (Ready& ready : fresh) {
      if (stopping_) {
        release(ready);
      } else {
        ready_.push_back(std::move(ready));
      }
    }
  }
  if (confirmed || error) progress_.notify_all();
  if (!fresh.empty() || error) arrived_.notify_all();
}

void Consumer::Core::on_dead(const base::Error& error) {
  {
    const std::lock_guard lock(mutex_);
    if (!failure_) failure_ = error;
  }
  arrived_.notify_all();
  progress_.notify_all();
}

// What is in hand is leased to nobody or to others: it comes again.
void Consumer::Core::on_session(bool resumed) {
  if (resumed) return;
  leases_.clear();
  const std::lock_guard lock(mutex_);
  ready_.clear();
}

}  // namespace sluice
