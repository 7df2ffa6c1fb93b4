#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/prng.h"
#include "runtime/memory_file_system.h"

namespace sluice::sim {

// What a disk may be made to claim without doing it: planted bugs at the seam.
struct DiskLies {
  bool syncs_segments = false;  // fdatasync of a segment returns at once
  bool syncs_folders = false;
};

// What a disk says of its page cache: nothing that anybody may rely on. How often it says that all
// of a stretch is there is drawn, from never to always, and drawn anew now and then; so an answer
// may be true, false, and another one the next time.
class PageCacheAnswers {
 public:
  explicit PageCacheAnswers(std::uint64_t seed);
  bool next();

 private:
  base::Prng prng_;
  double there_ = 0;  // how often
};

// The disk as one process sees it. When the process dies nothing of it reaches the disk any more,
// whatever is still on its stack. One thread.
class SimFileSystem final : public runtime::FileSystem {
 public:
  // `seed` of what it says of its page cache.
  SimFileSystem(runtime::MemoryFileSystem& disk, const DiskLies& lies, std::uint64_t seed);
  ~SimFileSystem() override;

  base::Result<std::unique_ptr<runtime::File>> open(const std::string& path,
                                                    runtime::OpenMode mode) override;
  base::Result<std::vector<std::string>> list(const std::string& folder) override;
  base::Status rename(const std::string& from, const std::string& to) override;
  base::Status remove(const std::string& path) override;
  base::Status create_folder(const std::string& folder) override;
  base::Status sync_folder(const std::string& folder) override;
  base::Result<std::unique_ptr<runtime::FileLock>> lock(const std::string& path,
                                                        const std::string& owner) override;
  base::Result<runtime::DiskSpace> space(const std::string& folder) override;

  // Every later call is an error.
  void die();
  // The same, once so many more operations have changed the disk; in the midst of whatever asked
  // for them.
  void die_after(std::uint64_t operations);
  void live_on();  // not any more
  bool dead() const;

 private:
  struct State {
    bool dead = false;
    std::optional<std::uint64_t> left;
    DiskLies lies;
    PageCacheAnswers page_cache;
  };
  class SimFile;

  static base::Status check(State& state, bool changes);

  runtime::MemoryFileSystem& disk_;
  std::shared_ptr<State> state_;  // shared with open files
};

}  // namespace sluice::sim
