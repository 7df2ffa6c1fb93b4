#include "client/api/address.h"

namespace sluice::api {

Address to_address(std::string_view queue, std::string_view subscription) {
  constexpr std::string_view kDeadLetters = "/dlq";
  Address address{std::string(queue), std::string(subscription)};
  if (!queue.ends_with(kDeadLetters) || queue.size() == kDeadLetters.size()) return address;
  address.queue.resize(queue.size() - kDeadLetters.size());
  if (address.subscription.empty()) address.subscription = "default";
  address.subscription += kDeadLetters;
  return address;
}

}  // namespace sluice::api
