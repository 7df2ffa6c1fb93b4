#include "operator/reconcile/wait_book.h"

namespace sluice::reconcile {

void WaitBook::keep(const Plan& plan, base::MonoTime now) {
  const std::map<std::string, base::Millis>& waiting = plan.wait_for_broker;
  std::erase_if(since_, [&](const auto& one) { return !waiting.contains(one.first); });
  for (const auto& [uid, waited] : waiting) since_.emplace(uid, now + -base::Nanos(waited));
  std::erase_if(heard_, [&](const std::string& uid) { return !waiting.contains(uid); });
  heard_.insert(plan.heard.begin(), plan.heard.end());
}

}  // namespace sluice::reconcile
