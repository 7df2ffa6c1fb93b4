#include "cli/queue_address.h"

namespace sluice::cli {

QueueAddress parse_queue_address(std::string_view text) {
  constexpr std::string_view kSuffix = "/dlq";
  if (text.ends_with(kSuffix)) {
    return {std::string(text.substr(0, text.size() - kSuffix.size())), true};
  }
  return {std::string(text), false};
}

}  // namespace sluice::cli
