#include "operator/reconcile/stored_manifest.h"

#include "operator/api/queue.h"

namespace sluice::reconcile {

kube::Json stored_manifest(std::string_view name) {
  return {{"apiVersion", api::kApiVersion},
          {"kind", api::kQueueKind},
          {"metadata", {{"name", name}, {"annotations", {{api::kStoredAnnotation, "true"}}}}}};
}

}  // namespace sluice::reconcile
