#pragma once

#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "kube/cache.h"
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
  // The same for one that is shared, and so not copied.
  void add(kube::ObjectPtr object);

  // nullptr = there is none.
  const kube::Json* find(const kube::ResourceType& type, std::string_view name) const;
  // By name.
  std::vector<const kube::Json*> of_type(const kube::ResourceType& type) const;

 private:
  std::map<std::pair<std::string, std::string>, kube::ObjectPtr> objects_;
};

}  // namespace sluice::reconcile
