#include "storage/side_root.h"

#include <array>

#include "storage/side_page.h"

namespace sluice::storage {

using base::Result;
using base::Status;

namespace {

constexpr std::uint32_t kLayout = 1;

class Walk {
 public:
  Walk(const runtime::File& file, const base::Id128& log_id, SideCheck check,
       const std::function<void(std::uint32_t)>& visit)
      : file_(file), log_id_(log_id), check_(check), visit_(visit) {}

  Status descend(std::uint32_t page, unsigned level, std::uint64_t generation_max) {
    visit_(page);
    if (level == 0 && check_ == SideCheck::kInner) return {};
    std::vector<std::byte> bytes(kSidePageBytes);
    RETURN_IF_ERROR(read_side_page(file_, log_id_, page, level, generation_max, bytes.data()));
    if (level == 0) return {};
    const SidePage inner(bytes.data());
    for (unsigned at = 0; at < inner.count(); ++at) {
      RETURN_IF_ERROR(descend(inner.child(at), level - 1, inner.generation()));
    }
    return {};
  }

 private:
  const runtime::File& file_;
  const base::Id128& log_id_;
  SideCheck check_;
  const std::function<void(std::uint32_t)>& visit_;
};

}  // namespace

std::vector<std::byte> encode(const SideRoot& root) {
  std::vector<std::byte> out;
  base::ByteWriter writer(out);
  writer.u32(kLayout);
  writer.u32(kSidePageBytes);
  writer.u32(root.page);
  writer.u32(root.level);
  writer.u64(root.generation);
  writer.u64(root.entries);
  return out;
}

Result<SideRoot> decode_side_root(base::ByteView section) {
  base::ByteReader in(section);
  const std::uint32_t layout = in.u32();
  const std::uint32_t page_bytes = in.u32();
  SideRoot root;
  root.page = in.u32();
  root.level = in.u32();
  root.generation = in.u64();
  root.entries = in.u64();
  if (!in.at_end()) return base::corruption("the side index's root has a wrong length");
  if (layout != kLayout || page_bytes != kSidePageBytes) {
    return base::failed_precondition("the side index is of a newer version of Sluice");
  }
  if (root.level >= kSideLevelsMax || root.generation == 0) {
    return base::corruption("the side index's root makes no sense");
  }
  return root;
}

std::uint64_t side_page_offset(std::uint32_t page) {
  return (page - std::uint64_t{1}) * kSidePageBytes;
}

std::string side_folder(const std::string& folder) { return folder + "/index"; }
std::string side_file(const std::string& folder) { return side_folder(folder) + "/side.idx"; }
std::string side_damage_file(const std::string& folder) { return side_folder(folder) + "/damaged"; }

Status read_side_page(const runtime::File& file, const base::Id128& log_id, std::uint32_t page,
                      unsigned level, std::uint64_t generation_max, std::byte* out) {
  const auto bad = [&](const std::string& what) {
    return base::corruption("index/side.idx: page " + std::to_string(page) + ": " + what);
  };
  if (page == 0) return bad("there is no such page");
  const Result<std::size_t> got =
      file.read_at(side_page_offset(page), base::MutableByteView(out, kSidePageBytes));
  if (!got) return got.error().with_prefix("index/side.idx: page " + std::to_string(page));
  if (*got < kSidePageBytes) return bad("the file ends before it");
  const SidePage view(out);
  if (view.checksum(log_id) != view.stored_checksum()) return bad("wrong checksum");
  if (view.number() != page || view.level() != level || view.generation() > generation_max) {
    return bad("another page's bytes");
  }
  const std::string fault = view.structure_fault();
  return fault.empty() ? Status() : Status(bad(fault));
}

Status walk_side_pages(runtime::FileSystem& fs, const std::string& folder,
                       const base::Id128& log_id, const SideRoot& root, SideCheck check,
                       const std::function<void(std::uint32_t)>& visit) {
  if (root.page == 0) return {};
  const auto file = fs.open(side_file(folder), runtime::OpenMode::kRead);
  if (!file) return file.error().with_prefix("index/side.idx");
  return Walk(**file, log_id, check, visit).descend(root.page, root.level, root.generation);
}

}  // namespace sluice::storage
