#include <cstddef>
#include <cstdint>
#include <string>

#include "base/check.h"
#include "base/crc32c.h"
#include "storage/backup_manifest.h"

namespace {

void check(std::string_view text) {
  const auto manifest = sluice::storage::decode_backup_manifest(text);
  if (!manifest.has_value()) {
    CHECK(manifest.error().message().find("backup") != std::string_view::npos);
    return;
  }
  // There is one way to write a manifest down.
  CHECK(sluice::storage::encode(*manifest) == text);
  // Whoever restores writes there.
  for (const auto& file : manifest->files) {
    CHECK(!file.path.empty() && file.path.front() != '/');
    CHECK(("/" + file.path + "/").find("/../") == std::string::npos);
  }
}

}  // namespace

// The manifest of a backup is as it was written, or refused. The last line, its checksum, is made
// here, as no fuzzer finds one.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string text(reinterpret_cast<const char*>(data), size);
  check(text);
  constexpr std::string_view kDigits = "0123456789abcdef";
  const std::uint32_t crc = sluice::base::crc32c(sluice::base::as_bytes(text));
  text += "crc ";
  for (int shift = 28; shift >= 0; shift -= 4) text += kDigits[(crc >> shift) & 15U];
  check(text + "\n");
  return 0;
}
