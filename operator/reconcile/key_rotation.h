#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "operator/reconcile/inputs.h"

namespace sluice::reconcile {

// How far the change of a broker's key is. It stands in an annotation of the Secret of the broker,
// so that it survives whoever looks after it.
struct KeyRotation {
  enum class Step : std::uint8_t {
    kNone,
    kOpening,  // next.key is in the broker's folder; not all shards serve it yet
    kMoving,   // clients are told; sessions of the older key are still about
  };
  Step step = Step::kNone;
  std::string token;  // of the annotation that asked for it
  // Tokens of those that are over, the last few: each asks once, also where several Queues ask.
  std::vector<std::string> done;

  friend bool operator==(const KeyRotation&, const KeyRotation&) = default;
};

// "" = none so far. What cannot be read counts as that too.
KeyRotation parse_rotation(std::string_view text);
std::string to_text(const KeyRotation& rotation);

// A broker that is new needs no other key: these count as done.
KeyRotation new_rotation(const std::vector<std::string>& tokens);

// The step that follows, or the same. `tokens`: what the Queues ask for. Steps need every shard to
// say that it is so far; one that is not heard holds them up.
KeyRotation next_step(const KeyRotation& rotation, const std::vector<std::string>& tokens,
                      const std::vector<ShardState>& shards, std::size_t shard_count);

}  // namespace sluice::reconcile
