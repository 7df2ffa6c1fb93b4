#pragma once

#include <memory>
#include <string>
#include <vector>

#include "runtime/file_system.h"

namespace sluice::runtime {

// The real disk. Stateless; safe from any thread. Files are created with mode 0640, folders with
// 0750; every descriptor is closed on exec.
class PosixFileSystem final : public FileSystem {
 public:
  base::Result<std::unique_ptr<File>> open(const std::string& path, OpenMode mode) override;
  base::Result<std::vector<std::string>> list(const std::string& folder) override;
  base::Status rename(const std::string& from, const std::string& to) override;
  base::Status remove(const std::string& path) override;
  base::Status create_folder(const std::string& folder) override;
  base::Status sync_folder(const std::string& folder) override;
  base::Result<std::unique_ptr<FileLock>> lock(const std::string& path,
                                               const std::string& owner) override;
  base::Result<DiskSpace> space(const std::string& folder) override;
};

}  // namespace sluice::runtime
