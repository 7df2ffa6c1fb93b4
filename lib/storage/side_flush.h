#pragma once

#include <vector>

#include "base/result.h"
#include "storage/log_work.h"
#include "storage/side_pager.h"
#include "storage/side_root.h"

namespace sluice::storage {

// A frozen state's pages on their way to the file. run() on any thread, beside an index that goes
// on; finish() on the loop thread, while the index lives.
class SideFlush final : public LogWork {
 public:
  SideFlush(SidePager& pager, const SideRoot& root);

  const SideRoot& root() const { return root_; }
  std::size_t pages() const { return pages_.size(); }

  // Writes and syncs. ResourceExhausted: there was no space, the snapshot cannot be, and the index
  // goes on. Any other failure is its end.
  base::Status run() override;
  void finish(const base::Status& status) override { pager_.frozen_written(pages_, status); }

 private:
  SidePager& pager_;
  SideRoot root_;
  std::vector<SidePager::Out> pages_;
};

}  // namespace sluice::storage
