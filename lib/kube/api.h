#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"
#include "kube/json.h"
#include "kube/object_ref.h"
#include "kube/resource_type.h"

namespace sluice::kube {

// Lists are asked for in pages of so many.
inline constexpr int kListPageItems = 500;

// What happens to the objects that an object owns when it is removed.
enum class Propagation : std::uint8_t { kBackground, kForeground, kOrphan };
std::string_view to_string(Propagation propagation);

// "app=worker,tier!=web" and "spec.nodeName=n1", as the API server takes them; empty = all.
struct Selectors {
  std::string label;
  std::string field;
};

// An object is removed only if it is still that one; empty = whatever is there.
struct Preconditions {
  std::string uid;
  std::string resource_version;
};

// The Kubernetes API, one blocking call at a time a thread; safe on several threads.
//
// Errors, by what a caller can do about them:
//   NotFound            no such object, or no such type in this cluster
//   AlreadyExists       create() of a name that is taken by an object that is not ours
//   Conflict            it changed meanwhile, or a precondition does not hold: read again
//   InvalidArgument     400, 413, 415, 422: can never be right; the server says which field
//   PermissionDenied    401, 403: a right is missing, a quota is full, the namespace goes away
//   Unavailable         429, 5xx, no connection: tried again already, where that was allowed
//   DeadlineExceeded    no answer in time; the call may have been carried out
//   FailedPrecondition  this process must not write now (HttpApiSeams::may_write)
class Api {
 public:
  virtual ~Api() = default;

  virtual base::Result<Json> get(const ObjectRef& ref) = 0;
  // All objects, in one list document ("items"), however many pages that takes. An empty
  // `name_space` means all namespaces.
  virtual base::Result<Json> list(const ResourceType& type, std::string_view name_space,
                                  const Selectors& selectors) = 0;
  // Tolerates that the request was carried out twice on the way: where the object that is there has
  // all that was asked for, that one is the answer and not AlreadyExists.
  virtual base::Result<Json> create(const Json& object) = 0;
  // Server-side apply with force: what the manager left out and owned before is removed.
  virtual base::Result<Json> apply(const Json& object, std::string_view field_manager) = 0;
  virtual base::Result<Json> apply_status(const Json& object, std::string_view field_manager) = 0;
  // JSON merge patch (RFC 7386). metadata.resourceVersion in the patch is a precondition.
  virtual base::Result<Json> merge_patch(const ObjectRef& ref, const Json& patch,
                                         std::string_view subresource = {}) = 0;
  // Replaces the object; its metadata.resourceVersion is a precondition.
  virtual base::Result<Json> update(const Json& object, std::string_view subresource = {}) = 0;
  // OK also when the object was gone already.
  virtual base::Status remove(const ObjectRef& ref, const Preconditions& preconditions,
                              Propagation propagation) = 0;
};

}  // namespace sluice::kube
