#pragma once

#include "base/result.h"

namespace sluice::storage {

// A piece of file work that the loop thread hands to another thread and takes back: the seam
// between the log and whoever carries its work out (LogThread; a test or the simulator inline).
// Between the two calls the loop touches nothing that run() uses.
class LogWork {
 public:
  virtual ~LogWork() = default;
  // Any thread, once.
  virtual base::Status run() = 0;
  // Loop thread, once, with what run() returned. The log's objects must still live.
  virtual void finish(const base::Status& status) = 0;
};

}  // namespace sluice::storage
