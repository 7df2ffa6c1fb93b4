#pragma once

#include <cstdint>
#include <string>

#include "base/result.h"
#include "broker/refusal.h"
#include "runtime/file_system.h"

namespace sluice::frontend {

// The highest epoch that a leader has shown, kept in the file `leader-epoch` of the data folder: so
// that also a restarted broker does nothing for a leader that was replaced.
//
// Loop thread only, and the one place where that waits for the disk: when a leader calls for the
// first time, which happens once in a leader's life. Everything that it calls for later finds its
// epoch there.
class LeaderEpoch {
 public:
  // A file that cannot be read, or is not what we write, is told and counts as none: control goes
  // on with the next leader that calls. `fs` must outlive this.
  LeaderEpoch(runtime::FileSystem& fs, std::string folder);

  std::uint64_t highest() const { return highest_; }

  // A control call shows its epoch. Refused where it is lower than the highest, or where a higher
  // one could not be made durable; otherwise it is when this returns.
  broker::Refusal show(std::uint64_t epoch);

 private:
  base::Result<std::uint64_t> read() const;
  base::Status write(std::uint64_t epoch);

  runtime::FileSystem& fs_;
  const std::string folder_;
  std::uint64_t highest_ = 0;
};

}  // namespace sluice::frontend
