#include "runtime/memory_file_system.h"

#include <algorithm>
#include <array>
#include <limits>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <utility>

#include "base/check.h"
#include "runtime/file_error.h"
#include "runtime/memory_disk.h"

namespace sluice::runtime {
namespace {

using InodeId = MemoryDisk::InodeId;

constexpr std::size_t kOperations = 9;
// What an unlimited disk says of itself.
constexpr std::uint64_t kTotalBytesUnlimited = std::uint64_t{1} << 50;

base::Error dead(const std::string& path) {
  return base::Error(base::ErrorCode::kIo, "'" + path + "': the machine has stopped");
}

std::size_t index_of(FileOperation operation) { return static_cast<std::size_t>(operation); }

const char* verb_of(FileOperation operation) {
  constexpr std::array<const char*, kOperations> kVerbs = {"read",     "write",     "truncate",
                                                           "allocate", "fdatasync", "create",
                                                           "rename",   "remove",    "fsync folder"};
  return kVerbs[index_of(operation)];
}

}  // namespace

// The disk and the kernel above it.
struct MemoryFileSystem::Machine {
  explicit Machine(MemoryDisk start) : disk(std::move(start)) {}

  mutable std::mutex mutex;  // guards all of it
  MemoryDisk disk;
  std::uint64_t capacity_bytes = 0;
  bool in_page_cache = false;
  std::uint64_t incarnation = 1;          // rises with every crash and kill
  std::map<InodeId, std::uint64_t> open;  // how often
  std::set<InodeId> locked;
  std::vector<FileFault> faults;
  std::array<std::uint64_t, kOperations> counts{};
  std::optional<std::uint64_t> operations_left;  // until it stops

  std::uint64_t changing_operations() const {
    std::uint64_t sum = 0;
    for (const std::uint64_t count : counts) sum += count;
    return sum - counts[index_of(FileOperation::kRead)];
  }

  bool stopped() const { return operations_left == 0U; }

  // Counts the operation; returns the fault that hits it.
  std::optional<FileFault> take_fault(FileOperation operation, const std::string& path) {
    ++counts[index_of(operation)];
    if (operations_left && operation != FileOperation::kRead) --*operations_left;
    std::optional<FileFault> hit;
    std::erase_if(faults, [&](FileFault& fault) {
      if (fault.operation != operation || path.find(fault.path_part) == std::string::npos) {
        return false;
      }
      if (--fault.nth > 0) return false;
      hit = fault;
      return true;
    });
    return hit;
  }

  base::Status begin(FileOperation operation, const std::string& path) {
    if (stopped()) return dead(path);
    if (const auto fault = take_fault(operation, path)) {
      return file_error(verb_of(operation), path, fault->errno_value);
    }
    return {};
  }

  std::set<InodeId> open_inodes() const {
    std::set<InodeId> ids;
    for (const auto& [id, count] : open) ids.insert(id);
    return ids;
  }

  void close(InodeId id) {
    if (--open[id] == 0) open.erase(id);
    disk.forget_removed(open_inodes());
  }

  std::uint64_t free_bytes() const {
    if (capacity_bytes == 0) return std::numeric_limits<std::uint64_t>::max();
    const std::uint64_t used = disk.allocated_bytes(open_inodes());
    return capacity_bytes - std::min(used, capacity_bytes);
  }

  base::Status write(InodeId id, const std::string& path, std::uint64_t offset,
                     base::ByteView data) {
    if (stopped()) return dead(path);
    const auto fault = take_fault(FileOperation::kWrite, path);
    MemoryFile& file = disk.file(id);
    std::uint64_t bytes = data.size();
    if (fault) bytes = std::min(bytes, fault->bytes_written);
    const std::uint64_t fitting = file.writable_bytes(offset, bytes, free_bytes());
    file.write(disk.next_write_order(), offset, data.first(fitting));
    if (fault) return file_error("write", path, fault->errno_value);
    if (fitting < bytes) return file_error("write", path, ENOSPC);
    return {};
  }

  base::Status sync(InodeId id, const std::string& path) {
    if (stopped()) return dead(path);
    if (const auto fault = take_fault(FileOperation::kSync, path)) {
      disk.file(id).lose_unsynced();
      return file_error("fdatasync", path, fault->errno_value);
    }
    disk.file(id).sync();
    return {};
  }

  void restart() {
    ++incarnation;
    open.clear();
    locked.clear();
    faults.clear();
    operations_left.reset();
  }
};

class MemoryFileSystem::OpenFile final : public File {
 public:
  OpenFile(std::shared_ptr<Machine> machine, InodeId id, std::string path, bool writable)
      : machine_(std::move(machine)),
        incarnation_(machine_->incarnation),
        id_(id),
        path_(std::move(path)),
        writable_(writable) {
    ++machine_->open[id_];
  }
  ~OpenFile() override {
    const std::lock_guard guard(machine_->mutex);
    if (alive()) machine_->close(id_);
  }

  base::Status write_at(std::uint64_t offset, base::ByteView data) override {
    const std::lock_guard guard(machine_->mutex);
    RETURN_IF_ERROR(check_writable("write"));
    return machine_->write(id_, path_, offset, data);
  }
  base::Result<std::size_t> read_at(std::uint64_t offset,
                                    base::MutableByteView out) const override {
    const std::lock_guard guard(machine_->mutex);
    if (!alive()) return dead(path_);
    RETURN_IF_ERROR(machine_->begin(FileOperation::kRead, path_));
    return machine_->disk.file(id_).read(offset, out);
  }
  bool in_page_cache(std::uint64_t, std::uint64_t) const override {
    const std::lock_guard guard(machine_->mutex);
    return machine_->in_page_cache;
  }
  base::Status sync_data() override {
    const std::lock_guard guard(machine_->mutex);
    if (!alive()) return dead(path_);
    return machine_->sync(id_, path_);
  }
  base::Status truncate(std::uint64_t size) override {
    const std::lock_guard guard(machine_->mutex);
    RETURN_IF_ERROR(check_writable("truncate"));
    RETURN_IF_ERROR(machine_->begin(FileOperation::kTruncate, path_));
    machine_->disk.file(id_).truncate(machine_->disk.next_write_order(), size);
    return {};
  }
  base::Status allocate(std::uint64_t size) override {
    const std::lock_guard guard(machine_->mutex);
    RETURN_IF_ERROR(check_writable("allocate"));
    RETURN_IF_ERROR(machine_->begin(FileOperation::kAllocate, path_));
    MemoryFile& file = machine_->disk.file(id_);
    if (file.writable_bytes(0, size, machine_->free_bytes()) < size) {
      return file_error("allocate", path_, ENOSPC);
    }
    file.allocate(machine_->disk.next_write_order(), size);
    return {};
  }
  base::Result<std::uint64_t> size() const override {
    const std::lock_guard guard(machine_->mutex);
    if (!alive() || machine_->stopped()) return dead(path_);
    return machine_->disk.file(id_).size();
  }

 private:
  bool alive() const { return machine_->incarnation == incarnation_; }
  base::Status check_writable(const char* what) const {
    if (!alive()) return dead(path_);
    if (!writable_) return file_error(what, path_, EBADF);
    return {};
  }

  std::shared_ptr<Machine> machine_;
  std::uint64_t incarnation_;
  InodeId id_;
  std::string path_;
  bool writable_;
};

class MemoryFileSystem::HeldLock final : public FileLock {
 public:
  HeldLock(std::shared_ptr<Machine> machine, InodeId id)
      : machine_(std::move(machine)), incarnation_(machine_->incarnation), id_(id) {
    machine_->locked.insert(id_);
    ++machine_->open[id_];
  }
  ~HeldLock() override {
    const std::lock_guard guard(machine_->mutex);
    if (machine_->incarnation != incarnation_) return;
    machine_->locked.erase(id_);
    machine_->close(id_);
  }

 private:
  std::shared_ptr<Machine> machine_;
  std::uint64_t incarnation_;
  InodeId id_;
};

MemoryFileSystem::MemoryFileSystem(const MemoryFileSystemOptions& options)
    : machine_(std::make_shared<Machine>(MemoryDisk(options.sector_bytes))) {
  machine_->capacity_bytes = options.capacity_bytes;
  for (const std::string& folder : options.folders) {
    CHECK(machine_->disk.create_folder(folder).has_value());
  }
  machine_->disk.sync_everything();
}

MemoryFileSystem::~MemoryFileSystem() = default;

base::Result<std::unique_ptr<File>> MemoryFileSystem::open(const std::string& path, OpenMode mode) {
  const std::lock_guard guard(machine_->mutex);
  if (machine_->stopped()) return dead(path);
  InodeId id = 0;
  if (mode == OpenMode::kCreate) {
    RETURN_IF_ERROR(machine_->begin(FileOperation::kCreate, path));
    ASSIGN_OR_RETURN(id, machine_->disk.create_file(path));
  } else {
    ASSIGN_OR_RETURN(id, machine_->disk.find_file(path));
  }
  return std::unique_ptr<File>(
      std::make_unique<OpenFile>(machine_, id, path, mode != OpenMode::kRead));
}

base::Result<std::vector<std::string>> MemoryFileSystem::list(const std::string& folder) {
  const std::lock_guard guard(machine_->mutex);
  if (machine_->stopped()) return dead(folder);
  return machine_->disk.list(folder);
}

base::Status MemoryFileSystem::rename(const std::string& from, const std::string& to) {
  const std::lock_guard guard(machine_->mutex);
  RETURN_IF_ERROR(machine_->begin(FileOperation::kRename, from));
  return machine_->disk.rename(from, to);
}

base::Status MemoryFileSystem::remove(const std::string& path) {
  const std::lock_guard guard(machine_->mutex);
  RETURN_IF_ERROR(machine_->begin(FileOperation::kRemove, path));
  return machine_->disk.remove(path);
}

base::Status MemoryFileSystem::create_folder(const std::string& folder) {
  const std::lock_guard guard(machine_->mutex);
  RETURN_IF_ERROR(machine_->begin(FileOperation::kCreate, folder));
  return machine_->disk.create_folder(folder);
}

base::Status MemoryFileSystem::sync_folder(const std::string& folder) {
  const std::lock_guard guard(machine_->mutex);
  RETURN_IF_ERROR(machine_->begin(FileOperation::kSyncFolder, folder));
  RETURN_IF_ERROR(machine_->disk.sync_folder(folder));
  machine_->disk.forget_removed(machine_->open_inodes());
  return {};
}

base::Result<std::unique_ptr<FileLock>> MemoryFileSystem::lock(const std::string& path,
                                                               const std::string& owner) {
  const std::lock_guard guard(machine_->mutex);
  if (machine_->stopped()) return dead(path);
  MemoryDisk& disk = machine_->disk;
  base::Result<InodeId> id = disk.find_file(path);
  if (!id.has_value() && id.error().code() == base::ErrorCode::kNotFound) {
    RETURN_IF_ERROR(machine_->begin(FileOperation::kCreate, path));
    id = disk.create_file(path);
  }
  if (!id.has_value()) return std::move(id).error();
  if (machine_->locked.contains(*id)) {
    return base::failed_precondition("'" + path + "' is locked by " +
                                     std::string(base::as_text(disk.file(*id).contents())));
  }
  RETURN_IF_ERROR(machine_->write(*id, path, 0, base::as_bytes(owner)));
  RETURN_IF_ERROR(machine_->begin(FileOperation::kTruncate, path));
  disk.file(*id).truncate(disk.next_write_order(), owner.size());
  return std::unique_ptr<FileLock>(std::make_unique<HeldLock>(machine_, *id));
}

base::Result<DiskSpace> MemoryFileSystem::space(const std::string& folder) {
  const std::lock_guard guard(machine_->mutex);
  if (machine_->stopped()) return dead(folder);
  RETURN_IF_ERROR(machine_->disk.find(folder));
  DiskSpace space;
  space.total_bytes =
      machine_->capacity_bytes == 0 ? kTotalBytesUnlimited : machine_->capacity_bytes;
  space.available_bytes = std::min(machine_->free_bytes(), space.total_bytes);
  return space;
}

void MemoryFileSystem::kill() {
  const std::lock_guard guard(machine_->mutex);
  machine_->restart();
  machine_->disk.forget_removed({});
}

void MemoryFileSystem::crash(const CrashPlan& plan) {
  const std::lock_guard guard(machine_->mutex);
  machine_->restart();
  machine_->disk.crash(plan);
}

CrashPlan MemoryFileSystem::draw_crash_plan(base::Prng& prng) const {
  const std::lock_guard guard(machine_->mutex);
  return CrashPlan::draw(prng, machine_->disk.unsynced_bytes(),
                         machine_->disk.unsynced_folder_changes().size());
}

std::unique_ptr<MemoryFileSystem> MemoryFileSystem::clone() const {
  auto copy = std::make_unique<MemoryFileSystem>();
  const std::lock_guard guard(machine_->mutex);
  copy->machine_->disk = machine_->disk;
  copy->machine_->disk.forget_removed({});
  copy->machine_->capacity_bytes = machine_->capacity_bytes;
  return copy;
}

void MemoryFileSystem::fail(FileFault fault) {
  CHECK(fault.nth > 0);
  const std::lock_guard guard(machine_->mutex);
  machine_->faults.push_back(std::move(fault));
}

void MemoryFileSystem::stop_after(std::uint64_t count) {
  const std::lock_guard guard(machine_->mutex);
  machine_->operations_left = count;
}

void MemoryFileSystem::set_capacity(std::uint64_t bytes) {
  const std::lock_guard guard(machine_->mutex);
  machine_->capacity_bytes = bytes;
}

void MemoryFileSystem::set_in_page_cache(bool all) {
  const std::lock_guard guard(machine_->mutex);
  machine_->in_page_cache = all;
}

void MemoryFileSystem::flip_bit(const std::string& path, std::uint64_t offset, unsigned bit) {
  const std::lock_guard guard(machine_->mutex);
  const base::Result<InodeId> id = machine_->disk.find_file(path);
  CHECK(id.has_value());
  machine_->disk.file(*id).flip_bit(offset, bit);
}

std::uint64_t MemoryFileSystem::operations(FileOperation operation) const {
  const std::lock_guard guard(machine_->mutex);
  return machine_->counts[index_of(operation)];
}

std::uint64_t MemoryFileSystem::changing_operations() const {
  const std::lock_guard guard(machine_->mutex);
  return machine_->changing_operations();
}

base::Result<std::vector<std::byte>> MemoryFileSystem::contents(const std::string& path) const {
  const std::lock_guard guard(machine_->mutex);
  ASSIGN_OR_RETURN(const InodeId id, machine_->disk.find_file(path));
  return machine_->disk.file(id).contents();
}

base::Result<std::vector<std::byte>> MemoryFileSystem::durable_contents(
    const std::string& path) const {
  const std::lock_guard guard(machine_->mutex);
  ASSIGN_OR_RETURN(const InodeId id, machine_->disk.find_file(path));
  return machine_->disk.file(id).durable_contents();
}

std::vector<UnsyncedSector> MemoryFileSystem::unsynced_sectors() const {
  const std::lock_guard guard(machine_->mutex);
  return machine_->disk.unsynced_sectors();
}

std::vector<std::uint64_t> MemoryFileSystem::unsynced_sectors(const std::string& path) const {
  const std::lock_guard guard(machine_->mutex);
  const base::Result<InodeId> id = machine_->disk.find_file(path);
  if (!id.has_value()) return {};
  const std::set<std::uint64_t>& sectors = machine_->disk.file(*id).unsynced_sectors();
  return {sectors.begin(), sectors.end()};
}

std::uint64_t MemoryFileSystem::unsynced_bytes() const {
  const std::lock_guard guard(machine_->mutex);
  return machine_->disk.unsynced_bytes();
}

std::vector<UnsyncedFolderChange> MemoryFileSystem::unsynced_folder_changes() const {
  const std::lock_guard guard(machine_->mutex);
  return machine_->disk.unsynced_folder_changes();
}

}  // namespace sluice::runtime
