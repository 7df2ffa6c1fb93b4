#pragma once

#include <span>
#include <string>
#include <vector>

#include "access/key_ring.h"
#include "base/bytes.h"

namespace sluice::access {

// The answer to a request of ZeroMQ's authentication protocol (RFC 27), without envelope.
struct ZapAnswer {
  bool granted = false;
  bool probe = false;  // of probe_zap(), so from this process
  // Frames in order: version, request id, status code, status text, user id, metadata.
  std::vector<std::string> frames;
  // For logs: why it was refused.
  std::string reason;
};

// Grants what proves a key of `ring`; anything else is refused, also requests that make no sense.
// The user id of a connection is its public key, as text. Pure.
ZapAnswer answer_zap(std::span<const base::ByteView> request, const KeyRing& ring);

// The frames of a request that is only to see whether somebody answers; it is refused.
std::vector<std::string> probe_zap();

}  // namespace sluice::access
