#include "client/consumer.h"

#include <memory>
#include <optional>
#include <utility>

#include "cli/bench/body.h"
#include "cli/bench/options.h"
#include "cli/bench/shared_state.h"
#include "cli/context.h"
#include "cli/exit_code.h"
#include "runtime/posix/system_clock.h"

namespace sluice::cli::bench {
namespace {

constexpr base::Millis kPollTurn{5};
constexpr base::Millis kSettleTimeout{30'000};
constexpr std::uint32_t kMessagesMax = 1'000'000;

class Consumer {
 public:
  Consumer(const WorkerOptions& options, SharedState& shared)
      : options_(options), shared_(shared), state_(shared.worker(options.worker)) {}

  base::Status run(client::Connection& connection);

 private:
  void take(const client::DeliveredBatch& batch);
  void check(const BodyStamp& stamp);
  void note_settled();

  const WorkerOptions& options_;
  SharedState& shared_;
  WorkerState& state_;
  runtime::SystemClock clock_;
  std::unique_ptr<client::Consumer> consumer_;
  std::uint64_t settled_ = 0;
};

base::Status Consumer::run(client::Connection& connection) {
  client::ConsumerOptions options;
  options.queue = options_.queue;
  options.messages_max = kMessagesMax;
  options.bytes_max = std::uint64_t{options_.batch_bytes} * options_.window;
  ASSIGN_OR_RETURN(consumer_, client::Consumer::open(connection, std::move(options)));
  state_.ready.store(1);
  while (!shared_.stop()) {
    ASSIGN_OR_RETURN(const auto batch, consumer_->poll(kPollTurn));
    if (batch) take(*batch);
    note_settled();
  }
  RETURN_IF_ERROR(consumer_->flush_settles(kSettleTimeout));
  note_settled();
  state_.finished.store(1);
  return {};
}

void Consumer::take(const client::DeliveredBatch& batch) {
  const base::MonoTime now = clock_.mono_now();
  if (state_.begin_ns.load(std::memory_order_relaxed) == 0) state_.begin_ns.store(now.value());
  for (const client::Delivery& delivery : batch) {
    if (delivery.message.body.size() != options_.size_bytes) {
      state_.foreign.fetch_add(1);
    } else {
      const BodyStamp stamp = load_stamp(delivery.message.body.data());
      check(stamp);
      if (stamp.sent.value() != 0) state_.latency.add(base::Nanos(now - stamp.sent));
    }
    // Each on its own terms, as an application would; the client joins neighbours.
    consumer_->ack(delivery.receipt());
  }
}

// Messages of all producers stand in one row: first those of producer 0.
void Consumer::check(const BodyStamp& stamp) {
  const std::uint64_t number = stamp.producer * options_.messages + stamp.index;
  if (number >= shared_.messages()) {
    state_.foreign.fetch_add(1);
  } else if (shared_.mark(number)) {
    state_.duplicated.fetch_add(1);
  }
}

void Consumer::note_settled() {
  const std::uint64_t settled = consumer_->stats().messages_settled;
  if (settled == settled_) return;
  settled_ = settled;
  state_.end_ns.store(clock_.mono_now().value());
  state_.confirmed.store(settled);
}

base::Status consume(const WorkerOptions& options) {
  ASSIGN_OR_RETURN(const auto shared, SharedState::attach(options.shared_fd));
  client::ConnectionOptions connection_options;
  connection_options.endpoint = options.endpoint;
  connection_options.keys_folder = options.keys_folder;
  ASSIGN_OR_RETURN(const auto connection, client::Connection::open(connection_options));
  return Consumer(options, *shared).run(*connection);
}

}  // namespace

int run_consumer(const WorkerOptions& options) {
  const base::Status status = consume(options);
  return status.has_value() ? kExitOk : fail(status.error().with_prefix("consumer"));
}

}  // namespace sluice::cli::bench
