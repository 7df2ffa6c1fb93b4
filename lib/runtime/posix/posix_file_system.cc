#include "runtime/posix/posix_file_system.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <utility>
#include <vector>

#include "runtime/file_error.h"
#include "runtime/posix/file_descriptor.h"

namespace sluice::runtime {
namespace {

constexpr mode_t kFileMode = 0640;
constexpr mode_t kFolderMode = 0750;
constexpr std::size_t kOwnerBytesMax = 1024;

// Calls `call` again while a signal interrupts it.
template <typename Call>
auto retry_interrupted(const Call& call) {
  auto result = call();
  while (result < 0 && errno == EINTR) result = call();
  return result;
}

FileDescriptor open_fd(const std::string& path, int flags) {
  return FileDescriptor(
      retry_interrupted([&] { return ::open(path.c_str(), flags | O_CLOEXEC, kFileMode); }));
}

base::Status write_all(int fd, std::uint64_t offset, base::ByteView data, const std::string& path) {
  while (!data.empty()) {
    const ssize_t written = retry_interrupted(
        [&] { return ::pwrite(fd, data.data(), data.size(), static_cast<off_t>(offset)); });
    if (written < 0) return file_error("write", path, errno);
    offset += static_cast<std::uint64_t>(written);
    data = data.subspan(static_cast<std::size_t>(written));
  }
  return {};
}

base::Result<std::size_t> read_all(int fd, std::uint64_t offset, base::MutableByteView out,
                                   const std::string& path) {
  std::size_t total = 0;
  while (total < out.size()) {
    const base::MutableByteView rest = out.subspan(total);
    const ssize_t count = retry_interrupted(
        [&] { return ::pread(fd, rest.data(), rest.size(), static_cast<off_t>(offset + total)); });
    if (count < 0) return file_error("read", path, errno);
    if (count == 0) break;
    total += static_cast<std::size_t>(count);
  }
  return total;
}

std::uint64_t bytes_of_a_page() {
  static const auto kBytes = static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
  return kBytes;
}

// Whether each page of [begin, begin + length) is in the page cache; begin is a page's. The mapping
// is never read, so it brings nothing in, and no error of the disk can end the process.
bool all_in_page_cache(int fd, std::uint64_t begin, std::uint64_t length) {
  const std::uint64_t page_bytes = bytes_of_a_page();
  void* const pages = ::mmap(nullptr, length, PROT_READ, MAP_SHARED, fd, static_cast<off_t>(begin));
  if (pages == MAP_FAILED) return false;
  std::vector<unsigned char> present((length + page_bytes - 1) / page_bytes);
  const bool known = ::mincore(pages, length, present.data()) == 0;
  ::munmap(pages, length);
  return known && std::all_of(present.begin(), present.end(),
                              [](unsigned char page) { return (page & 1U) != 0; });
}

// Where the system does not tell (it may depend on whose file it is, and some sandboxes never do)
// it says that all is there, also what lies behind the file's end.
bool tells_what_is_cached(int fd) {
  struct stat status {};
  if (::fstat(fd, &status) != 0) return false;
  const std::uint64_t page_bytes = bytes_of_a_page();
  const std::uint64_t behind = static_cast<std::uint64_t>(status.st_size) / page_bytes + 1;
  return !all_in_page_cache(fd, behind * page_bytes, page_bytes);
}

class PosixFile final : public File {
 public:
  PosixFile(FileDescriptor fd, std::string path) : fd_(std::move(fd)), path_(std::move(path)) {}

  base::Status write_at(std::uint64_t offset, base::ByteView data) override {
    return write_all(fd_.get(), offset, data, path_);
  }
  base::Result<std::size_t> read_at(std::uint64_t offset,
                                    base::MutableByteView out) const override {
    return read_all(fd_.get(), offset, out, path_);
  }
  bool in_page_cache(std::uint64_t offset, std::uint64_t bytes) const override {
    static const bool kTells = tells_what_is_cached(fd_.get());
    const std::uint64_t page_bytes = bytes_of_a_page();
    const std::uint64_t begin = offset / page_bytes * page_bytes;
    return kTells && bytes > 0 && all_in_page_cache(fd_.get(), begin, offset + bytes - begin);
  }
  base::Status sync_data() override {
    if (::fdatasync(fd_.get()) != 0) return file_error("fdatasync", path_, errno);
    return {};
  }
  // An error of the disk stays with the file, for fdatasync to report.
  void begin_sync(std::uint64_t offset, std::uint64_t bytes) override {
    (void)::sync_file_range(fd_.get(), static_cast<off_t>(offset), static_cast<off_t>(bytes),
                            SYNC_FILE_RANGE_WRITE);
  }
  base::Status truncate(std::uint64_t size) override {
    const int result =
        retry_interrupted([&] { return ::ftruncate(fd_.get(), static_cast<off_t>(size)); });
    if (result != 0) return file_error("truncate", path_, errno);
    return {};
  }
  base::Status allocate(std::uint64_t size) override {
    int error = EINTR;
    while (error == EINTR) error = ::posix_fallocate(fd_.get(), 0, static_cast<off_t>(size));
    if (error != 0) return file_error("allocate", path_, error);
    return {};
  }
  base::Result<std::uint64_t> size() const override {
    struct stat status {};
    if (::fstat(fd_.get(), &status) != 0) return file_error("fstat", path_, errno);
    return static_cast<std::uint64_t>(status.st_size);
  }

 private:
  FileDescriptor fd_;
  std::string path_;
};

// Closing the descriptor gives the lock up.
class PosixFileLock final : public FileLock {
 public:
  explicit PosixFileLock(FileDescriptor fd) : fd_(std::move(fd)) {}

 private:
  FileDescriptor fd_;
};

struct CloseFolder {
  void operator()(DIR* folder) const { ::closedir(folder); }
};

base::Status create_one_folder(const std::string& folder) {
  if (::mkdir(folder.c_str(), kFolderMode) == 0) return {};
  const int error = errno;
  struct stat status {};
  if (error == EEXIST && ::stat(folder.c_str(), &status) == 0 && S_ISDIR(status.st_mode)) return {};
  return file_error("create folder", folder, error);
}

}  // namespace

base::Result<std::unique_ptr<File>> PosixFileSystem::open(const std::string& path, OpenMode mode) {
  int flags = O_RDONLY;
  if (mode == OpenMode::kReadWrite) flags = O_RDWR;
  if (mode == OpenMode::kCreate) flags = O_RDWR | O_CREAT | O_EXCL;
  FileDescriptor fd = open_fd(path, flags);
  if (!fd.valid()) return file_error("open", path, errno);
  return std::unique_ptr<File>(std::make_unique<PosixFile>(std::move(fd), path));
}

base::Result<std::vector<std::string>> PosixFileSystem::list(const std::string& folder) {
  const std::unique_ptr<DIR, CloseFolder> stream(::opendir(folder.c_str()));
  if (!stream) return file_error("list", folder, errno);
  std::vector<std::string> names;
  while (true) {
    errno = 0;
    // One thread at a time reads a stream of its own, which is all that readdir asks for.
    const dirent* entry = ::readdir(stream.get());  // NOLINT(concurrency-mt-unsafe)
    if (entry == nullptr) break;
    std::string name = entry->d_name;
    if (name != "." && name != "..") names.push_back(std::move(name));
  }
  if (errno != 0) return file_error("list", folder, errno);
  std::sort(names.begin(), names.end());
  return names;
}

base::Status PosixFileSystem::rename(const std::string& from, const std::string& to) {
  if (::rename(from.c_str(), to.c_str()) != 0) {
    return file_error(("rename to '" + to + "'").c_str(), from, errno);
  }
  return {};
}

base::Status PosixFileSystem::remove(const std::string& path) {
  if (std::remove(path.c_str()) != 0) return file_error("remove", path, errno);
  return {};
}

base::Status PosixFileSystem::create_folder(const std::string& folder) {
  for (std::size_t at = folder.find('/', 1); at != std::string::npos;
       at = folder.find('/', at + 1)) {
    RETURN_IF_ERROR(create_one_folder(folder.substr(0, at)));
  }
  return create_one_folder(folder);
}

base::Status PosixFileSystem::sync_folder(const std::string& folder) {
  const FileDescriptor fd = open_fd(folder, O_RDONLY | O_DIRECTORY);
  if (!fd.valid()) return file_error("open folder", folder, errno);
  if (::fsync(fd.get()) != 0) return file_error("fsync folder", folder, errno);
  return {};
}

base::Result<std::unique_ptr<FileLock>> PosixFileSystem::lock(const std::string& path,
                                                              const std::string& owner) {
  FileDescriptor fd = open_fd(path, O_RDWR | O_CREAT);
  if (!fd.valid()) return file_error("open lock file", path, errno);
  // Bound to the open file, not to the process: a second lock in the same process is refused too,
  // and closing another descriptor of the file does not drop it.
  struct flock whole_file {};
  whole_file.l_type = F_WRLCK;
  whole_file.l_whence = SEEK_SET;
  if (::fcntl(fd.get(), F_OFD_SETLK, &whole_file) != 0) {
    const int error = errno;
    if (error != EAGAIN && error != EACCES) return file_error("lock", path, error);
    std::array<std::byte, kOwnerBytesMax> words;
    ASSIGN_OR_RETURN(const std::size_t length, read_all(fd.get(), 0, words, path));
    return base::failed_precondition("'" + path + "' is locked by " +
                                     std::string(base::as_text({words.data(), length})));
  }
  // In this order it needs no new block, which a full disk would not have.
  RETURN_IF_ERROR(write_all(fd.get(), 0, base::as_bytes(owner), path));
  if (::ftruncate(fd.get(), static_cast<off_t>(owner.size())) != 0) {
    return file_error("truncate lock file", path, errno);
  }
  return std::unique_ptr<FileLock>(std::make_unique<PosixFileLock>(std::move(fd)));
}

base::Result<DiskSpace> PosixFileSystem::space(const std::string& folder) {
  struct statvfs status {};
  if (::statvfs(folder.c_str(), &status) != 0) return file_error("statvfs", folder, errno);
  return DiskSpace{.total_bytes = std::uint64_t{status.f_blocks} * status.f_frsize,
                   .available_bytes = std::uint64_t{status.f_bavail} * status.f_frsize};
}

}  // namespace sluice::runtime
