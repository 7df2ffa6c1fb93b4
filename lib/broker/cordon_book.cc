#include "broker/cordon_book.h"

#include <algorithm>

namespace sluice::broker {

std::string_view pod_of(std::string_view client) { return client.substr(0, client.find('/')); }

bool CordonBook::set(std::string_view pod, base::MonoTime until) {
  const auto at = cordons_.find(pod);
  if (at != cordons_.end()) {
    at->second = until;
    return true;
  }
  if (cordons_.size() == kCordonsMax) return false;
  cordons_.emplace(pod, until);
  return true;
}

bool CordonBook::lift(std::string_view pod) {
  const auto at = cordons_.find(pod);
  if (at == cordons_.end()) return false;
  cordons_.erase(at);
  return true;
}

std::optional<base::MonoTime> CordonBook::earliest() const {
  if (cordons_.empty()) return std::nullopt;
  return std::min_element(cordons_.begin(), cordons_.end(),
                          [](const auto& a, const auto& b) { return a.second < b.second; })
      ->second;
}

std::vector<std::string> CordonBook::expire(base::MonoTime now) {
  std::vector<std::string> over;
  for (auto at = cordons_.begin(); at != cordons_.end();) {
    if (now < at->second) {
      ++at;
      continue;
    }
    over.push_back(at->first);
    at = cordons_.erase(at);
  }
  return over;
}

}  // namespace sluice::broker
