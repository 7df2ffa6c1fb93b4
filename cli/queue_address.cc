#include "cli/queue_address.h"

namespace sluice::cli {

QueueAddress parse_queue_address(std::string_view text) {
  constexpr std::string_view kSuffix = "/dlq";
  if (!text.ends_with(kSuffix)) return {std::string(text), "", false};
  text.remove_suffix(kSuffix.size());
  const std::size_t slash = text.find('/');
  if (slash == std::string_view::npos) return {std::string(text), "", true};
  return {std::string(text.substr(0, slash)), std::string(text.substr(slash + 1)), true};
}

}  // namespace sluice::cli
