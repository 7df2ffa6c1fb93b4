#include "frontend/leader_epoch.h"

#include <algorithm>
#include <charconv>
#include <memory>
#include <string_view>
#include <utility>

#include "base/buggify.h"
#include "base/bytes.h"
#include "base/crc32c.h"
#include "base/log.h"

namespace sluice::frontend {
namespace {

constexpr std::string_view kName = "/leader-epoch";
constexpr std::size_t kFileBytesMax = 64;

// "1764000000 1a2b3c4d\n": the epoch, and a checksum of its digits, both for people to read.
std::string text_of(std::uint64_t epoch) {
  const std::string digits = std::to_string(epoch);
  char sum[9] = {};
  const auto end =
      std::to_chars(sum, sum + sizeof sum - 1, base::crc32c(base::as_bytes(digits)), 16).ptr;
  return digits + " " + std::string(sum, end) + "\n";
}

}  // namespace

LeaderEpoch::LeaderEpoch(runtime::FileSystem& fs, std::string folder)
    : fs_(fs), folder_(std::move(folder)) {
  if (const base::Status loaded = load(); !loaded.has_value()) {
    base::log_error("leader_epoch_unreadable", {{"error", loaded.error().message()}});
  }
}

base::Status LeaderEpoch::load() {
  const auto found = read();
  if (!found.has_value() && found.error().code() != base::ErrorCode::kNotFound) {
    return found.error();
  }
  if (found.has_value()) highest_ = *found;
  is_known_ = true;
  return {};
}

base::Result<std::uint64_t> LeaderEpoch::read() const {
  const std::string path = folder_ + std::string(kName);
  ASSIGN_OR_RETURN(const auto file, fs_.open(path, runtime::OpenMode::kRead));
  std::byte bytes[kFileBytesMax];
  ASSIGN_OR_RETURN(const std::size_t size, file->read_at(0, bytes));
  const std::string_view text = base::as_text(base::ByteView(bytes, size));
  std::uint64_t epoch = 0;
  std::from_chars(text.data(), text.data() + text.size(), epoch);
  // What we write for this number and nothing else.
  if (text != text_of(epoch)) return base::corruption(path + ": is not what a broker wrote");
  return epoch;
}

base::Status LeaderEpoch::write(std::uint64_t epoch) {
  const std::string path = folder_ + std::string(kName);
  const std::string fresh = path + ".tmp";
  if (base::Status removed = fs_.remove(fresh);
      !removed.has_value() && removed.error().code() != base::ErrorCode::kNotFound) {
    return removed;
  }
  {
    ASSIGN_OR_RETURN(const auto file, fs_.open(fresh, runtime::OpenMode::kCreate));
    RETURN_IF_ERROR(file->write_at(0, base::as_bytes(text_of(epoch))));
    RETURN_IF_ERROR(file->sync_data());
  }
  RETURN_IF_ERROR(fs_.rename(fresh, path));
  return fs_.sync_folder(folder_);
}

broker::Refusal LeaderEpoch::show(std::uint64_t epoch) {
  if (!is_known_) {
    if (const base::Status loaded = load(); !loaded.has_value()) {
      return {broker::RefusalCode::kNotReady,
              "leader epoch: " + loaded.error().message() +
                  ": restore the file, or remove it when no replaced leader is left"};
    }
  }
  if (epoch == highest_ && is_durable_) return {};
  if (epoch < highest_ && PLANTED("old_leader_heard")) return {};
  if (epoch < highest_) {
    return {broker::RefusalCode::kStaleLeader, "leader epoch: " + std::to_string(epoch) +
                                                   " is below " + std::to_string(highest_) +
                                                   ", which another leader has shown"};
  }
  // Also when the write fails: it may have come as far as the file's new name.
  const std::uint64_t before = highest_;
  highest_ = epoch;
  is_durable_ = false;
  if (const base::Status written = write(epoch); !written.has_value()) {
    base::log_error("leader_epoch_unwritten", {{"error", written.error().message()}});
    return {broker::RefusalCode::kNotReady,
            "leader epoch: could not be written down: " + written.error().message()};
  }
  base::log_info("leader_changed", {{"epoch", epoch}, {"before", before}});
  is_durable_ = true;
  return {};
}

}  // namespace sluice::frontend
