#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/time.h"
#include "kube/json.h"
#include "operator/api/queue.h"
#include "operator/reconcile/inputs.h"

namespace sluice::reconcile {

// Why a Queue is not acted on; told as the condition Stalled.
struct Obstacle {
  std::string reason;
  std::string message;
};

// How a Queue stands with its broker.
enum class Standing : std::uint8_t {
  kAccepted,  // the broker is made as it asks
  kHeld,      // it has an obstacle, and the broker has its queue: that stays as it was
  kRefused,   // it has an obstacle, and the broker knows nothing of it
  kLeaving,   // it is being deleted
};

// One Queue of the broker.
struct Member {
  const kube::Json* object = nullptr;  // of the inputs
  std::string name;
  std::string uid;
  std::int64_t generation = 0;
  std::string created;  // creationTimestamp
  bool has_finalizer = false;
  // It was accepted before: it is an owner of the broker's ConfigMap, which has its manifest, or of
  // the StatefulSet. There may be messages.
  bool established = false;
  std::optional<api::Queue> queue;  // unless it could not be read
  std::optional<Obstacle> obstacle;
  Standing standing = Standing::kAccepted;

  // The policy that counts even where the rest cannot be read; anything unclear is Retain.
  api::DeletionPolicy deletion_policy() const;
  // Its settings stay in the broker's ConfigMap as they are there.
  bool keeps_settings() const;
  // The text that a broker gets: the part of the manifest that it acts on.
  std::string manifest() const;
};

// All Queues of the inputs, those that are established first, each of both by age and then by name:
// where they disagree, an earlier one is right. `obstacle` is set for those that cannot be read
// only.
std::vector<Member> read_members(const Inputs& inputs);

}  // namespace sluice::reconcile
