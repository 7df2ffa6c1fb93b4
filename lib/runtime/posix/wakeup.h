#pragma once

#include <memory>

#include "base/result.h"
#include "runtime/posix/file_descriptor.h"

namespace sluice::runtime {

// Wakes a loop that waits for descriptors: fd() becomes readable when somebody called notify() and
// stays so until clear(). Many notifications before a clear() are one.
//
// notify() may be called from any thread and from a signal handler; clear() by the loop, before it
// looks at what it was woken for, so that nothing posted in between is slept over.
class Wakeup {
 public:
  static base::Result<std::unique_ptr<Wakeup>> create();

  int fd() const { return fd_.get(); }
  void notify();
  void clear();

 private:
  explicit Wakeup(FileDescriptor fd) : fd_(std::move(fd)) {}

  FileDescriptor fd_;
};

}  // namespace sluice::runtime
