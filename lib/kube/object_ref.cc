#include "kube/object_ref.h"

namespace sluice::kube {
namespace {

bool is_unreserved(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
         c == '.' || c == '_' || c == '~';
}

}  // namespace

std::string ObjectRef::to_string() const {
  std::string text(type != nullptr ? type->kind : std::string_view("?"));
  text += " ";
  if (!name_space.empty()) text += name_space + "/";
  return text + name;
}

base::Result<ObjectRef> ref_of(const Json& object) {
  const std::string api_version = text_in(object, "apiVersion");
  const std::string kind = text_in(object, "kind");
  ObjectRef ref{find_resource_type(api_version, kind), namespace_of(object), name_of(object)};
  if (ref.type == nullptr) {
    return base::invalid_argument("no known type: apiVersion '" + api_version + "', kind '" + kind +
                                  "'");
  }
  if (ref.name.empty()) return base::invalid_argument(kind + ": metadata.name is missing");
  if (!ref.type->namespaced) ref.name_space.clear();
  return ref;
}

std::string percent_encode(std::string_view text) {
  constexpr std::string_view kHex = "0123456789ABCDEF";
  std::string out;
  out.reserve(text.size());
  for (const char c : text) {
    if (is_unreserved(c)) {
      out += c;
      continue;
    }
    const auto byte = static_cast<unsigned char>(c);
    out += '%';
    out += kHex[byte >> 4U];
    out += kHex[byte & 15U];
  }
  return out;
}

std::string collection_path(const ResourceType& type, std::string_view name_space) {
  std::string path = type.group.empty() ? "/api/" : "/apis/" + std::string(type.group) + "/";
  path += type.version;
  if (type.namespaced && !name_space.empty()) path += "/namespaces/" + percent_encode(name_space);
  path += "/";
  path += type.plural;
  return path;
}

std::string object_path(const ObjectRef& ref, std::string_view subresource) {
  std::string path = collection_path(*ref.type, ref.name_space) + "/" + percent_encode(ref.name);
  if (!subresource.empty()) path += "/" + percent_encode(subresource);
  return path;
}

std::string name_of(const Json& object) { return text_in(value_in(object, {"metadata"}), "name"); }
std::string namespace_of(const Json& object) {
  return text_in(value_in(object, {"metadata"}), "namespace");
}
std::string uid_of(const Json& object) { return text_in(value_in(object, {"metadata"}), "uid"); }
std::string resource_version_of(const Json& object) {
  return text_in(value_in(object, {"metadata"}), "resourceVersion");
}

}  // namespace sluice::kube
