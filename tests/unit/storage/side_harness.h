#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "runtime/memory_file_system.h"
#include "storage/file_side_index.h"

namespace sluice::storage::test {

using SideMap = std::map<std::string, std::string>;

// A side index in a MemoryFileSystem, with the snapshots that would name its roots. Folder:
// "/data".
class SideHarness {
 public:
  static constexpr const char* kFolder = "/data";

  explicit SideHarness(std::uint64_t cache_bytes = 1U << 20);

  runtime::MemoryFileSystem& fs() { return *fs_; }
  void use(std::unique_ptr<runtime::MemoryFileSystem> fs) {
    index_.reset();
    fs_ = std::move(fs);
  }
  // From the kept snapshots.
  base::Status open();
  void close() { index_.reset(); }
  FileSideIndex& index() { return *index_; }

  void put(std::string_view key, std::string_view value) {
    index_->put(base::as_bytes(key), base::as_bytes(value));
  }
  bool erase(std::string_view key) { return index_->erase(base::as_bytes(key)); }
  // All of it, by at_or_after().
  SideMap contents();

  // A snapshot: frozen, written, kept; the one before the last goes.
  base::Status snapshot();
  // In two steps.
  std::shared_ptr<SideFlush> freeze() { return index_->freeze(); }
  base::Status keep(SideFlush& flush);
  std::vector<SideRoot>& kept() { return kept_; }

  static std::string path() { return side_file(kFolder); }
  static base::Id128 log_id();

 private:
  std::uint64_t cache_bytes_;
  std::unique_ptr<runtime::MemoryFileSystem> fs_;
  std::unique_ptr<FileSideIndex> index_;
  std::vector<SideRoot> kept_;
};

// A key whose order is the number's.
std::string side_key(std::uint64_t number);

}  // namespace sluice::storage::test
