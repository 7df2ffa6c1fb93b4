#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "operator/autoscale/decide.h"

namespace sluice::autoscale {

// The numbers behind a decision in one line, as statuses and Events have them:
//   ready 5000, in flight 200, oldest 12s; backlogPerReplica 100 asks for 52; 0 to 50 allowed
// `decision` is the one that decide() made of the other two.
std::string numbers_of(const Policy& policy, const Backlog& backlog, const Decision& decision);

// The same answers one by one, for who explains them.
struct TargetAnswer {
  std::string_view target;  // "backlogPerReplica"
  std::string setting;      // "100", "30s"
  std::uint32_t asks_for = 0;
  std::string how;  // "520 messages, 100 each"
};
std::vector<TargetAnswer> target_answers(const Policy& policy, const Backlog& backlog,
                                         const Decision& decision);

// An age or a time for people: whole seconds once it is longer than some.
std::string rounded_text(base::Millis duration);

}  // namespace sluice::autoscale
