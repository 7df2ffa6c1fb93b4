#include "operator/app/counted_api.h"

#include <cstdlib>

#include "operator/app/exit_code.h"

namespace sluice::op {

using kube::Json;

template <typename T>
T CountedApi::counted(T result) {
  if (++calls_ == exit_after_) std::_Exit(kExitTestHook);
  return result;
}

base::Result<Json> CountedApi::get(const kube::ObjectRef& ref) { return counted(api_.get(ref)); }

base::Result<Json> CountedApi::list(const kube::ResourceType& type, std::string_view name_space,
                                    const kube::Selectors& selectors) {
  return counted(api_.list(type, name_space, selectors));
}

base::Result<Json> CountedApi::create(const Json& object) { return counted(api_.create(object)); }

base::Result<Json> CountedApi::apply(const Json& object, std::string_view field_manager) {
  return counted(api_.apply(object, field_manager));
}

base::Result<Json> CountedApi::apply_status(const Json& object, std::string_view field_manager) {
  return counted(api_.apply_status(object, field_manager));
}

base::Result<Json> CountedApi::merge_patch(const kube::ObjectRef& ref, const Json& patch,
                                           std::string_view subresource) {
  return counted(api_.merge_patch(ref, patch, subresource));
}

base::Result<Json> CountedApi::update(const Json& object, std::string_view subresource) {
  return counted(api_.update(object, subresource));
}

base::Status CountedApi::remove(const kube::ObjectRef& ref,
                                const kube::Preconditions& preconditions,
                                kube::Propagation propagation) {
  return counted(api_.remove(ref, preconditions, propagation));
}

}  // namespace sluice::op
