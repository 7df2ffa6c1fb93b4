#pragma once

#include <initializer_list>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "base/time.h"

namespace sluice::kube {

// Objects of the API as documents: only the fields that somebody acts on have names here.
using Json = nlohmann::json;

// The text at `key`; empty where there is none, or `object` is no map.
std::string text_in(const Json& object, std::string_view key);

// The value at a path of keys ("metadata", "labels"); null where there is none.
const Json& value_in(const Json& object, std::initializer_list<std::string_view> path);

// A MicroTime of the API: "2026-01-02T12:00:01.000000Z".
std::string micro_time(base::WallTime time);

}  // namespace sluice::kube
