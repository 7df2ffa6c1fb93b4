#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/check.h"
#include "operator/api/manifest.h"

namespace {

constexpr std::size_t kProblemBytesMax = 2'000;

}  // namespace

// A manifest, as YAML or as the JSON that the API server gives, is taken or refused: each problem
// in one line that names the place, and no value beyond its limits.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const sluice::api::Manifest manifest = sluice::api::parse_manifest(text);
  for (const auto& problem : manifest.problems) {
    const std::string line = problem.to_string("queue.yaml");
    CHECK(line.starts_with("queue.yaml"));
    CHECK(!problem.text.empty());
    CHECK(line.size() <= kProblemBytesMax && line.find('\n') == std::string::npos);
  }
  const auto queues = sluice::api::parse_queues("queue.yaml", text);
  CHECK(queues.has_value() == manifest.ok());
  if (!queues.has_value()) {
    CHECK(queues.error().message().find("queue.yaml") != std::string_view::npos);
    return 0;
  }
  for (const auto& queue : *queues) {
    CHECK(!queue.metadata.name.empty() && queue.metadata.name.size() <= 253);
    CHECK(queue.spec.shards >= 1 && queue.spec.shards <= 64);
    CHECK(!queue.spec.subscriptions.empty());
    CHECK(queue.spec.limits.message_bytes >= 1);
  }
  return 0;
}
