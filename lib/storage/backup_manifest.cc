#include "storage/backup_manifest.h"

#include <algorithm>
#include <charconv>

#include "base/crc32c.h"
#include "storage/log_files.h"
#include "storage/segment_header.h"

namespace sluice::storage {

using base::Result;
using base::Status;

namespace {

constexpr std::string_view kFirstLine = "sluice backup 1";
constexpr std::string_view kFirstWords = "sluice backup ";
constexpr std::uint64_t kManifestBytesMax = 256ULL << 20;
constexpr std::size_t kCrcLineBytes = 13;  // "crc " + 8 digits + line break

std::string hex8(std::uint32_t value) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string text;
  for (int shift = 28; shift >= 0; shift -= 4) text += kDigits[(value >> shift) & 15U];
  return text;
}

base::Error bad_manifest(std::string_view what) {
  return base::corruption("the backup's manifest: " + std::string(what));
}

// Takes words and lines off the front of a text.
class Lines {
 public:
  explicit Lines(std::string_view text) : text_(text) {}

  bool done() const { return text_.empty(); }
  std::string_view line() { return take('\n'); }
  // The rest of a line that begins with this name.
  std::string_view field(std::string_view name) {
    Lines line(this->line());
    if (line.take(' ') != name) ok_ = false;
    return line.text_;
  }
  template <typename T = std::uint64_t>
  T number(std::string_view name) {
    return to_number<T>(field(name), 10);
  }
  template <typename T>
  T to_number(std::string_view text, int base) {
    T value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, base);
    if (error != std::errc() || end != text.data() + text.size()) ok_ = false;
    return value;
  }
  std::string_view take(char end) {
    const std::size_t at = std::min(text_.find(end), text_.size());
    const std::string_view piece = text_.substr(0, at);
    text_.remove_prefix(std::min(at + 1, text_.size()));
    return piece;
  }
  std::string_view rest() const { return text_; }
  bool ok() const { return ok_; }

 private:
  std::string_view text_;
  bool ok_ = true;
};

}  // namespace

std::string encode(const BackupManifest& manifest) {
  std::string by = manifest.by;
  std::replace(by.begin(), by.end(), '\n', ' ');
  std::string text(kFirstLine);
  text += "\nlog " + manifest.log_id.to_hex();
  text += "\nfeature-level " + std::to_string(manifest.feature_level);
  text += "\nsegment-bytes " + std::to_string(manifest.segment_bytes);
  text += "\nend " + std::to_string(manifest.end.value());
  text += "\ntaken-at " + std::to_string(manifest.taken_at.value());
  text += "\nby " + by + "\n";
  for (const BackupFile& file : manifest.files) {
    text += "file " + hex8(file.crc) + " " + std::to_string(file.bytes) + " " + file.path + "\n";
  }
  return text + "crc " + hex8(base::crc32c(base::as_bytes(text))) + "\n";
}

Result<BackupManifest> decode_backup_manifest(std::string_view text) {
  if (text.size() < kCrcLineBytes) return bad_manifest("too short");
  const std::string_view body = text.substr(0, text.size() - kCrcLineBytes);
  const std::string crc = "crc " + hex8(base::crc32c(base::as_bytes(body))) + "\n";
  if (text.substr(body.size()) != crc) return bad_manifest("wrong checksum");
  Lines lines(body);
  const std::string_view first = lines.line();
  if (first != kFirstLine) {
    if (!first.starts_with(kFirstWords)) return bad_manifest("it is none");
    return base::failed_precondition("the backup was taken by a newer version of Sluice");
  }
  BackupManifest manifest;
  const Result<base::Id128> log_id = base::Id128::from_hex(lines.field("log"));
  if (!log_id) return bad_manifest("log: " + std::string(log_id.error().message()));
  manifest.log_id = *log_id;
  manifest.feature_level = lines.number<std::uint32_t>("feature-level");
  manifest.segment_bytes = lines.number("segment-bytes");
  manifest.end = base::Lsn(lines.number("end"));
  manifest.taken_at = base::WallTime(lines.number<std::int64_t>("taken-at"));
  manifest.by = std::string(lines.field("by"));
  while (!lines.done() && lines.ok()) {
    Lines words(lines.field("file"));
    BackupFile file;
    file.crc = words.to_number<std::uint32_t>(words.take(' '), 16);
    file.bytes = words.to_number<std::uint64_t>(words.take(' '), 10);
    file.path = std::string(words.rest());
    // Whoever restores writes to this path.
    const bool inside =
        !file.path.empty() && file.path.front() != '/' && file.path.find("..") == std::string::npos;
    if (!words.ok() || !inside) return bad_manifest("an impossible file");
    manifest.files.push_back(std::move(file));
  }
  // There is one way to write each line, so nothing is read that is not what somebody wrote.
  if (!lines.ok() || encode(manifest) != text) return bad_manifest("an impossible line");
  return manifest;
}

std::string backup_manifest_path(const std::string& folder) { return folder + "/BACKUP"; }
std::string incomplete_path(const std::string& folder) { return folder + "/INCOMPLETE"; }
std::string pin_path(const std::string& folder) { return folder + "/PIN"; }
std::string pinned_path(const std::string& folder) { return folder + "/PINNED"; }

Result<std::optional<BackupManifest>> read_backup_manifest(runtime::FileSystem& fs,
                                                           const std::string& path) {
  const Result<std::vector<std::byte>> bytes = read_file(fs, path, kManifestBytesMax);
  if (!bytes) {
    if (bytes.error().code() != base::ErrorCode::kNotFound) return bytes.error();
    return std::optional<BackupManifest>();
  }
  ASSIGN_OR_RETURN(BackupManifest manifest, decode_backup_manifest(base::as_text(*bytes)));
  return std::optional<BackupManifest>(std::move(manifest));
}

Status write_backup_manifest(runtime::FileSystem& fs, const std::string& path,
                             const BackupManifest& manifest) {
  const std::string temporary = path + std::string(kTemporarySuffix);
  if (const Status old = fs.remove(temporary); !old) {
    if (old.error().code() != base::ErrorCode::kNotFound) return old.error();
  }
  {
    ASSIGN_OR_RETURN(const auto file, fs.open(temporary, runtime::OpenMode::kCreate));
    const std::string text = encode(manifest);
    RETURN_IF_ERROR(file->write_at(0, base::as_bytes(text)));
    RETURN_IF_ERROR(file->sync_data());
  }
  RETURN_IF_ERROR(fs.rename(temporary, path));
  return fs.sync_folder(path.substr(0, path.find_last_of('/')));
}

}  // namespace sluice::storage
