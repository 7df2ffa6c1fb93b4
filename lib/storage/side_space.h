#pragma once

#include <cstdint>
#include <vector>

namespace sluice::storage {

// Which pages of the side index's file are free. A page that left the tree stays taken while a kept
// snapshot may refer to it: those whose generation is below the one in which the page left.
class SideSpace {
 public:
  // `pages` exist, none of them is taken.
  explicit SideSpace(std::uint32_t pages = 0) { grow(pages); }

  std::uint32_t pages() const { return pages_; }
  std::uint32_t free_pages() const { return free_; }

  void mark_taken(std::uint32_t page);
  bool is_taken(std::uint32_t page) const { return !test(page); }
  // The lowest free page, or a new one behind the last.
  std::uint32_t take();
  // Nothing refers to it.
  void give_back(std::uint32_t page);
  // Snapshots below `generation` may refer to it.
  void retire(std::uint32_t page, std::uint64_t generation);
  // No snapshot below `generation` exists any more.
  void release(std::uint64_t generation);

  // Free pages at the end are given up, at most `pages_max`; how many.
  std::uint32_t cut(std::uint32_t pages_max);
  // How many there are.
  std::uint32_t free_at_end() const;

  std::size_t memory_bytes() const;

 private:
  struct Retired {
    std::uint64_t generation = 0;
    std::vector<std::uint32_t> pages;
  };

  bool test(std::uint32_t page) const {
    return ((words_[(page - 1) / 64] >> ((page - 1) % 64)) & 1U) != 0;
  }
  void grow(std::uint32_t pages);

  std::uint32_t pages_ = 0;
  std::uint32_t free_ = 0;
  std::vector<std::uint64_t> words_;  // a set bit: free
  std::size_t first_word_ = 0;        // none before it has a free page
  std::vector<Retired> retired_;      // by rising generation
};

}  // namespace sluice::storage
