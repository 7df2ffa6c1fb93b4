#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <thread>
#include <utility>

#include "runtime/memory_file_system.h"

struct fuse;

namespace sluice::torture {

// Answers that it is done and does nothing: what a program that forgets a sync looks like from
// below.
struct SyncLies {
  std::atomic<bool> files{false};
  std::atomic<bool> folders{false};
};

// A disk in memory as a folder of the machine, over FUSE: what programs write there is with the
// disk at once, and durable as far as they synced it. Needs root and /dev/fuse.
class DiskMount {
 public:
  // Mounts it on `folder`, which exists; the disk must outlive the mount. Serves until destroyed.
  static std::unique_ptr<DiskMount> open(runtime::MemoryFileSystem& disk,
                                         const std::string& folder);
  ~DiskMount();
  DiskMount(const DiskMount&) = delete;
  DiskMount& operator=(const DiskMount&) = delete;

  SyncLies& lies() { return served_.lies; }

  // What the callbacks see.
  struct Served {
    runtime::MemoryFileSystem& disk;
    SyncLies lies;
  };

 private:
  DiskMount(runtime::MemoryFileSystem& disk, std::string folder)
      : served_{disk, {}}, folder_(std::move(folder)) {}

  Served served_;
  std::string folder_;
  struct fuse* fuse_ = nullptr;
  std::thread loop_;
};

}  // namespace sluice::torture
