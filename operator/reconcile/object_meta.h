#pragma once

#include <string>
#include <string_view>

#include "kube/json.h"
#include "kube/resource_type.h"
#include "operator/reconcile/broker_shape.h"

namespace sluice::reconcile {

// apiVersion, kind and metadata of an object of the broker: labels, and the Queues as owners.
kube::Json new_object(const kube::ResourceType& type, const BrokerShape& shape,
                      const std::string& name);

// The labels of all objects of a broker, and those that select its pods.
kube::Json broker_labels(std::string_view broker);
kube::Json pod_selector(std::string_view broker);

// No Queue is the controller: they are equals, and a Queue that goes takes nothing along while
// there is another.
kube::Json owner_references(const std::vector<Owner>& owners);

// `object` with an annotation that names its content, so that a field that is wanted no longer is
// noticed: subset_diff() does not see it.
kube::Json with_applied(kube::Json object);

// A short name of `text`, for annotations.
std::string content_name(std::string_view text);

}  // namespace sluice::reconcile
