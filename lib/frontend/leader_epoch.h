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
  // A file that cannot be read, or is not what we write, is told, and every call is refused until
  // it is mended or gone: nobody knows which leaders were replaced. `fs` must outlive this.
  LeaderEpoch(runtime::FileSystem& fs, std::string folder);

  // Of those that were shown; 0 = none, or none is known.
  std::uint64_t highest() const { return highest_; }

  // A control call shows its epoch. Refused where it is lower than the highest, or where it could
  // not be made durable (the next call tries again); otherwise it is when this returns.
  broker::Refusal show(std::uint64_t epoch);

 private:
  base::Status load();
  base::Result<std::uint64_t> read() const;
  base::Status write(std::uint64_t epoch);

  runtime::FileSystem& fs_;
  const std::string folder_;
  std::uint64_t highest_ = 0;
  bool is_known_ = false;   // what the file says
  bool is_durable_ = true;  // the file says `highest_`
};

}  // namespace sluice::frontend
