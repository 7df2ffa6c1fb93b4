#define FUSE_USE_VERSION 35

#include "tests/torture/lossy_fs/disk_mount.h"

#include <fcntl.h>
#include <fuse3/fuse.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include <array>
#include <cerrno>
#include <cstdint>
#include <utility>

namespace sluice::torture {
namespace {

constexpr std::uint64_t kBlockBytes = 4096;

int errno_of(const base::Error& error) {
  switch (error.code()) {
    case base::ErrorCode::kNotFound:
      return ENOENT;
    case base::ErrorCode::kAlreadyExists:
      return EEXIST;
    case base::ErrorCode::kResourceExhausted:
      return ENOSPC;
    case base::ErrorCode::kInvalidArgument:
      return EINVAL;
    case base::ErrorCode::kFailedPrecondition:
      return EPERM;
    default:
      return EIO;
  }
}

int answer(const base::Status& status) {
  return status.has_value() ? 0 : -errno_of(status.error());
}

DiskMount::Served& served() {
  return *static_cast<DiskMount::Served*>(fuse_get_context()->private_data);
}

runtime::File& file_of(const fuse_file_info& info) {
  return *reinterpret_cast<runtime::File*>(info.fh);  // NOLINT(performance-no-int-to-ptr)
}

const std::string& folder_of(const fuse_file_info& info) {
  return *reinterpret_cast<std::string*>(info.fh);  // NOLINT(performance-no-int-to-ptr)
}

void* on_init(fuse_conn_info*, fuse_config* config) {
  // Nothing is kept in the kernel: what a power loss took must be gone for everybody.
  config->direct_io = 1;
  config->attr_timeout = 0;
  config->entry_timeout = 0;
  config->negative_timeout = 0;
  // An open file that is removed has no name, and goes on.
  config->hard_remove = 1;
  config->nullpath_ok = 1;
  return fuse_get_context()->private_data;
}

void describe_file(std::uint64_t size, struct stat& status) {
  status.st_mode = S_IFREG | 0640;
  status.st_nlink = 1;
  status.st_size = static_cast<off_t>(size);
  status.st_blocks = static_cast<blkcnt_t>((size + 511) / 512);
}

int on_getattr(const char* path, struct stat* status, fuse_file_info* info) {
  *status = {};
  if (info != nullptr) {
    const auto size = file_of(*info).size();
    if (!size.has_value()) return -errno_of(size.error());
    describe_file(*size, *status);
    return 0;
  }
  runtime::MemoryFileSystem& disk = served().disk;
  if (disk.list(path).has_value()) {
    status->st_mode = S_IFDIR | 0750;
    status->st_nlink = 2;
    return 0;
  }
  const auto file = disk.open(path, runtime::OpenMode::kRead);
  if (!file.has_value()) return -errno_of(file.error());
  const auto size = (*file)->size();
  if (!size.has_value()) return -errno_of(size.error());
  describe_file(*size, *status);
  return 0;
}

int on_mkdir(const char* path, mode_t) { return answer(served().disk.create_folder(path)); }
int on_unlink(const char* path) { return answer(served().disk.remove(path)); }
int on_rmdir(const char* path) { return answer(served().disk.remove(path)); }

int on_rename(const char* from, const char* to, unsigned flags) {
  if (flags != 0) return -EINVAL;
  return answer(served().disk.rename(from, to));
}

int open_file(const char* path, runtime::OpenMode mode, fuse_file_info& info) {
  auto file = served().disk.open(path, mode);
  if (!file.has_value()) return -errno_of(file.error());
  info.fh = reinterpret_cast<std::uint64_t>(file->release());
  return 0;
}

int on_open(const char* path, fuse_file_info* info) {
  const bool reads = (info->flags & O_ACCMODE) == O_RDONLY;
  return open_file(path, reads ? runtime::OpenMode::kRead : runtime::OpenMode::kReadWrite, *info);
}

int on_create(const char* path, mode_t, fuse_file_info* info) {
  return open_file(path, runtime::OpenMode::kCreate, *info);
}

int on_release(const char*, fuse_file_info* info) {
  const std::unique_ptr<runtime::File> closed(&file_of(*info));
  return 0;
}

int on_read(const char*, char* buffer, std::size_t size, off_t offset, fuse_file_info* info) {
  const base::MutableByteView out(reinterpret_cast<std::byte*>(buffer), size);
  const auto count = file_of(*info).read_at(static_cast<std::uint64_t>(offset), out);
  return count.has_value() ? static_cast<int>(*count) : -errno_of(count.error());
}

int on_write(const char*, const char* buffer, std::size_t size, off_t offset,
             fuse_file_info* info) {
  const base::ByteView data(reinterpret_cast<const std::byte*>(buffer), size);
  const base::Status written = file_of(*info).write_at(static_cast<std::uint64_t>(offset), data);
  return written.has_value() ? static_cast<int>(size) : -errno_of(written.error());
}

int on_truncate(const char* path, off_t size, fuse_file_info* info) {
  const auto bytes = static_cast<std::uint64_t>(size);
  if (info != nullptr) return answer(file_of(*info).truncate(bytes));
  const auto file = served().disk.open(path, runtime::OpenMode::kReadWrite);
  if (!file.has_value()) return -errno_of(file.error());
  return answer((*file)->truncate(bytes));
}

int on_fallocate(const char*, int mode, off_t offset, off_t length, fuse_file_info* info) {
  if (mode != 0) return -EOPNOTSUPP;
  return answer(file_of(*info).allocate(static_cast<std::uint64_t>(offset + length)));
}

int on_fsync(const char*, int, fuse_file_info* info) {
  return served().lies.files ? 0 : answer(file_of(*info).sync_data());
}

int on_opendir(const char* path, fuse_file_info* info) {
  info->fh = reinterpret_cast<std::uint64_t>(new std::string(path));
  return 0;
}

int on_releasedir(const char*, fuse_file_info* info) {
  const std::unique_ptr<const std::string> closed(&folder_of(*info));
  return 0;
}

int on_fsyncdir(const char*, int, fuse_file_info* info) {
  return served().lies.folders ? 0 : answer(served().disk.sync_folder(folder_of(*info)));
}

int on_readdir(const char*, void* buffer, fuse_fill_dir_t fill, off_t, fuse_file_info* info,
               fuse_readdir_flags) {
  const auto names = served().disk.list(folder_of(*info));
  if (!names.has_value()) return -errno_of(names.error());
  for (const char* name : {".", ".."}) fill(buffer, name, nullptr, 0, fuse_fill_dir_flags{});
  for (const std::string& name : *names) {
    fill(buffer, name.c_str(), nullptr, 0, fuse_fill_dir_flags{});
  }
  return 0;
}

int on_statfs(const char*, struct statvfs* status) {
  const auto space = served().disk.space("/");
  if (!space.has_value()) return -errno_of(space.error());
  *status = {};
  status->f_bsize = status->f_frsize = kBlockBytes;
  status->f_blocks = space->total_bytes / kBlockBytes;
  status->f_bfree = status->f_bavail = space->available_bytes / kBlockBytes;
  status->f_namemax = 255;
  return 0;
}

// Rights and times mean nothing here.
int on_chmod(const char*, mode_t, fuse_file_info*) { return 0; }
int on_chown(const char*, uid_t, gid_t, fuse_file_info*) { return 0; }
int on_utimens(const char*, const timespec*, fuse_file_info*) { return 0; }

fuse_operations operations() {
  fuse_operations all{};
  all.init = on_init;
  all.getattr = on_getattr;
  all.mkdir = on_mkdir;
  all.unlink = on_unlink;
  all.rmdir = on_rmdir;
  all.rename = on_rename;
  all.open = on_open;
  all.create = on_create;
  all.release = on_release;
  all.read = on_read;
  all.write = on_write;
  all.truncate = on_truncate;
  all.fallocate = on_fallocate;
  all.fsync = on_fsync;
  all.opendir = on_opendir;
  all.releasedir = on_releasedir;
  all.fsyncdir = on_fsyncdir;
  all.readdir = on_readdir;
  all.statfs = on_statfs;
  all.chmod = on_chmod;
  all.chown = on_chown;
  all.utimens = on_utimens;
  return all;
}

}  // namespace

std::unique_ptr<DiskMount> DiskMount::open(runtime::MemoryFileSystem& disk,
                                           const std::string& folder) {
  std::unique_ptr<DiskMount> mount(new DiskMount(disk, folder));
  static const fuse_operations kOperations = operations();
  std::string name = "lossy_fs";
  std::string flag = "-ofsname=lossy_fs";
  std::array<char*, 2> arguments = {name.data(), flag.data()};
  fuse_args parsed = FUSE_ARGS_INIT(2, arguments.data());
  mount->fuse_ = fuse_new(&parsed, &kOperations, sizeof(kOperations), &mount->served_);
  fuse_opt_free_args(&parsed);
  if (mount->fuse_ == nullptr) return nullptr;
  if (fuse_mount(mount->fuse_, folder.c_str()) != 0) return nullptr;
  mount->loop_ = std::thread([fuse = mount->fuse_] {
    fuse_loop_config config{};
    config.max_idle_threads = 4;
    fuse_loop_mt(fuse, &config);
  });
  return mount;
}

DiskMount::~DiskMount() {
  if (loop_.joinable()) {
    // The loop ends when the kernel has no mount for it any more.
    fuse_exit(fuse_);
    ::umount2(folder_.c_str(), MNT_DETACH);
    loop_.join();
  }
  if (fuse_ != nullptr) {
    fuse_unmount(fuse_);
    fuse_destroy(fuse_);
  }
}

}  // namespace sluice::torture
