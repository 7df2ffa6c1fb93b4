#include "storage/side_space.h"

#include <algorithm>
#include <bit>

#include "base/check.h"

namespace sluice::storage {

void SideSpace::grow(std::uint32_t pages) {
  words_.resize((pages + std::size_t{63}) / 64);
  for (std::uint32_t page = pages_ + 1; page <= pages; ++page) {
    words_[(page - 1) / 64] |= std::uint64_t{1} << ((page - 1) % 64);
  }
  free_ += pages - pages_;
  pages_ = pages;
}

void SideSpace::mark_taken(std::uint32_t page) {
  if (page > pages_) grow(page);
  if (!test(page)) return;
  words_[(page - 1) / 64] &= ~(std::uint64_t{1} << ((page - 1) % 64));
  --free_;
}

std::uint32_t SideSpace::take() {
  while (first_word_ < words_.size() && words_[first_word_] == 0) ++first_word_;
  const std::uint32_t page =
      first_word_ < words_.size()
          ? static_cast<std::uint32_t>(first_word_ * 64) +
                static_cast<std::uint32_t>(std::countr_zero(words_[first_word_])) + 1
          : pages_ + 1;
  mark_taken(page);
  return page;
}

void SideSpace::give_back(std::uint32_t page) {
  CHECK(page <= pages_ && !test(page));
  words_[(page - 1) / 64] |= std::uint64_t{1} << ((page - 1) % 64);
  first_word_ = std::min<std::size_t>(first_word_, (page - 1) / 64);
  ++free_;
}

void SideSpace::retire(std::uint32_t page, std::uint64_t generation) {
  if (retired_.empty() || retired_.back().generation != generation) {
    retired_.push_back({generation, {}});
  }
  retired_.back().pages.push_back(page);
}

void SideSpace::release(std::uint64_t generation) {
  const auto kept = std::find_if(retired_.begin(), retired_.end(), [&](const Retired& retired) {
    return retired.generation > generation;
  });
  for (auto one = retired_.begin(); one != kept; ++one) {
    for (const std::uint32_t page : one->pages) give_back(page);
  }
  retired_.erase(retired_.begin(), kept);
}

std::uint32_t SideSpace::free_at_end() const {
  std::uint32_t page = pages_;
  while (page > 0 && test(page)) --page;
  return pages_ - page;
}

std::uint32_t SideSpace::cut(std::uint32_t pages_max) {
  const std::uint32_t pages = std::min(pages_max, free_at_end());
  for (std::uint32_t page = pages_ - pages + 1; page <= pages_; ++page) {
    words_[(page - 1) / 64] &= ~(std::uint64_t{1} << ((page - 1) % 64));
  }
  pages_ -= pages;
  free_ -= pages;
  words_.resize((pages_ + std::size_t{63}) / 64);
  return pages;
}

std::size_t SideSpace::memory_bytes() const {
  std::size_t bytes = words_.capacity() * sizeof(std::uint64_t);
  for (const Retired& retired : retired_) bytes += retired.pages.capacity() * sizeof(std::uint32_t);
  return bytes;
}

}  // namespace sluice::storage
