#include "storage/side_flush.h"

#include <algorithm>

namespace sluice::storage {

SideFlush::SideFlush(SidePager& pager, const SideRoot& root)
    : pager_(pager), root_(root), pages_(pager.freeze()) {}

base::Status SideFlush::run() {
  constexpr std::size_t kPagesAtOnce = 16;
  runtime::File& file = *pager_.background_file();
  std::vector<std::byte> piece(std::min(kPagesAtOnce, pages_.size()) * kSidePageBytes);
  for (std::size_t first = 0; first < pages_.size();) {
    std::size_t count = 0;
    while (first + count < pages_.size() && count < kPagesAtOnce &&
           pages_[first + count].page == pages_[first].page + count) {
      // The loop thread may be copying the page: its checksum goes into our copy only.
      std::byte* const copy = piece.data() + count * kSidePageBytes;
      std::memcpy(copy, pages_[first + count].bytes, kSidePageBytes);
      SidePage page(copy);
      page.set_checksum(page.checksum(pager_.log_id()));
      ++count;
    }
    RETURN_IF_ERROR(file.write_at(side_page_offset(pages_[first].page),
                                  base::ByteView(piece.data(), count * kSidePageBytes)));
    first += count;
  }
  // Also for pages that were written to make room.
  if (root_.page == 0) return {};
  // What a failed sync leaves behind is unknown, for whatever reason it failed.
  if (const base::Status synced = file.sync_data(); !synced) {
    return base::Error(base::ErrorCode::kIo, synced.error().message());
  }
  return {};
}

}  // namespace sluice::storage
