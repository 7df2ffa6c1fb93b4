#pragma once

#include <compare>
#include <string>
#include <string_view>

#include "base/result.h"
#include "kube/json.h"
#include "kube/resource_type.h"

namespace sluice::kube {

// Names one object. `type` is one of the constants of resource_type.h.
struct ObjectRef {
  const ResourceType* type = nullptr;
  std::string name_space;  // empty for types without
  std::string name;

  // "StatefulSet shop/orders".
  std::string to_string() const;

  friend bool operator==(const ObjectRef&, const ObjectRef&) = default;
  friend auto operator<=>(const ObjectRef&, const ObjectRef&) = default;
};

// What `object` says it is. InvalidArgument where apiVersion and kind are of no known type or there
// is no name.
base::Result<ObjectRef> ref_of(const Json& object);

// The path of an object, and of the collection it is in:
// "/apis/apps/v1/namespaces/shop/statefulsets". An empty namespace means the collection over all
// namespaces. Names are percent-encoded.
std::string collection_path(const ResourceType& type, std::string_view name_space);
std::string object_path(const ObjectRef& ref, std::string_view subresource = {});

// Leaves unreserved characters of RFC 3986 alone.
std::string percent_encode(std::string_view text);

// Fields that every object has; empty where one is missing or of another type.
std::string name_of(const Json& object);
std::string namespace_of(const Json& object);
std::string uid_of(const Json& object);
std::string resource_version_of(const Json& object);

}  // namespace sluice::kube
