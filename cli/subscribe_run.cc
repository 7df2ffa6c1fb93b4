#include "cli/subscribe_run.h"

#include <algorithm>
#include <utility>

#include "cli/context.h"
#include "cli/json_text.h"
#include "cli/message_text.h"
#include "cli/stop_signal.h"
#include "cli/wall_text.h"

namespace sluice::cli {
namespace {

constexpr base::Millis kPollTurn{200};
constexpr base::Millis kSettleTimeout{30'000};
constexpr int kExitRelease = 75;
constexpr std::uint64_t kBytesOfAll = std::uint64_t{1} << 50;  // far from where credit would wrap

}  // namespace

SubscribeRun::SubscribeRun(client::Connection& connection, const SubscribeOptions& options)
    : connection_(connection), options_(options), output_([this] { keep_alive(); }) {}

base::Status SubscribeRun::run() {
  client::ConsumerOptions options;
  options.queue = options_.queue;
  options.subscription = options_.subscription;
  options.messages_max = options_.prefetch;
  options.at_most_once = options_.at_most_once;
  // Nothing is given back before the end, so that what is wanted has to fit.
  if (options_.settle == SettleMode::kNone) options.bytes_max = kBytesOfAll;
  if (options_.max > 0) {
    options.messages_max =
        static_cast<std::uint32_t>(std::min<std::uint64_t>(options_.max, options.messages_max));
  }
  ASSIGN_OR_RETURN(consumer_, client::Consumer::open(connection_, std::move(options)));
  base::Status status = take_until_enough();
  base::Status settled = consumer_->flush_settles(kSettleTimeout);
  unconfirmed_ = consumer_->lost_messages();
  consumer_.reset();
  RETURN_IF_ERROR(std::move(status));
  return settled;
}

bool SubscribeRun::has_enough() const { return options_.max > 0 && handed_on_ >= options_.max; }

base::Status SubscribeRun::take_until_enough() {
  base::MonoTime last = connection_.now();
  while (!stop_requested() && !output_.closed() && !has_enough()) {
    base::Millis turn = kPollTurn;
    if (options_.idle_exit) turn = std::min(turn, *options_.idle_exit);
    ASSIGN_OR_RETURN(const auto batch, consumer_->poll(turn));
    const base::MonoTime now = connection_.now();
    if (!batch) {
      if (options_.idle_exit && now >= last + *options_.idle_exit) break;
      continue;
    }
    lease_ = batch->lease();
    extended_at_ = batch->received_at();
    RETURN_IF_ERROR(options_.exec.empty() ? print(*batch) : execute(*batch));
    last = connection_.now();
  }
  return {};
}

base::Status SubscribeRun::print(const client::DeliveredBatch& batch) {
  std::uint64_t count = batch.size();
  // What was taken for good is not thrown away, even above the limit.
  if (options_.max > 0 && !options_.at_most_once)
    count = std::min(count, options_.max - handed_on_);
  std::uint64_t left = count;
  for (const client::Delivery& delivery : batch) {
    if (left-- == 0) break;
    if (options_.json) {
      append_json(delivery);
    } else {
      output_ << base::as_text(delivery.message.body) << "\n";
    }
    if (!output_.flush_if_large().has_value()) break;
  }
  // A message counts as consumed only when its line has left this process.
  if (output_.closed() || !output_.flush().has_value()) {
    consumer_->release(batch);
    return {};
  }
  handed_on_ += count;
  // No more credit than what may still come.
  if (options_.at_most_once && has_enough()) return {};
  settle(batch, count);
  return {};
}

void SubscribeRun::append_json(const client::Delivery& delivery) {
  std::string& out = output_.text();
  out += R"({"shard":)";
  append_number(out, delivery.shard.value());
  out += R"(,"sequence":)";
  append_number(out, delivery.sequence.value());
  out += R"(,"attempt":)";
  append_number(out, std::uint64_t{delivery.attempts} + 1);
  out += R"(,"stalls":)";
  append_number(out, delivery.stalls);
  if (accepted_text_.empty() || delivery.accepted_at != accepted_at_) {
    accepted_at_ = delivery.accepted_at;
    accepted_text_ = format_wall(accepted_at_);
  }
  out += R"(,"acceptedAt":")" + accepted_text_ + "\",";
  base::MessageAttributes attributes;
  if (!delivery.message.attributes.empty()) {
    auto decoded = base::decode_attributes(delivery.message.attributes);
    if (decoded) attributes = std::move(*decoded);
  }
  append_message_json(out, attributes, base::as_text(delivery.message.body));
  out += "}\n";
}

void SubscribeRun::settle(const client::DeliveredBatch& batch, std::uint64_t count) {
  if (options_.settle == SettleMode::kAck && count == batch.size()) {
    consumer_->ack(batch);
    return;
  }
  for (client::Receipt receipt : batch.receipts()) {
    const base::SequenceRange range = receipt.range;
    const std::uint64_t part = std::min(count, range.count());
    count -= part;
    if (part > 0) {
      receipt.range.last = range.first + (part - 1);
      settle(receipt);
    }
    if (part < range.count()) {
      consumer_->release({receipt.shard, receipt.epoch, {range.first + part, range.last}});
    }
  }
}

void SubscribeRun::settle(const client::Receipt& receipt) {
  switch (options_.settle) {
    case SettleMode::kAck:
      consumer_->ack(receipt);
      break;
    case SettleMode::kRelease:
      consumer_->release(receipt);
      break;
    case SettleMode::kFail:
      consumer_->fail(receipt, {.delay = {}, .error = options_.error});
      break;
    case SettleMode::kReject:
      consumer_->reject(receipt, options_.error);
      break;
    case SettleMode::kNone:
      break;
  }
}

base::Status SubscribeRun::execute(const client::DeliveredBatch& batch) {
  for (const client::Delivery& delivery : batch) {
    if (!options_.at_most_once && (stop_requested() || has_enough())) {
      consumer_->release(delivery.receipt());
      continue;
    }
    auto attributes = base::decode_attributes(delivery.message.attributes);
    ShellJob job;
    job.command = options_.exec;
    job.body = base::as_text(delivery.message.body);
    job.environment = {{"SLUICE_QUEUE", options_.queue},
                       {"SLUICE_SHARD", std::to_string(delivery.shard.value())},
                       {"SLUICE_SEQUENCE", std::to_string(delivery.sequence.value())},
                       {"SLUICE_ATTEMPT", std::to_string(delivery.attempts + 1)},
                       {"SLUICE_KEY", attributes ? std::string(attributes->key) : ""}};
    job.out_of_time = [this] { return is_out_of_time(); };
    keep_alive();
    ASSIGN_OR_RETURN(const ShellJobResult result, run_shell_job(job, [this] { keep_alive(); }));
    ++handed_on_;
    settle_job(delivery, result);
    RETURN_IF_ERROR(connection_.keep_alive());  // the settle leaves now
  }
  return {};
}

void SubscribeRun::settle_job(const client::Delivery& delivery, const ShellJobResult& result) {
  if (result.exit_code == 0) {
    consumer_->ack(delivery.receipt());
    return;
  }
  // ^C reaches the command too: that says nothing about the message. Nor does the end of the time.
  const bool stopped = result.was_stopped || (result.signalled && stop_requested());
  if (result.exit_code == kExitRelease || stopped) {
    consumer_->release(delivery.receipt());
    return;
  }
  ++failed_jobs_;
  std::string error = result.last_error;
  if (error.empty()) error = "exit code " + std::to_string(result.exit_code);
  consumer_->fail(delivery.receipt(), {.delay = {}, .error = error});
}

bool SubscribeRun::is_out_of_time() {
  if (!stop_requested()) return false;
  const base::MonoTime now = connection_.now();
  if (!stopped_at_) stopped_at_ = now;
  return *stopped_at_ + base::Nanos(options_.grace) <= now;
}

void SubscribeRun::keep_alive() {
  const base::MonoTime now = connection_.now();
  if (lease_.count() > 0 && now >= extended_at_ + lease_ / 2) {
    extended_at_ = now;
    if (consumer_ != nullptr) static_cast<void>(consumer_->extend_all());
  }
  static_cast<void>(connection_.keep_alive());
}

}  // namespace sluice::cli
