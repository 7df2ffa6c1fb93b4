#include "storage/readable_entries.h"

#include <algorithm>
#include <limits>

#include "storage/slice_plan.h"

namespace sluice::storage {

namespace {

class ScannedBlocks final : public EntryBlocks {
 public:
  explicit ScannedBlocks(const ScanItem& item) : item_(item) {}
  const BlockTable& table() const override { return item_.table; }
  const std::byte* tail() const override { return item_.payload.data() + item_.header.head_bytes; }
  bool good(std::size_t block) override {
    return !std::binary_search(item_.bad_blocks.begin(), item_.bad_blocks.end(), block);
  }

 private:
  const ScanItem& item_;
};

}  // namespace

std::vector<ReadableEntries> readable_entries(const ScanItem& item, std::uint32_t count) {
  constexpr std::uint32_t kAll = std::numeric_limits<std::uint32_t>::max();
  ScannedBlocks blocks(item);
  std::vector<ReadableEntries> readable;
  for (std::uint32_t first = 0; first < count;) {
    const auto plan = plan_slice(blocks, {first, count - 1, kAll});
    if (!plan) break;
    if (!plan->damaged) {
      readable.push_back(
          {plan->first, plan->count, base::ByteView(blocks.tail() + plan->offset, plan->bytes)});
    }
    first = plan->first + plan->count;
  }
  return readable;
}

}  // namespace sluice::storage
