#pragma once

#include <compare>
#include <string>
#include <vector>

#include "operator/reconcile/inputs.h"

namespace sluice::reconcile {

// A Queue that an object of the broker knows of, and that is not among the Queues of the inputs.
struct UnseenQueue {
  std::string name;
  std::string uid;  // "" = only its settings or messages are there

  auto operator<=>(const UnseenQueue&) const = default;
};

// Those that a plan would drop from the broker's objects, as owners, or their settings from the
// ConfigMap; and those that a shard has messages of although nothing is noted of them. A view that
// is behind may miss a Queue that exists, so whoever gathers inputs asks for these by name first.
// By name; empty where no plan drops anything.
std::vector<UnseenQueue> unseen_queues(const Inputs& inputs);

}  // namespace sluice::reconcile
