#include "tests/sim/broker/sim_file_system.h"

#include <array>
#include <utility>

namespace sluice::sim {

using base::Status;

namespace {

constexpr std::array<double, 5> kThere{0, 0.1, 0.5, 0.9, 1};
constexpr double kChanges = 0.02;

}  // namespace

PageCacheAnswers::PageCacheAnswers(std::uint64_t seed) : prng_(seed, "page cache") {
  there_ = kThere[prng_.below(kThere.size())];
}

bool PageCacheAnswers::next() {
  if (prng_.chance(kChanges)) there_ = kThere[prng_.below(kThere.size())];
  return prng_.chance(there_);
}

Status SimFileSystem::check(State& state, bool changes) {
  if (state.dead) return base::Error(base::ErrorCode::kIo, "the process is dead");
  if (!changes || !state.left) return {};
  if (*state.left == 0) {
    state.dead = true;
    return base::Error(base::ErrorCode::kIo, "the process died here");
  }
  --*state.left;
  return {};
}

class SimFileSystem::SimFile final : public runtime::File {
 public:
  SimFile(std::unique_ptr<runtime::File> file, std::shared_ptr<State> state, bool is_segment)
      : file_(std::move(file)), state_(std::move(state)), is_segment_(is_segment) {}

  Status write_at(std::uint64_t offset, base::ByteView data) override {
    RETURN_IF_ERROR(check(*state_, true));
    return file_->write_at(offset, data);
  }
  base::Result<std::size_t> read_at(std::uint64_t offset,
                                    base::MutableByteView out) const override {
    RETURN_IF_ERROR(check(*state_, false));
    return file_->read_at(offset, out);
  }
  bool in_page_cache(std::uint64_t, std::uint64_t) const override {
    return !state_->dead && state_->page_cache.next();
  }
  Status sync_data() override {
    RETURN_IF_ERROR(check(*state_, true));
    if (is_segment_ && state_->lies.syncs_segments) return {};
    return file_->sync_data();
  }
  Status truncate(std::uint64_t size) override {
    RETURN_IF_ERROR(check(*state_, true));
    return file_->truncate(size);
  }
  Status allocate(std::uint64_t size) override {
    RETURN_IF_ERROR(check(*state_, true));
    return file_->allocate(size);
  }
  base::Result<std::uint64_t> size() const override {
    RETURN_IF_ERROR(check(*state_, false));
    return file_->size();
  }

 private:
  std::unique_ptr<runtime::File> file_;
  std::shared_ptr<State> state_;
  bool is_segment_;
};

SimFileSystem::SimFileSystem(runtime::MemoryFileSystem& disk, const DiskLies& lies,
                             std::uint64_t seed)
    : disk_(disk),
      state_(std::make_shared<State>(State{false, std::nullopt, lies, PageCacheAnswers(seed)})) {}

SimFileSystem::~SimFileSystem() { die(); }

void SimFileSystem::die() { state_->dead = true; }
void SimFileSystem::die_after(std::uint64_t operations) { state_->left = operations; }
void SimFileSystem::live_on() { state_->left.reset(); }
bool SimFileSystem::dead() const { return state_->dead; }

base::Result<std::unique_ptr<runtime::File>> SimFileSystem::open(const std::string& path,
                                                                 runtime::OpenMode mode) {
  RETURN_IF_ERROR(check(*state_, mode == runtime::OpenMode::kCreate));
  ASSIGN_OR_RETURN(std::unique_ptr<runtime::File> file, disk_.open(path, mode));
  const bool is_segment = path.find("/segments/") != std::string::npos;
  return std::unique_ptr<runtime::File>(
      std::make_unique<SimFile>(std::move(file), state_, is_segment));
}

base::Result<std::vector<std::string>> SimFileSystem::list(const std::string& folder) {
  RETURN_IF_ERROR(check(*state_, false));
  return disk_.list(folder);
}

Status SimFileSystem::rename(const std::string& from, const std::string& to) {
  RETURN_IF_ERROR(check(*state_, true));
  return disk_.rename(from, to);
}

Status SimFileSystem::remove(const std::string& path) {
  RETURN_IF_ERROR(check(*state_, true));
  return disk_.remove(path);
}

Status SimFileSystem::create_folder(const std::string& folder) {
  RETURN_IF_ERROR(check(*state_, true));
  return disk_.create_folder(folder);
}

Status SimFileSystem::sync_folder(const std::string& folder) {
  RETURN_IF_ERROR(check(*state_, true));
  if (state_->lies.syncs_folders) return {};
  return disk_.sync_folder(folder);
}

base::Result<std::unique_ptr<runtime::FileLock>> SimFileSystem::lock(const std::string& path,
                                                                     const std::string& owner) {
  RETURN_IF_ERROR(check(*state_, false));
  return disk_.lock(path, owner);
}

base::Result<runtime::DiskSpace> SimFileSystem::space(const std::string& folder) {
  RETURN_IF_ERROR(check(*state_, false));
  return disk_.space(folder);
}

}  // namespace sluice::sim
