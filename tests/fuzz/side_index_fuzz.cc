#include <cstddef>
#include <cstdint>
#include <string>

#include "base/check.h"
#include "tests/fuzz/fuzz_input.h"
#include "tests/unit/storage/side_harness.h"

namespace {

using sluice::fuzz::Input;
using sluice::storage::test::SideHarness;
using sluice::storage::test::SideMap;

// Few different first bytes, so that keys meet again and share prefixes.
std::string key_of(Input& input) {
  const auto text = input.text(1 + input.below(8));
  std::string key = text.empty() ? "k" : std::string(text);
  if (input.u8() % 4 == 0) key.insert(0, 1 + input.below(50), 'p');
  return key;
}

// Damage that a disk can do: what is read afterwards is what was there, or the index says so.
void damage(SideHarness& index, Input& input, const SideMap& there) {
  index.close();
  const auto file = index.fs().open(SideHarness::path(), sluice::runtime::OpenMode::kReadWrite);
  if (!file) return;
  const auto bytes = (*file)->size();
  if (!bytes || *bytes == 0) return;
  const auto piece = input.take(1 + input.below(16));
  CHECK((*file)->write_at(input.below(static_cast<std::size_t>(*bytes)), piece).has_value());
  if (!index.open()) return;
  const SideMap seen = index.contents();
  CHECK(!index.index().status() || seen == there);
  for (const auto& [key, value] : seen) {
    const auto found = there.find(key);
    CHECK(found != there.end() && found->second == value);
  }
}

}  // namespace

// The side index does what a map does, over snapshots, restarts and damaged pages.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  Input input(data, size);
  SideHarness index(16 * 8192);
  CHECK(index.open().has_value());
  SideMap model;
  SideMap frozen;  // of the last snapshot
  for (int steps = 0; steps < 300 && !input.empty(); ++steps) {
    switch (input.u8() % 12) {
      case 0: {
        const std::string key = key_of(input);
        CHECK(index.erase(key) == (model.erase(key) > 0));
        break;
      }
      case 1: {
        const std::string first = key_of(input);
        const std::string end = key_of(input);
        const std::size_t most = input.below(100);
        std::size_t gone = 0;
        for (auto at = model.lower_bound(first);
             at != model.end() && at->first < end && gone < most; ++gone) {
          at = model.erase(at);
        }
        CHECK(index.index().erase_range(sluice::base::as_bytes(first), sluice::base::as_bytes(end),
                                        most) == gone);
        break;
      }
      case 2:
        CHECK(index.snapshot().has_value());
        frozen = model;
        break;
      case 3:
        // What came after the snapshot is replay's to bring back.
        CHECK(index.open().has_value());
        model = frozen;
        break;
      case 4:
        // A row of keys, as a queue's messages are.
        for (std::size_t i = 0, row = input.below(256), from = input.u8(); i < row; ++i) {
          const std::string key = sluice::storage::test::side_key(from * 64 + i);
          const std::string value(input.below(60), 'r');
          index.put(key, value);
          model[key] = value;
        }
        break;
      case 5:
        index.index().trim_memory();
        break;
      default: {
        const std::string key = key_of(input);
        const std::string value(input.below(257), 'v');
        index.put(key, value);
        model[key] = value;
      }
    }
    CHECK(index.index().status().has_value());
  }
  CHECK(index.contents() == model);
  CHECK(index.snapshot().has_value());
  damage(index, input, model);
  return 0;
}
