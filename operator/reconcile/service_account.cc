#include "operator/reconcile/builders.h"
#include "operator/reconcile/object_meta.h"

namespace sluice::reconcile {

// An own one, so that nothing that is granted to the namespace's default account reaches the
// broker; it talks to no API server.
kube::Json build_service_account(const BrokerShape& shape) {
  kube::Json object = new_object(kube::kServiceAccounts, shape, shape.name);
  object["automountServiceAccountToken"] = false;
  return with_applied(std::move(object));
}

}  // namespace sluice::reconcile
