#include "sidecar/shard_place.h"

#include <algorithm>
#include <charconv>
#include <utility>

namespace sluice::sidecar {
namespace {

void replace_all(std::string& text, std::string_view what, const std::string& with) {
  for (std::size_t at = text.find(what); at != std::string::npos;
       at = text.find(what, at + with.size())) {
    text.replace(at, what.size(), with);
  }
}

std::vector<std::string> split(std::string_view text) {
  std::vector<std::string> parts;
  while (!text.empty()) {
    parts.emplace_back(text.substr(0, text.find(',')));
    text.remove_prefix(std::min(parts.back().size() + 1, text.size()));
  }
  return parts;
}

}  // namespace

std::vector<std::string> shard_endpoints(std::string_view text, std::uint16_t shards,
                                         std::uint16_t port) {
  const std::vector<std::string> templates = split(text);
  std::vector<std::string> endpoints;
  if (templates.size() != 1 && templates.size() != shards) return endpoints;
  for (std::uint16_t shard = 0; shard < shards; ++shard) {
    std::string endpoint = templates.size() == 1 ? templates.front() : templates[shard];
    replace_all(endpoint, "{shard}", std::to_string(shard));
    replace_all(endpoint, "{port}", std::to_string(port));
    endpoints.push_back(std::move(endpoint));
  }
  return endpoints;
}

std::optional<std::uint16_t> ordinal_of(std::string_view pod) {
  const std::size_t dash = pod.rfind('-');
  if (dash == std::string_view::npos) return std::nullopt;
  std::uint16_t ordinal = 0;
  const char* const end = pod.data() + pod.size();
  const auto [at, error] = std::from_chars(pod.data() + dash + 1, end, ordinal);
  if (error != std::errc() || at != end) return std::nullopt;
  return ordinal;
}

}  // namespace sluice::sidecar
