#pragma once

#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>

#include "kube/json.h"

// Reading documents whose form nobody has checked: what is missing or of another type is absent.
namespace sluice::reconcile {

using kube::Json;

using Path = std::initializer_list<std::string_view>;

// nullptr where a step is missing or null.
const Json* find_at(const Json& object, Path path);
// "" where it is no string.
std::string text_at(const Json& object, Path path);
std::optional<std::int64_t> integer_at(const Json& object, Path path);

// metadata.annotations and metadata.labels; "" = none.
std::string annotation(const Json& object, std::string_view name);

std::int64_t generation_of(const Json& object);
bool is_being_removed(const Json& object);
// Whether metadata.ownerReferences names `uid`.
bool is_owned_by(const Json& object, std::string_view uid);

}  // namespace sluice::reconcile
