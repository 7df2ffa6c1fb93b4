#include "cli/message_flags.h"

#include <utility>

#include "base/duration.h"

namespace sluice::cli {

bool MessagePattern::is_bare() const {
  return message.key.empty() && message.headers.empty() && delay.count() == 0 &&
         spread.count() == 0 && ttl.count() == 0;
}

void MessagePattern::set_times(base::WallTime now, base::Prng& prng) {
  std::int64_t wait_ms = delay.count();
  if (spread.count() > 0) {
    wait_ms +=
        static_cast<std::int64_t>(prng.below(static_cast<std::uint64_t>(spread.count()) + 1));
  }
  if (wait_ms > 0) message.deliver_at = now + wait_ms;
  if (ttl.count() > 0) message.expires_at = now + ttl.count();
}

base::Result<std::pair<std::string, std::string>> split_header(const std::string& text) {
  const std::size_t equals = text.find('=');
  if (equals == std::string::npos || equals == 0) {
    return base::invalid_argument("--header takes NAME=VALUE, not \"" + text + "\"");
  }
  return std::pair(text.substr(0, equals), text.substr(equals + 1));
}

base::Result<MessagePattern> message_pattern(const MessageFlags& flags) {
  MessagePattern pattern;
  pattern.message.key = flags.key;
  for (const std::string& text : flags.headers) {
    ASSIGN_OR_RETURN(auto header, split_header(text));
    pattern.message.headers.push_back(std::move(header));
  }
  if (!flags.delay.empty()) {
    auto delay = base::parse_duration(flags.delay);
    if (!delay) return delay.error().with_prefix("--delay");
    pattern.delay = *delay;
  }
  if (!flags.spread.empty()) {
    auto spread = base::parse_duration(flags.spread);
    if (!spread) return spread.error().with_prefix("--spread");
    pattern.spread = *spread;
  }
  if (!flags.ttl.empty()) {
    auto ttl = base::parse_duration(flags.ttl);
    if (!ttl) return ttl.error().with_prefix("--ttl");
    if (ttl->count() == 0) return base::invalid_argument("--ttl is at least 1ms");
    pattern.ttl = *ttl;
  }
  std::vector<std::byte> entry;
  RETURN_IF_ERROR(base::append_entry(pattern.message, entry));  // its limits
  return pattern;
}

}  // namespace sluice::cli
