#pragma once

#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "kube/json.h"
#include "kube/resource_type.h"

namespace sluice::reconcile {

// What the API server has of one broker, as last seen: by kind and name. Immutable while a plan is
// made.
class LiveObjects {
 public:
  // REQUIRES: `object` has kind and metadata.name. A later one of the same kind and name replaces
  // the earlier.
  void add(kube::Json object);

  // nullptr = there is none.
  const kube::Json* find(const kube::ResourceType& type, std::string_view name) const;
  // By name.
  std::vector<const kube::Json*> of_type(const kube::ResourceType& type) const;

 private:
  std::map<std::pair<std::string, std::string>, kube::Json> objects_;
};

}  // namespace sluice::reconcile
