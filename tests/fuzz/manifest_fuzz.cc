#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/check.h"
#include "operator/api/manifest.h"

// A manifest is taken or refused with the place of what is wrong.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto queues = sluice::api::parse_queues("queue.yaml", text);
  if (!queues.has_value()) {
    CHECK(queues.error().message().find("queue.yaml") != std::string_view::npos);
  }
  return 0;
}
