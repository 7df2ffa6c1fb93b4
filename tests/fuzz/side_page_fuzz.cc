#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/check.h"
#include "storage/side_page.h"
#include "storage/side_root.h"
#include "tests/fuzz/fuzz_input.h"

namespace {

namespace storage = sluice::storage;
using sluice::base::ByteView;
using storage::SidePage;

bool inside(const SidePage& page, ByteView view) {
  return view.empty() || (view.data() >= page.data() &&
                          view.data() + view.size() <= page.data() + storage::kSidePageBytes);
}

// Everything that the tree asks of a page.
void use(SidePage page, sluice::fuzz::Input& input) {
  for (unsigned at = 0; at < page.count(); ++at) {
    CHECK(inside(page, page.suffix(at)) && inside(page, page.value(at)));
    const storage::SideKey key = page.key(at);
    if (page.level() == 0) CHECK(page.find(key.view()).exact);
    if (page.level() > 0) CHECK(page.child_for(key.view()) < page.count());
  }
  while (!input.empty() && page.count() > 0) {
    const unsigned before = page.count();
    page.remove(static_cast<unsigned>(input.below(before)));
    CHECK(page.count() == before - 1);
    CHECK(page.count() == 0 || page.structure_fault().empty());
  }
}

}  // namespace

// A page of the side index whose checksum fits (the case that its other checks are for) is refused
// or can be used in every way; so is the root that a snapshot names.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  sluice::fuzz::Input input(data, size);
  const auto root = storage::decode_side_root({reinterpret_cast<const std::byte*>(data), size});
  if (root.has_value()) {
    const std::vector<std::byte> again = storage::encode(*root);
    CHECK(std::equal(again.begin(), again.end(), reinterpret_cast<const std::byte*>(data),
                     reinterpret_cast<const std::byte*>(data) + size));
  }
  std::vector<std::byte> bytes(storage::kSidePageBytes);
  // The front and the back of the page, where its table and its entries are.
  const ByteView front = input.take(input.below(512));
  const ByteView back = input.take(input.below(1024));
  std::copy(front.begin(), front.end(), bytes.begin());
  std::copy(back.begin(), back.end(), bytes.end() - static_cast<std::ptrdiff_t>(back.size()));
  SidePage page(bytes.data());
  if (page.structure_fault().empty()) use(page, input);
  return 0;
}
