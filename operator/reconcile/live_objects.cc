#include "operator/reconcile/live_objects.h"

#include "base/check.h"
#include "kube/object_ref.h"

namespace sluice::reconcile {

void LiveObjects::add(kube::Json object) {
  add(std::make_shared<const kube::Json>(std::move(object)));
}

void LiveObjects::add(kube::ObjectPtr object) {
  const auto kind = object->find("kind");
  CHECK(kind != object->end() && kind->is_string());
  std::string name = kube::name_of(*object);
  CHECK(!name.empty());
  objects_.insert_or_assign({kind->get<std::string>(), std::move(name)}, std::move(object));
}

const kube::Json* LiveObjects::find(const kube::ResourceType& type, std::string_view name) const {
  const auto found = objects_.find({std::string(type.kind), std::string(name)});
  return found == objects_.end() ? nullptr : found->second.get();
}

std::vector<const kube::Json*> LiveObjects::of_type(const kube::ResourceType& type) const {
  std::vector<const kube::Json*> found;
  for (auto at = objects_.lower_bound({std::string(type.kind), std::string()});
       at != objects_.end() && at->first.first == type.kind; ++at) {
    found.push_back(at->second.get());
  }
  return found;
}

}  // namespace sluice::reconcile
