#include "kube/yaml_json.h"

#include <yaml-cpp/yaml.h>

namespace sluice::kube {
namespace {

constexpr int kDepthMax = 32;
constexpr std::size_t kBytesMax = 4ULL << 20;
// An alias costs some bytes and stands for everything that its anchor holds.
constexpr std::size_t kNodesMax = 200'000;

Json to_json(const YAML::Node& node, int depth, std::size_t& nodes) {
  if (depth > kDepthMax) throw YAML::Exception(node.Mark(), "nested too deeply");
  if (++nodes > kNodesMax) throw YAML::Exception(node.Mark(), "more than 200,000 values");
  switch (node.Type()) {
    case YAML::NodeType::Scalar:
      return node.Scalar();
    case YAML::NodeType::Sequence: {
      Json array = Json::array();
      for (const auto& item : node) array.push_back(to_json(item, depth + 1, nodes));
      return array;
    }
    case YAML::NodeType::Map: {
      Json object = Json::object();
      for (const auto& item : node) {
        object[item.first.as<std::string>()] = to_json(item.second, depth + 1, nodes);
      }
      return object;
    }
    default:
      return nullptr;
  }
}

}  // namespace

base::Result<Json> read_yaml_texts(const std::string& text) {
  if (text.size() > kBytesMax) return base::invalid_argument("longer than 4 MiB");
  try {
    std::size_t nodes = 0;
    return to_json(YAML::Load(text), 0, nodes);
  } catch (const YAML::Exception& error) {
    return base::invalid_argument("line " + std::to_string(error.mark.line + 1) + ": " + error.msg);
  }
}

}  // namespace sluice::kube
