#include "cli/line_ledger.h"

#include <algorithm>

#include "base/check.h"

namespace sluice::cli {

void LineLedger::add(std::uint64_t line) {
  ++open_;
  if (!runs_.empty() && runs_.back().first + runs_.back().count == line) {
    ++runs_.back().count;
    return;
  }
  runs_.push_back({line, 1});
}

std::vector<LineLedger::Run> LineLedger::take(std::uint64_t count) {
  CHECK(count <= open_);
  open_ -= count;
  std::vector<Run> taken;
  while (count > 0) {
    Run& front = runs_.front();
    const std::uint64_t part = std::min(count, front.count);
    taken.push_back({front.first, part});
    front.first += part;
    front.count -= part;
    count -= part;
    if (front.count == 0) runs_.pop_front();
  }
  return taken;
}

}  // namespace sluice::cli
