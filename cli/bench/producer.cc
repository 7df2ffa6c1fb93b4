#include <sys/prctl.h>

#include <algorithm>
#include <chrono>
#include <deque>
#include <memory>
#include <thread>
#include <utility>
#include <vector>

#include "cli/bench/body.h"
#include "cli/bench/options.h"
#include "cli/bench/shared_state.h"
#include "cli/context.h"
#include "cli/exit_code.h"
#include "client/publisher.h"
#include "runtime/posix/system_clock.h"

namespace sluice::cli::bench {
namespace {

// Asking for the time costs more than publishing a message.
constexpr std::uint64_t kSampleEvery = 64;
// Below this, every message is in the sample.
constexpr std::uint64_t kRateOfFullSample = 200'000;
constexpr base::Millis kFlushTimeout{300'000};
constexpr base::Millis kSendTimeout{120'000};
constexpr std::int64_t kNanosPerSecond = 1'000'000'000;
// How exactly a paced message leaves at its time.
constexpr base::Nanos kTick{20'000};
constexpr base::Nanos kLongPause{2'000'000};

class Producer {
 public:
  Producer(const WorkerOptions& options, SharedState& shared)
      : options_(options),
        shared_(shared),
        state_(shared.worker(options.worker)),
        body_(options.size_bytes, std::byte{'.'}) {}

  base::Status run(client::Connection& connection);

 private:
  struct Sample {
    std::uint64_t index = 0;
    base::MonoTime sent;
  };

  base::Status send_at_full_speed();
  base::Status send_paced();
  base::Status send(std::uint64_t index, base::MonoTime sent);
  void on_outcome(const client::BatchOutcome& outcome);

  const WorkerOptions& options_;
  SharedState& shared_;
  WorkerState& state_;
  runtime::SystemClock clock_;
  std::vector<std::byte> body_;
  std::unique_ptr<client::Publisher> publisher_;
  std::deque<Sample> samples_;  // without an answer yet; the queue has one shard, so in order
  std::uint64_t answered_ = 0;
};

base::Status Producer::run(client::Connection& connection) {
  client::PublisherOptions options;
  options.queue = options_.queue;
  options.batch_bytes = options_.batch_bytes;
  options.in_flight_bytes_max = std::size_t{options_.batch_bytes} * options_.window;
  options.send_timeout = kSendTimeout;
  options.on_outcome = [this](const client::BatchOutcome& outcome) { on_outcome(outcome); };
  ASSIGN_OR_RETURN(publisher_, client::Publisher::open(connection, std::move(options)));
  state_.ready.store(1);
  while (!shared_.go()) {
    if (shared_.stop()) return {};
    RETURN_IF_ERROR(connection.poll(base::Millis(1)));
  }
  state_.begin_ns.store(clock_.mono_now().value());
  RETURN_IF_ERROR(options_.rate == 0 ? send_at_full_speed() : send_paced());
  RETURN_IF_ERROR(publisher_->flush(kFlushTimeout));
  state_.finished.store(1);
  return {};
}

base::Status Producer::send(std::uint64_t index, base::MonoTime sent) {
  const BodyStamp stamp{static_cast<std::uint16_t>(options_.producer), index, sent};
  store_stamp(body_.data(), stamp);
  if (sent.value() != 0) samples_.push_back({index, sent});
  return publisher_->append(body_);
}

base::Status Producer::send_at_full_speed() {
  for (std::uint64_t index = 0; index < options_.messages; ++index) {
    const bool sample = index % kSampleEvery == 0;
    RETURN_IF_ERROR(send(index, sample ? clock_.mono_now() : base::MonoTime()));
  }
  return {};
}

// Each message has its time. One that leaves late counts from when it was due, or else a broker
// that makes everybody wait would look fast.
base::Status Producer::send_paced() {
  prctl(PR_SET_TIMERSLACK, 1);
  const std::uint64_t every = options_.rate <= kRateOfFullSample ? 1 : kSampleEvery;
  const double nanos_each =
      static_cast<double>(kNanosPerSecond) / static_cast<double>(options_.rate);
  const base::MonoTime begin = clock_.mono_now();
  const auto due = [&](std::uint64_t index) {
    return begin + static_cast<std::int64_t>(nanos_each * static_cast<double>(index));
  };
  std::uint64_t index = 0;
  while (index < options_.messages) {
    const base::MonoTime now = clock_.mono_now();
    bool some = false;
    for (; index < options_.messages && due(index) <= now; ++index) {
      RETURN_IF_ERROR(send(index, index % every == 0 ? due(index) : base::MonoTime()));
      some = true;
    }
    if (some) RETURN_IF_ERROR(publisher_->send());
    const base::Nanos pause(due(index) - clock_.mono_now());
    const bool is_long = pause > kLongPause;
    RETURN_IF_ERROR(publisher_->poll(base::Millis(is_long ? 1 : 0)));
    if (!is_long && pause.count() > 0) std::this_thread::sleep_for(std::min(pause, kTick));
  }
  return {};
}

void Producer::on_outcome(const client::BatchOutcome& outcome) {
  const base::MonoTime now = clock_.mono_now();
  answered_ += outcome.count;
  while (!samples_.empty() && samples_.front().index < answered_) {
    if (outcome.stored()) state_.latency.add(base::Nanos(now - samples_.front().sent));
    samples_.pop_front();
  }
  auto& counter = outcome.stored() ? state_.confirmed : state_.refused;
  counter.store(counter.load(std::memory_order_relaxed) + outcome.count);
  state_.end_ns.store(now.value());
}

base::Status produce(const WorkerOptions& options) {
  ASSIGN_OR_RETURN(const auto shared, SharedState::attach(options.shared_fd));
  client::ConnectionOptions connection_options;
  connection_options.endpoint = options.endpoint;
  connection_options.keys_folder = options.keys_folder;
  ASSIGN_OR_RETURN(const auto connection, client::Connection::open(connection_options));
  return Producer(options, *shared).run(*connection);
}

}  // namespace

int run_producer(const WorkerOptions& options) {
  const base::Status status = produce(options);
  return status.has_value() ? kExitOk : fail(status.error().with_prefix("producer"));
}

}  // namespace sluice::cli::bench
