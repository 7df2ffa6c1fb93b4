#include "storage/file_side_index.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/prng.h"
#include "tests/support/status_matchers.h"
#include "tests/support/thinning.h"
#include "tests/unit/storage/side_harness.h"

namespace sluice::storage {
namespace {

using base::as_bytes;
using base::as_text;
using runtime::FileFault;
using runtime::FileOperation;
using sluice::test::HasCode;
using sluice::test::IsOk;
using test::side_key;
using test::SideHarness;
using test::SideMap;

constexpr std::uint64_t kTinyCacheBytes = 32 * kSidePageBytes;

TEST(FileSideIndex, HoldsWhatWasPut) {
  SideHarness harness;
  ASSERT_THAT(harness.open(), IsOk());
  EXPECT_EQ(harness.index().find(as_bytes("a")), std::nullopt);
  EXPECT_EQ(harness.index().at_or_after(as_bytes("a")).has_value(), false);
  harness.put("b", "2");
  harness.put("a", "1");
  harness.put("b", "two");
  EXPECT_EQ(as_text(*harness.index().find(as_bytes("b"))), "two");
  EXPECT_EQ(harness.contents(), (SideMap{{"a", "1"}, {"b", "two"}}));
  EXPECT_EQ(harness.index().entries(), 2U);
  EXPECT_TRUE(harness.erase("a"));
  EXPECT_FALSE(harness.erase("a"));
  EXPECT_TRUE(harness.erase("b"));
  EXPECT_EQ(harness.contents(), SideMap());
  EXPECT_EQ(harness.index().entries(), 0U);
}

TEST(FileSideIndex, KeysThatArriveInOrderFillTheirPages) {
  SideHarness harness;
  ASSERT_THAT(harness.open(), IsOk());
  constexpr std::uint64_t kEntries = 100'000;
  for (std::uint64_t i = 0; i < kEntries; ++i) harness.put(side_key(i), "12345678");
  const SideIndexStats stats = harness.index().stats();
  EXPECT_EQ(stats.entries, kEntries);
  // Of a key of 14 bytes the pages' common prefix takes 12; then 8 of value and 5 of our own.
  EXPECT_LT(stats.pages * kSidePageBytes, kEntries * 16);
}

TEST(FileSideIndex, TwoRowsOfKeysThatGrowSideBySideFillTheirPagesToo) {
  SideHarness harness;
  ASSERT_THAT(harness.open(), IsOk());
  constexpr std::uint64_t kEntries = 50'000;
  for (std::uint64_t i = 0; i < kEntries; ++i) {
    harness.put("a" + side_key(i), "12345678");
    harness.put("b" + side_key(i), "12345678");
  }
  EXPECT_LT(harness.index().stats().pages * kSidePageBytes, kEntries * 2 * 18);
}

TEST(FileSideIndex, TheLargestEntriesFit) {
  SideHarness harness;
  ASSERT_THAT(harness.open(), IsOk());
  SideMap expected;
  base::Prng prng(5);
  for (int i = 0; i < 500; ++i) {
    std::string key(kSideKeyBytesMax, static_cast<char>('a' + prng.next() % 3));
    key[prng.next() % key.size()] = static_cast<char>(prng.next());
    const std::string value(prng.next() % (kSideValueBytesMax + 1), 'v');
    harness.put(key, value);
    expected[key] = value;
    const std::string shorter = key.substr(0, 1 + prng.next() % 64);
    harness.put(shorter, "short");
    expected[shorter] = "short";
    ASSERT_EQ(harness.contents(), expected);
  }
  EXPECT_THAT(harness.index().status(), IsOk());
}

// Keys of several shapes, so that prefixes come and go.
std::string random_key(base::Prng& prng, std::uint64_t keys) {
  const std::uint64_t number = prng.next() % keys;
  switch (number % 4) {
    case 0:
      return side_key(number);
    case 1:
      return "queue-" + std::to_string(number);
    case 2:
      return std::string(1 + number % 60, static_cast<char>('a' + number % 7)) +
             static_cast<char>(number % 251);
    default:
      return side_key(number * 0x9E3779B97F4A7C15ULL);
  }
}

void run_random(SideHarness& harness, SideMap& map, base::Prng& prng, int steps,
                std::uint64_t keys) {
  for (int step = 0; step < steps; ++step) {
    const std::uint64_t what = prng.next() % 100;
    const std::string key = random_key(prng, keys);
    if (what < 55) {
      const std::string value(prng.next() % (what < 3 ? 257 : 40), static_cast<char>('0' + what));
      harness.put(key, value);
      map[key] = value;
    } else if (what < 85) {
      ASSERT_EQ(harness.erase(key), map.erase(key) > 0);
    } else if (what < 92) {
      const auto found = harness.index().find(as_bytes(key));
      const auto expected = map.find(key);
      ASSERT_EQ(found.has_value(), expected != map.end());
      if (found) {
        ASSERT_EQ(as_text(*found), expected->second);
      }
    } else if (what < 99) {
      auto expected = map.lower_bound(key);
      std::string at = key;
      for (int i = 0; i < 20; ++i, ++expected) {
        const auto found = harness.index().at_or_after(as_bytes(at));
        ASSERT_EQ(found.has_value(), expected != map.end());
        if (!found) break;
        ASSERT_EQ(as_text(found->key), expected->first);
        ASSERT_EQ(as_text(found->value), expected->second);
        at = expected->first + '\0';
      }
    } else {
      std::string end = random_key(prng, keys);
      const std::uint64_t most = prng.next() % 400;
      std::uint64_t erased = 0;
      for (auto at = map.lower_bound(key); at != map.end() && at->first < end && erased < most;
           ++erased) {
        at = map.erase(at);
      }
      ASSERT_EQ(harness.index().erase_range(as_bytes(key), as_bytes(end), most), erased);
    }
    ASSERT_EQ(harness.index().entries(), map.size());
  }
  ASSERT_THAT(harness.index().status(), IsOk());
}

TEST(FileSideIndex, RandomOperationsAreThoseOfAMap) {
  for (const std::uint64_t keys : {50U, 3'000U, 200'000U}) {
    SideHarness harness(kTinyCacheBytes);
    ASSERT_THAT(harness.open(), IsOk());
    base::Prng prng(keys);
    SideMap map;
    for (int round = 0; round < 12; ++round) {
      ASSERT_NO_FATAL_FAILURE(run_random(harness, map, prng, 5'000, keys));
      ASSERT_EQ(harness.contents(), map);
      const auto flush = harness.freeze();
      // The index goes on while its pages are written.
      ASSERT_NO_FATAL_FAILURE(run_random(harness, map, prng, 500, keys));
      ASSERT_THAT(harness.keep(*flush), IsOk());
      if (round % 4 == 3) {
        ASSERT_THAT(harness.snapshot(), IsOk());
        ASSERT_THAT(harness.open(), IsOk());
        ASSERT_EQ(harness.contents(), map);
      }
    }
    EXPECT_LT(harness.index().stats().cache_bytes, 2 * kTinyCacheBytes);
  }
}

TEST(FileSideIndex, ARestartBeginsWithTheSnapshotsState) {
  SideHarness harness(kTinyCacheBytes);
  ASSERT_THAT(harness.open(), IsOk());
  for (std::uint64_t i = 0; i < 30'000; ++i) harness.put(side_key(i), "old");
  ASSERT_THAT(harness.snapshot(), IsOk());
  const SideMap old = harness.contents();
  for (std::uint64_t i = 0; i < 30'000; ++i) harness.put(side_key(i), "new");
  ASSERT_THAT(harness.snapshot(), IsOk());
  const SideMap young = harness.contents();
  for (std::uint64_t i = 0; i < 30'000; ++i) harness.erase(side_key(i));
  EXPECT_EQ(harness.contents(), SideMap());
  ASSERT_THAT(harness.open(), IsOk());
  EXPECT_EQ(harness.index().entries(), young.size());
  // Without the leaves: a hundred or two a page.
  EXPECT_LT(harness.index().stats().page_reads, 5U);
  EXPECT_EQ(harness.contents(), young);
  harness.kept().pop_back();
  ASSERT_THAT(harness.open(), IsOk());
  EXPECT_EQ(harness.contents(), old);
  harness.kept().clear();
  ASSERT_THAT(harness.open(), IsOk());
  EXPECT_EQ(harness.contents(), SideMap());
}

// Every point at which the machine can stop, with all of what was not synced lost, kept or torn.
TEST(FileSideIndex, ACrashAnywhereLeavesTheKeptSnapshots) {
  const auto run = [](SideHarness& harness, std::vector<SideMap>& states) {
    base::Prng prng(11);
    SideMap map;
    for (int round = 0; round < 4; ++round) {
      for (int i = 0; i < 1'500; ++i) {
        const std::string key = side_key(prng.next() % 20'000);
        const std::string value(40 + prng.next() % 200, static_cast<char>('a' + round));
        harness.put(key, value);
        map[key] = value;
      }
      const std::string low = side_key(prng.next() % 20'000);
      const std::string high = side_key(20'000);
      if (round == 2) {
        harness.index().erase_range(as_bytes(low), as_bytes(high), 500);
        auto end = map.lower_bound(low);
        for (int i = 0; i < 500 && end != map.end(); ++i) ++end;
        map.erase(map.lower_bound(low), end);
      }
      const std::size_t before = harness.kept().size();
      if (!harness.snapshot()) return;
      states.push_back(map);
      if (before == 2) states.erase(states.begin());
    }
  };
  std::uint64_t operations = 0;
  {
    SideHarness whole(kTinyCacheBytes);
    ASSERT_THAT(whole.open(), IsOk());
    const std::uint64_t begin = whole.fs().changing_operations();
    std::vector<SideMap> states;
    run(whole, states);
    operations = whole.fs().changing_operations() - begin;
  }
  ASSERT_GT(operations, 100U);
  base::Prng prng(3);
  for (std::uint64_t stop = 1; stop < operations;
       stop += sluice::test::kStride * (1 + operations / 150)) {
    SideHarness harness(kTinyCacheBytes);
    ASSERT_THAT(harness.open(), IsOk());
    std::vector<SideMap> states;
    harness.fs().stop_after(stop);
    run(harness, states);
    harness.close();
    harness.fs().crash(harness.fs().draw_crash_plan(prng));
    while (!harness.kept().empty()) {
      ASSERT_THAT(harness.open(), IsOk()) << stop;
      ASSERT_EQ(harness.contents(), states.back()) << stop;
      harness.kept().pop_back();
      states.pop_back();
    }
  }
}

TEST(FileSideIndex, ABadPageEndsTheIndexAndTheFolderSaysSo) {
  SideHarness harness(kTinyCacheBytes);
  ASSERT_THAT(harness.open(), IsOk());
  for (std::uint64_t i = 0; i < 5'000; ++i) harness.put(side_key(i), "value");
  ASSERT_THAT(harness.snapshot(), IsOk());
  std::vector<std::uint32_t> pages;
  const SideRoot root = harness.kept().back();
  const auto walk = [&] {
    return walk_side_pages(harness.fs(), SideHarness::kFolder, SideHarness::log_id(), root,
                           SideCheck::kAll, [&](std::uint32_t page) { pages.push_back(page); });
  };
  ASSERT_THAT(walk(), IsOk());
  const std::uint32_t leaf = pages.back();
  base::Prng prng(1);
  for (int i = 0; i < 100; ++i) {
    const std::uint64_t offset = side_page_offset(leaf) + prng.next() % kSidePageBytes;
    const auto bit = static_cast<unsigned>(prng.next() % 8);
    harness.fs().flip_bit(SideHarness::path(), offset, bit);
    EXPECT_THAT(walk(), HasCode(base::ErrorCode::kCorruption));
    if (i < 99) harness.fs().flip_bit(SideHarness::path(), offset, bit);
  }
  ASSERT_THAT(harness.open(), IsOk());  // the leaves are not read
  harness.contents();
  ASSERT_THAT(harness.index().status(), HasCode(base::ErrorCode::kCorruption));
  EXPECT_THAT(harness.index().status().error().message(),
              testing::HasSubstr("page " + std::to_string(leaf)));
  EXPECT_FALSE(harness.index().find(as_bytes(side_key(0))).has_value());
  harness.put("more", "");
  EXPECT_FALSE(harness.index().at_or_after(as_bytes("a")).has_value());
  EXPECT_THAT(harness.fs().contents(side_damage_file(SideHarness::kFolder)), IsOk());
  // An inner page is found before the index is there.
  harness.fs().flip_bit(SideHarness::path(), side_page_offset(root.page) + 100, 1);
  EXPECT_THAT(harness.open(), HasCode(base::ErrorCode::kCorruption));
}

TEST(FileSideIndex, AFullDiskIsHarmlessAndAFailedSyncIsTheEnd) {
  SideHarness harness(kTinyCacheBytes);
  ASSERT_THAT(harness.open(), IsOk());
  for (std::uint64_t i = 0; i < 20'000; ++i) harness.put(side_key(i * 7), "value");
  ASSERT_THAT(harness.snapshot(), IsOk());
  const SideMap saved = harness.contents();
  harness.fs().set_capacity(1);
  for (std::uint64_t i = 0; i < 20'000; ++i) harness.put(side_key(i * 7 + 1), "value");
  EXPECT_THAT(harness.index().status(), IsOk());
  EXPECT_GT(harness.index().bytes_to_come(), 0U);
  harness.fs().set_capacity(0);
  ASSERT_THAT(harness.open(), IsOk());
  EXPECT_EQ(harness.contents(), saved);
  harness.put("more", "x");
  harness.fs().fail(FileFault{.operation = FileOperation::kSync});
  EXPECT_THAT(harness.snapshot(), HasCode(base::ErrorCode::kIo));
  EXPECT_THAT(harness.index().status(), HasCode(base::ErrorCode::kIo));
}

TEST(FileSideIndex, SpaceIsUsedAgainAndTheFilesEndIsGivenBack) {
  SideHarness harness;
  ASSERT_THAT(harness.open(), IsOk());
  for (std::uint64_t i = 0; i < 200'000; ++i) harness.put(side_key(i), "12345678");
  ASSERT_THAT(harness.snapshot(), IsOk());
  ASSERT_THAT(harness.snapshot(), IsOk());
  const std::uint64_t full = harness.index().stats().file_bytes;
  // A row that moves on: what leaves at its front makes room at its end.
  for (std::uint64_t i = 0; i < 400'000; ++i) {
    harness.put(side_key(i + 200'000), "12345678");
    harness.erase(side_key(i));
    if (i % 20'000 == 0) {
      ASSERT_THAT(harness.snapshot(), IsOk());
    }
  }
  EXPECT_LT(harness.index().stats().file_bytes, full * 2);
  const std::string end = side_key(1'000'000);
  EXPECT_EQ(harness.index().erase_range(as_bytes("a"), as_bytes(end), 1'000'000), 200'000U);
  for (int i = 0; i < 3; ++i) ASSERT_THAT(harness.snapshot(), IsOk());
  EXPECT_EQ(harness.contents(), SideMap());
  EXPECT_LT(harness.fs().contents(SideHarness::path())->size(), full / 8);
}

TEST(FileSideIndex, AnIdleOneTakesNoMemory) {
  SideHarness harness;
  ASSERT_THAT(harness.open(), IsOk());
  for (std::uint64_t i = 0; i < 50'000; ++i) harness.put(side_key(i), "12345678");
  const SideMap all = harness.contents();
  EXPECT_GT(harness.index().stats().cache_bytes, 512U << 10);
  harness.index().trim_memory();
  EXPECT_EQ(harness.index().stats().cache_bytes, 0U);
  EXPECT_EQ(harness.contents(), all);
  harness.put(side_key(0), "other");
  ASSERT_THAT(harness.snapshot(), IsOk());
  ASSERT_THAT(harness.open(), IsOk());
  EXPECT_EQ(harness.contents().at(side_key(0)), "other");
}

TEST(SideRoot, ComesBackAndRefusesWhatItIsNot) {
  const SideRoot root{9, 2, 77, 123456};
  std::vector<std::byte> bytes = encode(root);
  ASSERT_THAT(decode_side_root(bytes), IsOk());
  EXPECT_EQ(*decode_side_root(bytes), root);
  bytes.pop_back();
  EXPECT_THAT(decode_side_root(bytes), HasCode(base::ErrorCode::kCorruption));
  bytes = encode(root);
  bytes[0] = std::byte{2};
  EXPECT_THAT(decode_side_root(bytes), HasCode(base::ErrorCode::kFailedPrecondition));
}

}  // namespace
}  // namespace sluice::storage
