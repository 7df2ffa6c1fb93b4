#include "kube/fenced_api.h"

namespace sluice::kube {

base::Result<Json> FencedApi::get(const ObjectRef& ref) { return api_.get(ref); }

base::Result<Json> FencedApi::list(const ResourceType& type, std::string_view name_space,
                                   const Selectors& selectors) {
  return api_.list(type, name_space, selectors);
}

base::Result<Json> FencedApi::create(const Json& object) {
  RETURN_IF_ERROR(gate_.may_write());
  return api_.create(object);
}

base::Result<Json> FencedApi::apply(const Json& object, std::string_view field_manager) {
  RETURN_IF_ERROR(gate_.may_write());
  return api_.apply(object, field_manager);
}

base::Result<Json> FencedApi::apply_status(const Json& object, std::string_view field_manager) {
  RETURN_IF_ERROR(gate_.may_write());
  return api_.apply_status(object, field_manager);
}

base::Result<Json> FencedApi::merge_patch(const ObjectRef& ref, const Json& patch,
                                          std::string_view subresource) {
  RETURN_IF_ERROR(gate_.may_write());
  return api_.merge_patch(ref, patch, subresource);
}

base::Result<Json> FencedApi::update(const Json& object, std::string_view subresource) {
  RETURN_IF_ERROR(gate_.may_write());
  return api_.update(object, subresource);
}

base::Status FencedApi::remove(const ObjectRef& ref, const Preconditions& preconditions,
                               Propagation propagation) {
  RETURN_IF_ERROR(gate_.may_write());
  return api_.remove(ref, preconditions, propagation);
}

}  // namespace sluice::kube
