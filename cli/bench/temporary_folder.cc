#include "cli/bench/temporary_folder.h"

#include <linux/magic.h>
#include <sys/vfs.h>

#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <system_error>
#include <utility>

namespace sluice::cli::bench {

base::Result<std::unique_ptr<TemporaryFolder>> TemporaryFolder::create(const std::string& parent) {
  std::string place = parent;
  if (place.empty()) {
    const char* const given = std::getenv("TMPDIR");
    place = given != nullptr ? given : "/var/tmp";
  }
  std::error_code error;
  std::filesystem::create_directories(place, error);
  std::string path = place + "/sluice-bench-XXXXXX";
  if (mkdtemp(path.data()) == nullptr) return base::io_error("making a folder in " + place, errno);
  return std::unique_ptr<TemporaryFolder>(new TemporaryFolder(std::move(path)));
}

TemporaryFolder::~TemporaryFolder() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

bool TemporaryFolder::in_memory() const {
  struct statfs info = {};
  if (statfs(path_.c_str(), &info) != 0) return false;
  return info.f_type == TMPFS_MAGIC || info.f_type == RAMFS_MAGIC;
}

}  // namespace sluice::cli::bench
