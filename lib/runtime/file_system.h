#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"

namespace sluice::runtime {

// An open file. read_at may be called from any thread; everything else from one thread at a time.
class File {
 public:
  virtual ~File() = default;
  // Writes all bytes at `offset`, extending the file if needed. Nothing is durable before
  // sync_data. After any error the caller must not trust the file and must stop (never retry).
  virtual base::Status write_at(std::uint64_t offset, base::ByteView data) = 0;
  // Reads up to out.size() bytes; fewer only at the end of the file.
  virtual base::Result<std::size_t> read_at(std::uint64_t offset,
                                            base::MutableByteView out) const = 0;
  // True where such a read would not wait for the disk now, as far as the system tells; false where
  // that is not known. Only good for a decision about speed.
  virtual bool in_page_cache(std::uint64_t, std::uint64_t) const { return false; }
  // Makes written bytes and the file's size durable (fdatasync).
  virtual base::Status sync_data() = 0;
  // The disk may begin with these written bytes, so that the next sync_data finds less to do. A
  // hint, which promises nothing and does not wait for them; what fails is told by sync_data.
  virtual void begin_sync(std::uint64_t /*offset*/, std::uint64_t /*bytes*/) {}
  virtual base::Status truncate(std::uint64_t size) = 0;
  // Takes disk space for the first `size` bytes, so that no later write there fails for want of it;
  // a shorter file is extended with zeros. ResourceExhausted where there is not enough: the file
  // may be longer then. It may be tried again.
  virtual base::Status allocate(std::uint64_t size) = 0;
  virtual base::Result<std::uint64_t> size() const = 0;
};

// Held until destroyed; the operating system gives it up when the process dies.
class FileLock {
 public:
  virtual ~FileLock() = default;
};

struct DiskSpace {
  std::uint64_t total_bytes = 0;
  std::uint64_t available_bytes = 0;
};

enum class OpenMode {
  kRead,       // must exist
  kReadWrite,  // must exist
  kCreate,     // read-write; must not exist
};

// Paths are plain strings with '/'; parents must exist. Safe from any thread.
class FileSystem {
 public:
  virtual ~FileSystem() = default;
  virtual base::Result<std::unique_ptr<File>> open(const std::string& path, OpenMode mode) = 0;
  // Names (not paths) of the entries of a folder, sorted.
  virtual base::Result<std::vector<std::string>> list(const std::string& folder) = 0;
  virtual base::Status rename(const std::string& from, const std::string& to) = 0;
  virtual base::Status remove(const std::string& path) = 0;
  // Also creates missing parents; an existing folder is fine.
  virtual base::Status create_folder(const std::string& folder) = 0;
  // Makes creations, renames and removals inside `folder` durable.
  virtual base::Status sync_folder(const std::string& folder) = 0;
  // Exclusive advisory lock on `path`, created if missing. FailedPrecondition, with the owner's
  // words (what it wrote into the file), where another process holds it. `owner` is written into
  // the file for the next one to read.
  virtual base::Result<std::unique_ptr<FileLock>> lock(const std::string& path,
                                                       const std::string& owner) = 0;
  virtual base::Result<DiskSpace> space(const std::string& folder) = 0;
};

}  // namespace sluice::runtime
