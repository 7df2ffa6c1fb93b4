#include "storage/file_side_index.h"

#include <algorithm>
#include <utility>

#include "base/check.h"

namespace sluice::storage {

using base::ByteView;
using base::Status;

namespace {

std::array<std::byte, sizeof(std::uint32_t)> child_value(std::uint32_t page) {
  std::array<std::byte, sizeof(std::uint32_t)> value{};
  base::store(value.data(), page);
  return value;
}

// A page that is emptier than this tries now and then to join a neighbour.
constexpr std::size_t kSparseBytes = kSidePageBytes / 4;
constexpr unsigned kJoinEvery = 16;

}  // namespace

FileSideIndex::FileSideIndex(runtime::FileSystem& fs, std::string folder, SidePager pager,
                             const SideRoot& root)
    : fs_(fs),
      folder_(std::move(folder)),
      pager_(std::move(pager)),
      root_(root.page),
      root_level_(root.level),
      entries_(root.entries) {}

const Status& FileSideIndex::status() const { return pager_.status(); }

// The page that holds `key` or would; afterwards path_[0 .. depth_] is the way there.
SideFrame* FileSideIndex::descend(ByteView key, Access access) {
  leaf_ = nullptr;
  has_low_ = false;
  has_high_ = false;
  std::uint32_t page = root_;
  std::uint64_t generation = pager_.generation();
  for (depth_ = 0;; ++depth_) {
    const unsigned level = root_level_ - depth_;
    SideFrame* frame = pager_.get(page, level, generation);
    if (frame == nullptr) return nullptr;
    if (access == Access::kWrite || (access == Access::kWriteParents && level > 0)) {
      frame = pager_.make_writable(frame);
      if (frame == nullptr) return nullptr;
      if (frame->page != page) {
        structure_changed();
        if (depth_ == 0) {
          root_ = frame->page;
        } else {
          path_[depth_ - 1].frame->view().set_child(path_[depth_ - 1].at, frame->page);
        }
      }
    }
    const SidePage view = frame->view();
    path_[depth_].frame = frame;
    if (level == 0) break;
    const unsigned at = view.child_for(key);
    path_[depth_].at = at;
    if (at > 0) {
      low_ = view.key(at);
      has_low_ = true;
    }
    if (at + 1 < view.count()) {
      high_ = view.key(at + 1);
      has_high_ = true;
    }
    page = view.child(at);
    generation = view.generation();
  }
  leaf_ = path_[depth_].frame;
  leaf_page_ = leaf_->page;
  leaf_structure_ = structure_;
  return leaf_;
}

bool FileSideIndex::covers(ByteView key) const {
  return leaf_ != nullptr && leaf_structure_ == structure_ && leaf_->page == leaf_page_ &&
         (!has_low_ || compare_keys(key, low_.view()) >= 0) &&
         (!has_high_ || compare_keys(key, high_.view()) < 0);
}

SideFrame* FileSideIndex::leaf_for(ByteView key, bool writable) {
  if (root_ == 0 || !status()) return nullptr;
  pager_.begin_operation();
  if (covers(key) && (!writable || pager_.is_writable(*leaf_))) {
    leaf_->referenced = true;
    leaf_->operation = pager_.operation();
    return leaf_;
  }
  SideFrame* const leaf = descend(key, writable ? Access::kWrite : Access::kRead);
  if (leaf == nullptr) note_damage();
  return leaf;
}

std::optional<ByteView> FileSideIndex::find(ByteView key) {
  const SideFrame* const leaf = leaf_for(key, false);
  if (leaf == nullptr) return std::nullopt;
  const SidePage page = leaf->view();
  const SidePage::Place place = page.find(key);
  if (!place.exact) return std::nullopt;
  return page.value(place.at);
}

std::optional<SideIndex::Entry> FileSideIndex::at_or_after(ByteView key) {
  const ByteView before = found_.view();
  const bool next = !before.empty() && key.size() == before.size() + 1 &&
                    key.back() == std::byte{0} &&
                    std::memcmp(key.data(), before.data(), before.size()) == 0;
  SideFrame* leaf = nullptr;
  unsigned at = 0;
  if (next && found_changes_ == changes_ && covers(before) && status()) {
    pager_.begin_operation();
    leaf = leaf_;
    leaf->referenced = true;
    leaf->operation = pager_.operation();
    at = found_at_ + 1;
  } else {
    leaf = leaf_for(key, false);
    if (leaf == nullptr) return std::nullopt;
    at = leaf->view().find(key).at;
  }
  while (at == leaf->view().count()) {
    if (!has_high_) return std::nullopt;
    const SideKey on = high_;
    leaf = leaf_for(on.view(), false);
    if (leaf == nullptr) return std::nullopt;
    at = leaf->view().find(on.view()).at;
  }
  const SidePage page = leaf->view();
  found_ = page.key(at);
  found_at_ = at;
  found_changes_ = changes_;
  return Entry{found_.view(), page.value(at)};
}

void FileSideIndex::put(ByteView key, ByteView value) {
  CHECK(!key.empty() && key.size() <= kSideKeyBytesMax && value.size() <= kSideValueBytesMax);
  if (!status()) return;
  ++changes_;
  if (root_ == 0) {
    pager_.begin_operation();
    SideFrame* const root = pager_.create(0);
    if (root == nullptr) return;
    root_ = root->page;
    root_level_ = 0;
    structure_changed();
  }
  SideFrame* leaf = leaf_for(key, true);
  if (leaf == nullptr) return;
  SidePage page = leaf->view();
  const SidePage::Place place = page.find(key);
  if (place.exact) {
    if (page.replace(place.at, value)) return;
    // The old value goes whatever becomes of the new one: a dead index holds nothing.
    page.remove(place.at);
    --entries_;
  } else if (page.insert(place.at, key, value)) {
    leaf->put_at = place.at + 1;
    ++entries_;
    return;
  }
  if (split_leaf(place.at, key, value)) {
    ++entries_;
  } else {
    note_damage();
  }
}

// The leaf is full.
bool FileSideIndex::split_leaf(unsigned at, ByteView key, ByteView value) {
  SideFrame* const left = descend(key, Access::kWrite);
  if (left == nullptr) return false;
  SideFrame* const right = pager_.create(0);
  if (right == nullptr) return false;
  const unsigned count = left->view().count();
  const bool in_order = at == count || (at > 0 && at == left->put_at);
  const SideKey separator = left->view().split(right->view(), at, key, value, in_order);
  left->put_at = in_order && at < count ? at + 1 : 0;
  right->put_at = in_order && at == count ? 1 : 0;
  insert_above(depth_, separator, right->page);
  return static_cast<bool>(status());
}

// A new page stands right of the path's at `depth`.
void FileSideIndex::insert_above(unsigned depth, const SideKey& separator, std::uint32_t page) {
  structure_changed();
  if (depth == 0) {
    CHECK(root_level_ + 1 < kSideLevelsMax);
    SideFrame* const root = pager_.create(root_level_ + 1);
    if (root == nullptr) return;
    CHECK(root->view().insert(0, separator.view(), child_value(root_)));
    CHECK(root->view().insert(1, separator.view(), child_value(page)));
    root_ = root->page;
    ++root_level_;
    return;
  }
  const Step& parent = path_[depth - 1];
  SidePage view = parent.frame->view();
  const unsigned at = parent.at + 1;
  if (view.insert(at, separator.view(), child_value(page))) return;
  SideFrame* const right = pager_.create(view.level());
  if (right == nullptr) return;
  const SideKey above =
      view.split(right->view(), at, separator.view(), child_value(page), at == view.count());
  insert_above(depth - 1, above, right->page);
}

bool FileSideIndex::erase(ByteView key) {
  const SideFrame* found = leaf_for(key, false);
  if (found == nullptr) return false;
  const SidePage::Place place = found->view().find(key);
  if (!place.exact) return false;
  SideFrame* const leaf = leaf_for(key, true);
  if (leaf == nullptr) return false;
  SidePage page = leaf->view();
  page.remove(place.at);
  if (place.at < leaf->put_at) --leaf->put_at;
  --entries_;
  ++changes_;
  const bool sparse = page.used_bytes() < kSparseBytes && page.count() % kJoinEvery == 0;
  if (!sparse) return true;
  if (descend(key, Access::kWrite) != nullptr) join(depth_);
  if (!status()) note_damage();
  return true;
}

std::uint64_t FileSideIndex::erase_range(ByteView first, ByteView end, std::uint64_t entries_max) {
  SideKey from(first);
  std::uint64_t erased = 0;
  while (erased < entries_max && compare_keys(from.view(), end) < 0) {
    const SideFrame* const leaf = leaf_for(from.view(), false);
    if (leaf == nullptr) return erased;
    const SidePage page = leaf->view();
    const unsigned at = page.find(from.view()).at;
    const unsigned stop = page.find(end).at;
    const bool last = stop < page.count() || !has_high_;
    const auto entries =
        static_cast<unsigned>(std::min<std::uint64_t>(stop - at, entries_max - erased));
    const SideKey here = from;
    const bool whole = entries == page.count();
    if (has_high_) from = high_;
    if (entries > 0) {
      ++changes_;
      if (descend(here.view(), whole ? Access::kWriteParents : Access::kWrite) == nullptr) break;
      entries_ -= entries;
      erased += entries;
      if (whole) {
        drop_leaf();
      } else {
        path_[depth_].frame->view().remove(at, entries);
        path_[depth_].frame->put_at = 0;
        if (path_[depth_].frame->view().used_bytes() < kSparseBytes) join(depth_);
      }
    }
    if (last || !status()) break;
  }
  if (!status()) note_damage();
  return erased;
}

void FileSideIndex::drop_leaf() {
  pager_.drop(path_[depth_].frame);
  structure_changed();
  if (depth_ == 0) {
    root_ = 0;
    root_level_ = 0;
    return;
  }
  remove_child(depth_ - 1);
}

// The child that the path takes at `depth` is gone.
void FileSideIndex::remove_child(unsigned depth) {
  Step& step = path_[depth];
  step.frame->view().remove(step.at);
  join(depth);
}

// The path's page at `depth` has lost something: it goes where it is empty, and joins a neighbour
// where both fill but one. All pages above it may be changed.
void FileSideIndex::join(unsigned depth) {
  structure_changed();
  SideFrame* const frame = path_[depth].frame;
  const SidePage page = frame->view();
  if (page.count() == 0) {
    pager_.drop(frame);
    if (depth == 0) {
      root_ = 0;
      root_level_ = 0;
    } else {
      remove_child(depth - 1);
    }
    return;
  }
  if (depth == 0) {
    lower_root();
    return;
  }
  if (page.used_bytes() >= kSparseBytes) return;
  const Step& parent = path_[depth - 1];
  const bool joined =
      (parent.at + 1 < parent.frame->view().count() && join_with(depth, parent.at)) ||
      (parent.at > 0 && status() && join_with(depth, parent.at - 1));
  if (joined) join(depth - 1);
}

// The parent's children `left_at` and the next become one, if they fit.
bool FileSideIndex::join_with(unsigned depth, unsigned left_at) {
  const Step& parent = path_[depth - 1];
  SidePage above = parent.frame->view();
  const unsigned level = above.level() - 1;
  SideFrame* left = pager_.get(above.child(left_at), level, above.generation());
  if (left == nullptr) return false;
  SideFrame* const right = pager_.get(above.child(left_at + 1), level, above.generation());
  if (right == nullptr) return false;
  if (left->view().used_bytes() + right->view().used_bytes() > kSidePageBytes) return false;
  left = pager_.make_writable(left);
  if (left == nullptr) return false;
  above.set_child(left_at, left->page);
  if (!left->view().absorb(right->view(), above.key(left_at + 1).view())) return false;
  left->put_at = 0;
  above.remove(left_at + 1);
  pager_.drop(right);
  return true;
}

// A root with one child is none.
void FileSideIndex::lower_root() {
  while (root_level_ > 0) {
    SideFrame* const root = pager_.get(root_, root_level_, pager_.generation());
    if (root == nullptr || root->view().count() > 1) return;
    root_ = root->view().child(0);
    --root_level_;
    pager_.drop(root);
  }
}

}  // namespace sluice::storage
