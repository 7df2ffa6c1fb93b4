#include "broker/oldest_message.h"

namespace sluice::broker {

std::optional<base::WallTime> oldest_accepted_at(Core& core, Subscription& subscription) {
  const std::optional<base::Sequence> oldest = subscription.oldest();
  if (!oldest) return std::nullopt;
  if (subscription.oldest_known && subscription.oldest_known->first == *oldest) {
    return subscription.oldest_known->second;
  }
  const auto batch = core.messages.locate(subscription.stream().id(), *oldest);
  if (!batch || !batch->has_value() || *oldest < (*batch)->first) return std::nullopt;
  subscription.oldest_known.emplace(*oldest, (*batch)->accepted_at);
  return (*batch)->accepted_at;
}

}  // namespace sluice::broker
