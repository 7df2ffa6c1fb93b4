#pragma once

#include <memory>
#include <string>

#include "base/result.h"

namespace sluice::cli::bench {

// A folder of its own, removed with all that is in it.
class TemporaryFolder {
 public:
  // `parent` empty = $TMPDIR, else /var/tmp, which is on a disk more often than /tmp.
  static base::Result<std::unique_ptr<TemporaryFolder>> create(const std::string& parent);
  ~TemporaryFolder();
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;

  const std::string& path() const { return path_; }
  // In memory: syncing costs nothing there, and proves nothing.
  bool in_memory() const;

 private:
  explicit TemporaryFolder(std::string path) : path_(std::move(path)) {}

  std::string path_;
};

}  // namespace sluice::cli::bench
