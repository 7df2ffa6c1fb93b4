#pragma once

#include <cstddef>
#include <string_view>
#include <vector>

#include "operator/api/problem.h"
#include "operator/api/yaml_node.h"

namespace sluice::api {

// What one file may cost before anybody looks at its meaning.
inline constexpr std::size_t kFileBytesMax = 1024 * 1024;
inline constexpr std::size_t kDocumentsMax = 1'000;
inline constexpr int kDepthMax = 16;
inline constexpr std::size_t kNodesMax = 200'000;

// The documents of a file, without the empty ones. Adds a problem for whatever is no YAML, over a
// limit, or YAML that a manifest must not have: duplicate keys, keys that are no text, anchors,
// aliases and tags. The text behind a syntax error is not looked at; what was read before it is
// returned. No exception leaves this function.
std::vector<YamlNode> read_yaml(std::string_view text, Problems& problems,
                                int depth_max = kDepthMax);

}  // namespace sluice::api
