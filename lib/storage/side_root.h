#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/ids.h"
#include "base/result.h"
#include "runtime/file_system.h"

namespace sluice::storage {

// Logs below this level have no side index in their snapshots.
inline constexpr std::uint32_t kSideIndexFeatureLevel = 2;

// Where a snapshot's side index begins; section 3 of a snapshot (docs/log-format.md).
struct SideRoot {
  std::uint32_t page = 0;  // 0 = no entries
  std::uint32_t level = 0;
  std::uint64_t generation = 0;  // no page of it is younger; 0 = a snapshot without the section
  std::uint64_t entries = 0;

  friend bool operator==(const SideRoot&, const SideRoot&) = default;
};

std::vector<std::byte> encode(const SideRoot& root);
// FailedPrecondition where a newer version laid the pages out.
base::Result<SideRoot> decode_side_root(base::ByteView section);

// DATA/index, the file in it, and the file that tells the next start to look at every page.
std::string side_folder(const std::string& folder);
std::string side_file(const std::string& folder);
std::string side_damage_file(const std::string& folder);

std::uint64_t side_page_offset(std::uint32_t page);

// Reads one page into `out` (kSidePageBytes) and checks all of it. Corruption or Io, naming page.
base::Status read_side_page(const runtime::File& file, const base::Id128& log_id,
                            std::uint32_t page, unsigned level, std::uint64_t generation_max,
                            std::byte* out);

enum class SideCheck : std::uint8_t {
  kInner,  // whatever is needed to know which pages there are
  kAll,    // the leaves too
};
// Visits every page that `root` refers to, reads those that `check` names; stops at the first bad
// one: Corruption or Io, naming file and page.
base::Status walk_side_pages(runtime::FileSystem& fs, const std::string& folder,
                             const base::Id128& log_id, const SideRoot& root, SideCheck check,
                             const std::function<void(std::uint32_t page)>& visit);

}  // namespace sluice::storage
