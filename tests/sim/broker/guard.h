#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "access/key_ring.h"
#include "wire/frame_type.h"

namespace sluice::sim {

// Who comes to a guarded broker, each with a key of its own.
enum class Who : std::uint8_t {
  kStranger,   // without a key
  kProducer,   // may publish
  kConsumer,   // may consume, and publish what it passes on
  kAdmin,      // may look, seek, redrive, copy
  kOperator,   // the control port
  kNosy,       // may look at everything, and do nothing
  kElsewhere,  // may do everything in queues that are not here
};
Who who_is(std::string_view process);

// Keys and roles, as somebody wrote them down who has not read the broker's code.
class Guard {
 public:
  // The public key; empty of a stranger.
  static std::string key_of(Who who);
  // What the broker is told. In every generation the consumers' key has another name, so their
  // sessions end; in some it may not consume.
  std::shared_ptr<const access::KeyRing> ring() const;
  void change(bool consumers_may_consume) {
    ++generation_;
    consumers_may_consume_ = consumers_may_consume;
  }
  bool consumers_may_consume() const { return consumers_may_consume_; }

  // Whether whoever has this key may send that: what others send has no effect.
  bool is_lawful(std::string_view key, wire::FrameType type) const;
  // Whether that may be sent to whoever has this key.
  bool may_have(std::string_view key, wire::FrameType type) const;

 private:
  std::uint64_t generation_ = 1;
  bool consumers_may_consume_ = true;
};

}  // namespace sluice::sim
