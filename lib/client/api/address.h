#pragma once

#include <string>
#include <string_view>

namespace sluice::api {

// What a consumer attaches to.
struct Address {
  std::string queue;
  std::string subscription;
};

// The public library's words in those of the protocol: the dead letters of a queue are those of a
// subscription, `SUBSCRIPTION/dlq`. `queue` may be `NAME/dlq`; an empty subscription is `default`.
Address to_address(std::string_view queue, std::string_view subscription);

}  // namespace sluice::api
