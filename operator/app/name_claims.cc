#include "operator/app/name_claims.h"

namespace sluice::op {

bool NameClaims::claim(const std::string& object, const std::string& broker) {
  const std::lock_guard lock(mutex_);
  return brokers_.try_emplace(object, broker).first->second == broker;
}

void NameClaims::release(const std::string& broker) {
  const std::lock_guard lock(mutex_);
  std::erase_if(brokers_, [&broker](const auto& one) { return one.second == broker; });
}

std::size_t NameClaims::size() const {
  const std::lock_guard lock(mutex_);
  return brokers_.size();
}

}  // namespace sluice::op
