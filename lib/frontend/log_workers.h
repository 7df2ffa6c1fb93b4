#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

#include "storage/log_work.h"

namespace sluice::frontend {

// Who carries out the log's file work: threads in a broker (LogThread), the scheduler of a
// simulation. The log has at most one piece of each lane out at a time. Loop thread only.
class LogWorkers {
 public:
  enum class Lane : std::uint8_t { kGroups, kReads, kBackground };

  virtual ~LogWorkers() = default;
  // REQUIRES: not stopped.
  virtual void submit(Lane lane, std::shared_ptr<storage::LogWork> work) = 0;
  // Finishes what is done. Returns how many pieces.
  virtual std::size_t run_completions() = 0;
  // Carries out what was submitted, then nothing more. Completions can still be run afterwards.
  virtual void stop() = 0;
};

}  // namespace sluice::frontend
