#include "operator/reconcile/wait_book.h"

namespace sluice::reconcile {

void WaitBook::keep(const std::map<std::string, base::Millis>& waiting, base::MonoTime now) {
  std::erase_if(since_, [&waiting](const auto& one) { return !waiting.contains(one.first); });
  for (const auto& [uid, waited] : waiting) since_.emplace(uid, now + -base::Nanos(waited));
}

}  // namespace sluice::reconcile
