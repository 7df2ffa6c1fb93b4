#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "cli/bench/child_process.h"
#include "cli/bench/options.h"
#include "cli/bench/shared_state.h"

namespace sluice::cli::bench {

// The producers and consumers of one load on one queue, and the memory that they share with us.
// Workers 0 .. producers-1 of the shared state are the producers. Killed when destroyed.
class Workers {
 public:
  struct Load {
    std::string queue;
    std::uint64_t messages = 0;
    std::uint32_t consumers = 0;
    std::uint64_t rate = 0;
    std::string keys_folder = {};  // empty = plain text
  };

  static base::Result<std::unique_ptr<Workers>> create(const Options& options, const Load& load,
                                                       const std::string& endpoint);

  base::Status start_producers();
  base::Status start_consumers();
  // From now on producers send and consumers take.
  void go() { shared_->set_go(); }

  // Each waits until it is so, calling `turn` many times a second; that may say no.
  using Turn = std::function<base::Status()>;
  base::Status wait_until_published(const Turn& turn);
  // Also returns when nothing has moved for long: then something is lost.
  base::Status wait_until_settled(const Turn& turn);
  // Tells the workers to end, and waits for it.
  base::Status finish(const Turn& turn);

  std::uint64_t stored() const;
  std::uint64_t settled() const;
  std::uint32_t producers() const { return options_.producers; }
  std::uint32_t consumers() const { return load_.consumers; }
  WorkerState& producer(std::uint32_t index) const { return shared_->worker(index); }
  WorkerState& consumer(std::uint32_t index) const {
    return shared_->worker(options_.producers + index);
  }
  // Messages that some consumer has had.
  std::uint64_t received() const { return shared_->marked(); }

 private:
  Workers(const Options& options, Load load, std::string endpoint, std::string program)
      : options_(options),
        load_(std::move(load)),
        endpoint_(std::move(endpoint)),
        program_(std::move(program)) {}

  base::Status start(const char* command, std::uint32_t worker, std::uint32_t producer);
  base::Status wait_until(const std::function<bool()>& done, const Turn& turn);
  base::Status check();

  const Options& options_;
  Load load_;
  std::string endpoint_;
  std::string program_;
  std::unique_ptr<SharedState> shared_;
  std::vector<std::unique_ptr<ChildProcess>> processes_;
};

}  // namespace sluice::cli::bench
