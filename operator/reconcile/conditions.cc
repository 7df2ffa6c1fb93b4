#include "operator/reconcile/conditions.h"

#include "base/wall_text.h"
#include "operator/api/problem.h"
#include "operator/reconcile/fields.h"

namespace sluice::reconcile {
namespace {

// The schema allows more, but nobody reads it; and a broker's own words can be of any length.
constexpr std::size_t kMessageBytesMax = 8'000;

// Kubernetes writes times of conditions in whole seconds.
std::string seconds_text(base::WallTime time) {
  std::string text = base::format_wall(time);
  const std::size_t dot = text.rfind('.');
  return dot == std::string::npos ? text : text.substr(0, dot) + "Z";
}

}  // namespace

std::string_view to_string(Truth truth) {
  switch (truth) {
    case Truth::kTrue:
      return "True";
    case Truth::kFalse:
      return "False";
    case Truth::kUnknown:
      return "Unknown";
  }
  return "Unknown";
}

Conditions::Conditions(const kube::Json* live, std::int64_t generation, base::WallTime now)
    : live_(live), generation_(generation), now_(seconds_text(now)) {}

void Conditions::set(std::string_view type, Truth status, std::string_view reason,
                     std::string message) {
  const Json* there = find_live(type);
  const bool same = there != nullptr && text_at(*there, {"status"}) == to_string(status);
  const std::string since = same ? text_at(*there, {"lastTransitionTime"}) : std::string();
  list_.push_back(
      {{"type", type},
       {"status", to_string(status)},
       {"reason", reason},
       {"message", message.size() <= kMessageBytesMax ? std::move(message)
                                                      : api::printable(message, kMessageBytesMax)},
       {"observedGeneration", generation_},
       {"lastTransitionTime", since.empty() ? now_ : since}});
}

void Conditions::keep(std::string_view type, std::string_view fallback) {
  if (has_live(type)) {
    const Json* there = find_live(type);
    set(type, live(type), text_at(*there, {"reason"}), text_at(*there, {"message"}));
  } else {
    set(type, Truth::kUnknown, fallback, "");
  }
}

Truth Conditions::live(std::string_view type) const {
  const Json* there = find_live(type);
  const std::string status = there == nullptr ? std::string() : text_at(*there, {"status"});
  if (status == "True") return Truth::kTrue;
  return status == "False" ? Truth::kFalse : Truth::kUnknown;
}

std::string Conditions::live_reason(std::string_view type) const {
  const Json* there = find_live(type);
  return there == nullptr ? std::string() : text_at(*there, {"reason"});
}

const Json* Conditions::find_live(std::string_view type) const {
  if (live_ == nullptr || !live_->is_array()) return nullptr;
  for (const Json& one : *live_) {
    if (text_at(one, {"type"}) == type) return &one;
  }
  return nullptr;
}

}  // namespace sluice::reconcile
