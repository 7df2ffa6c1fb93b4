#pragma once

#include <string>
#include <vector>

#include "base/message.h"
#include "base/prng.h"
#include "base/result.h"
#include "base/time.h"

namespace sluice::cli {

// The flags of `pub` that shape each message.
struct MessageFlags {
  std::string key;
  std::vector<std::string> headers;  // NAME=VALUE
  std::string delay;                 // 30s; empty = none
  std::string spread;                // up to so much is added to the delay
  std::string ttl;
};

// A message that lacks its body.
struct MessagePattern {
  base::Message message;
  base::Millis delay{0};
  base::Millis spread{0};
  base::Millis ttl{0};  // 0 = none

  // Nothing but a body: the publisher's fast path will do.
  bool is_bare() const;
  // Delay and time to live count from the publishing of each message, not from the first one. What
  // of the spread it gets is drawn anew for each.
  void set_times(base::WallTime now, base::Prng& prng);
};

// InvalidArgument names the flag.
base::Result<MessagePattern> message_pattern(const MessageFlags& flags);

// Splits NAME=VALUE at the first '='. InvalidArgument when there is no name.
base::Result<std::pair<std::string, std::string>> split_header(const std::string& text);

}  // namespace sluice::cli
