#include "operator/scaler/rivals.h"

#include <utility>

#include "base/log.h"
#include "operator/autoscale/observation.h"

namespace sluice::op {

base::Status Rivals::refresh(const kube::ResourceType& type, const std::string& name_space,
                             base::MonoTime now, Listing& listing) {
  const base::Millis period = listing.absent ? kAbsentRefresh : kRefresh;
  if (listing.read_at && autoscale::elapsed(*listing.read_at, now) < period) return {};
  const auto list = api_.list(type, name_space, {});
  const auto code = list ? base::ErrorCode::kNotFound : list.error().code();
  if (!list && code != base::ErrorCode::kNotFound && code != base::ErrorCode::kPermissionDenied) {
    return list.error();
  }
  if (code == base::ErrorCode::kPermissionDenied && !listing.absent) {
    base::log_warn(
        "rivals_unseen",
        {{"kind", type.kind}, {"namespace", name_space}, {"error", list.error().message()}});
  }
  listing.read_at = now;
  listing.absent = !list;
  listing.rivals.clear();
  if (!list) return {};
  for (const kube::Json& object : kube::value_in(*list, {"items"})) {
    const kube::Json& ref = kube::value_in(object, {"spec", "scaleTargetRef"});
    // KEDA's defaults; an HPA always says both.
    std::string kind = kube::text_in(ref, "kind");
    std::string api_version = kube::text_in(ref, "apiVersion");
    if (kind.empty()) kind = "Deployment";
    if (api_version.empty()) api_version = "apps/v1";
    const TargetRef target{name_space, api_version, kind, kube::text_in(ref, "name")};
    listing.rivals.push_back({std::string(type.kind) + " " + kube::name_of(object),
                              std::string(target.group()), target.kind, target.name});
  }
  return {};
}

base::Result<std::optional<std::string>> Rivals::of(const TargetRef& target, base::MonoTime now) {
  const std::lock_guard lock(mutex_);
  for (const kube::ResourceType* type : {&kube::kHorizontalPodAutoscalers, &kube::kScaledObjects}) {
    Listing& listing = listings_[{target.name_space, type}];
    RETURN_IF_ERROR(refresh(*type, target.name_space, now, listing));
    for (const Rival& rival : listing.rivals) {
      if (rival.group == target.group() && rival.target_kind == target.kind &&
          rival.target_name == target.name) {
        return std::optional(rival.name);
      }
    }
  }
  return std::optional<std::string>();
}

void Rivals::forget(const std::string& name_space) {
  const std::lock_guard lock(mutex_);
  std::erase_if(listings_, [&](const auto& one) { return one.first.first == name_space; });
}

std::size_t Rivals::size() const {
  const std::lock_guard lock(mutex_);
  return listings_.size();
}

}  // namespace sluice::op
