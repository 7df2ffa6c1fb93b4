#include "operator/scaler/scaled_queue.h"

#include "kube/event_series.h"
#include "kube/object_ref.h"
#include "operator/api/manifest.h"
#include "operator/reconcile/names.h"
#include "operator/reconcile/stored_manifest.h"

namespace sluice::op {

std::optional<ScaledQueue> scaled_queue_of(const kube::Json& queue) {
  const kube::Json& metadata = kube::value_in(queue, {"metadata"});
  if (!kube::text_in(metadata, "deletionTimestamp").empty()) return std::nullopt;
  kube::Json manifest = reconcile::stored_manifest(kube::name_of(queue));
  if (const kube::Json& spec = kube::value_in(queue, {"spec"}); spec.is_object()) {
    manifest["spec"] = spec;
  }
  const auto parsed = api::parse_queues(
      kube::name_of(queue), manifest.dump(-1, ' ', false, kube::Json::error_handler_t::replace));
  if (!parsed || parsed->size() != 1) return std::nullopt;
  const api::QueueSpec& spec = parsed->front().spec;
  ScaledQueue scaled;
  for (const api::Subscription& one : spec.subscriptions) {
    if (one.consumers) scaled.subscriptions.push_back({one.name, *one.consumers});
  }
  if (scaled.subscriptions.empty()) return std::nullopt;
  scaled.name_space = kube::namespace_of(queue);
  scaled.name = kube::name_of(queue);
  scaled.broker = scaled.name_space + "/" + spec.broker.name;
  scaled.shards = spec.shards;
  scaled.reconcile_paused = kube::text_in(kube::value_in(metadata, {"annotations"}),
                                          reconcile::kPauseAnnotation) == "true";
  scaled.regarding = kube::regarding(queue);
  return scaled;
}

}  // namespace sluice::op
