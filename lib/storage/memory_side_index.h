#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <vector>

#include "base/bytes.h"
#include "storage/side_index.h"

namespace sluice::storage {

// A SideIndex in memory, without a limit: for tests and the simulator.
class MemorySideIndex final : public SideIndex {
 public:
  void put(base::ByteView key, base::ByteView value) override;
  bool erase(base::ByteView key) override;
  std::uint64_t erase_range(base::ByteView first, base::ByteView end,
                            std::uint64_t entries_max) override;
  std::optional<base::ByteView> find(base::ByteView key) override;
  std::optional<Entry> at_or_after(base::ByteView key) override;

  std::size_t size() const { return entries_.size(); }
  // Calls of the five functions above so far.
  std::uint64_t calls() const { return calls_; }

 private:
  using Bytes = std::vector<std::byte>;
  std::map<Bytes, Bytes> entries_;
  std::uint64_t calls_ = 0;
};

}  // namespace sluice::storage
