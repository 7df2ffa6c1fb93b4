#include "cli/bench/workers.h"

#include <chrono>
#include <thread>
#include <utility>

#include "cli/sibling_program.h"
#include "cli/stop_signal.h"
#include "runtime/posix/system_clock.h"

namespace sluice::cli::bench {
namespace {

constexpr base::Millis kWatchTurn{10};
constexpr base::Millis kNothingMoves{20'000};

}  // namespace

base::Result<std::unique_ptr<Workers>> Workers::create(const Options& options, const Load& load,
                                                       const std::string& endpoint) {
  ASSIGN_OR_RETURN(std::string program, own_program());
  auto workers = std::unique_ptr<Workers>(new Workers(options, load, endpoint, std::move(program)));
  // The first producer has the largest share; all have room for as many.
  const std::uint64_t bits = share_of(load.messages, 0, options.producers) * options.producers;
  ASSIGN_OR_RETURN(workers->shared_, SharedState::create(options.producers + load.consumers, bits));
  return workers;
}

base::Status Workers::start(const char* command, std::uint32_t worker, std::uint32_t producer) {
  const bool is_producer = worker < options_.producers;
  const std::uint32_t sharer = is_producer ? producer : 0;
  std::vector<std::string> arguments = {program_, command};
  const auto flag = [&arguments](const char* name, const std::string& value) {
    arguments.emplace_back(name);
    arguments.push_back(value);
  };
  flag("--endpoint", endpoint_);
  flag("--queue", load_.queue);
  flag("--shared-fd", std::to_string(shared_->fd()));
  flag("--worker", std::to_string(worker));
  flag("--producer", std::to_string(producer));
  flag("--messages", std::to_string(share_of(load_.messages, sharer, options_.producers)));
  flag("--size", std::to_string(options_.size_bytes));
  flag("--batch", std::to_string(options_.batch_bytes));
  flag("--window", std::to_string(options_.window));
  flag("--rate", std::to_string(share_of(load_.rate, sharer, options_.producers)));
  if (!load_.keys_folder.empty()) flag("--keys-folder", load_.keys_folder);
  ASSIGN_OR_RETURN(auto process, ChildProcess::start(std::move(arguments), ""));
  processes_.push_back(std::move(process));
  return {};
}

base::Status Workers::start_producers() {
  for (std::uint32_t i = 0; i < options_.producers; ++i) {
    RETURN_IF_ERROR(start(kProducerCommand, i, i));
  }
  return wait_until(
      [this] {
        for (std::uint32_t i = 0; i < producers(); ++i) {
          if (producer(i).ready == 0) return false;
        }
        return true;
      },
      [] { return base::Status(); });
}

base::Status Workers::start_consumers() {
  for (std::uint32_t i = 0; i < load_.consumers; ++i) {
    RETURN_IF_ERROR(start(kConsumerCommand, options_.producers + i, 0));
  }
  return wait_until(
      [this] {
        for (std::uint32_t i = 0; i < consumers(); ++i) {
          if (consumer(i).ready == 0) return false;
        }
        return true;
      },
      [] { return base::Status(); });
}

base::Status Workers::wait_until(const std::function<bool()>& done, const Turn& turn) {
  while (!done()) {
    if (stop_requested()) return base::unavailable("stopped");
    RETURN_IF_ERROR(turn());
    RETURN_IF_ERROR(check());
    std::this_thread::sleep_for(kWatchTurn);
  }
  return {};
}

// A worker that ended early has said why on stderr.
base::Status Workers::check() {
  for (const auto& process : processes_) {
    const std::optional<int> code = process->exit_code();
    if (code && *code != 0) {
      return base::unavailable("a worker ended with exit code " + std::to_string(*code));
    }
  }
  return {};
}

base::Status Workers::wait_until_published(const Turn& turn) {
  return wait_until(
      [this] {
        for (std::uint32_t i = 0; i < producers(); ++i) {
          if (producer(i).finished == 0) return false;
        }
        return true;
      },
      turn);
}

base::Status Workers::wait_until_settled(const Turn& turn) {
  const runtime::SystemClock clock;
  std::uint64_t before = settled();
  base::MonoTime moved = clock.mono_now();
  return wait_until(
      [&] {
        const std::uint64_t now_settled = settled();
        const base::MonoTime now = clock.mono_now();
        if (now_settled != before) moved = now;
        before = now_settled;
        return now_settled >= stored() || now > moved + kNothingMoves;
      },
      turn);
}

base::Status Workers::finish(const Turn& turn) {
  shared_->set_stop();
  return wait_until(
      [this] {
        for (const auto& process : processes_) {
          if (!process->exit_code()) return false;
        }
        return true;
      },
      turn);
}

std::uint64_t Workers::stored() const {
  std::uint64_t count = 0;
  for (std::uint32_t i = 0; i < producers(); ++i) count += producer(i).confirmed;
  return count;
}

std::uint64_t Workers::settled() const {
  std::uint64_t count = 0;
  for (std::uint32_t i = 0; i < consumers(); ++i) count += consumer(i).confirmed;
  return count;
}

}  // namespace sluice::cli::bench
