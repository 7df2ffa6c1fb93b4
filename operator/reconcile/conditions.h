#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/time.h"
#include "kube/json.h"

namespace sluice::reconcile {

enum class Truth : std::uint8_t { kTrue, kFalse, kUnknown };
std::string_view to_string(Truth truth);

// The conditions of a Queue, by type.
inline constexpr std::string_view kReady = "Ready";
inline constexpr std::string_view kReconciling = "Reconciling";
inline constexpr std::string_view kStalled = "Stalled";
inline constexpr std::string_view kBrokerAvailable = "BrokerAvailable";
inline constexpr std::string_view kMetricsAvailable = "MetricsAvailable";
inline constexpr std::string_view kScalingActive = "ScalingActive";

// Builds the list of conditions beside the one that is there: lastTransitionTime stays where status
// does not change.
class Conditions {
 public:
  // `live`: the list that is there; nullptr = none.
  Conditions(const kube::Json* live, std::int64_t generation, base::WallTime now);

  void set(std::string_view type, Truth status, std::string_view reason, std::string message);
  // Takes over the condition that is there, for what cannot be known just now; `fallback` is the
  // reason of Unknown where there is none.
  void keep(std::string_view type, std::string_view fallback);

  // What is there; Unknown where there is none.
  Truth live(std::string_view type) const;
  std::string live_reason(std::string_view type) const;
  bool has_live(std::string_view type) const { return find_live(type) != nullptr; }

  // The list, in the order of set().
  const kube::Json& list() const { return list_; }

 private:
  const kube::Json* find_live(std::string_view type) const;

  const kube::Json* live_;
  std::int64_t generation_;
  std::string now_;
  kube::Json list_ = kube::Json::array();
};

}  // namespace sluice::reconcile
