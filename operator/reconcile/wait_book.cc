#include "operator/reconcile/wait_book.h"

namespace sluice::reconcile {

void WaitBook::keep(const std::set<std::string>& waiting, base::MonoTime now) {
  std::erase_if(since_, [&waiting](const auto& one) { return !waiting.contains(one.first); });
  for (const std::string& uid : waiting) since_.emplace(uid, now);
}

}  // namespace sluice::reconcile
