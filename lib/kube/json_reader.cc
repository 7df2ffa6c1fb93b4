#include "kube/json_reader.h"

#include <simdjson.h>

#include <string>
#include <utility>

namespace sluice::kube {
namespace {

namespace dom = simdjson::dom;

// The parser has checked the depth, so the recursion is bounded.
Json to_json(const dom::element& element) {
  switch (element.type()) {
    case dom::element_type::OBJECT: {
      Json object = Json::object();
      for (const auto& [key, value] : dom::object(element)) {
        object[std::string(key)] = to_json(value);
      }
      return object;
    }
    case dom::element_type::ARRAY: {
      Json array = Json::array();
      for (const dom::element value : dom::array(element)) array.push_back(to_json(value));
      return array;
    }
    case dom::element_type::STRING:
      return std::string(std::string_view(element));
    case dom::element_type::INT64: {
      const std::int64_t value = element;
      // As the library's own reader does, so that a document is the same wherever it came from.
      if (value >= 0) return static_cast<std::uint64_t>(value);
      return value;
    }
    case dom::element_type::UINT64:
      return std::uint64_t(element);
    case dom::element_type::DOUBLE:
      return double(element);
    case dom::element_type::BOOL:
      return bool(element);
    case dom::element_type::NULL_VALUE:
      break;
  }
  return nullptr;
}

}  // namespace

base::Result<Json> read_json(std::string_view text, const JsonLimits& limits) {
  if (text.size() > limits.bytes_max) {
    return base::invalid_argument("no JSON is read that is longer than " +
                                  std::to_string(limits.bytes_max) + " bytes");
  }
  try {
    dom::parser parser(limits.bytes_max);
    if (parser.allocate(text.size() + 1, limits.depth_max) != simdjson::SUCCESS) {
      return base::resource_exhausted("no memory for a JSON document of " +
                                      std::to_string(text.size()) + " bytes");
    }
    dom::element root;
    if (const auto error = parser.parse(simdjson::padded_string(text)).get(root);
        error != simdjson::SUCCESS) {
      return base::invalid_argument("no JSON: " + std::string(simdjson::error_message(error)));
    }
    return to_json(root);
  } catch (const std::exception& error) {
    return base::invalid_argument(std::string("no JSON: ") + error.what());
  }
}

}  // namespace sluice::kube
