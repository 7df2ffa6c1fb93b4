#include "tests/sim/broker/told_queues.h"

#include <algorithm>
#include <utility>

namespace sluice::sim {

std::string ToldQueues::text_of(const broker::QueueConfig& config) {
  const broker::DeliveryConfig& delivery = config.subscriptions.front().delivery;
  return std::string(config.paused ? "paused, " : "") + "messages " +
         std::to_string(config.limits.messages_max) + ", lease " +
         std::to_string(delivery.lease.count()) + ", backoff " +
         std::to_string(delivery.backoff.initial.count());
}

void ToldQueues::tell(const std::string& name, std::string text) {
  std::deque<std::string>& texts = may_be_[name];
  if (texts.empty()) texts.push_back(kNone);
  texts.push_back(std::move(text));
}

void ToldQueues::answered(const std::string& name) {
  std::deque<std::string>& texts = may_be_.at(name);
  texts = {texts.back()};
}

void ToldQueues::refused(const std::string& name) { may_be_.at(name).pop_back(); }

std::string ToldQueues::check(const frontend::BrokerHost& host,
                              const std::set<std::string>& unknown) const {
  for (const auto& [name, texts] : may_be_) {
    if (unknown.contains(name)) continue;
    const auto id = host.find_queue(name);
    const broker::QueueConfig* const config = id ? host.config(*id) : nullptr;
    const std::string found = config == nullptr ? kNone : text_of(*config);
    if (std::find(texts.begin(), texts.end(), found) != texts.end()) continue;
    return "queue " + name + " was told to be (" + texts.back() + "), and is (" + found + ")";
  }
  return {};
}

}  // namespace sluice::sim
