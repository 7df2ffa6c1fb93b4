#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/time.h"

namespace sluice::cli::cluster {

// One file of an archive.
struct ArchiveFile {
  std::string name;  // with folders, at most 255 bytes; longer parts are cut
  std::string text;
};

// A tar archive (POSIX ustar) of plain files, compressed by gzip. All are of `time`, readable by
// their owner only.
base::Result<std::string> make_tar_gz(const std::vector<ArchiveFile>& files, base::WallTime time);

// The tar archive as it is before gzip.
std::string make_tar(const std::vector<ArchiveFile>& files, base::WallTime time);

}  // namespace sluice::cli::cluster
