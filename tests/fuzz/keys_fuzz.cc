#include <cstddef>
#include <cstdint>

#include "access/key_ring.h"
#include "base/check.h"

// What is read as authorized keys reads the same when it is written.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto ring = sluice::access::KeyRing::parse({reinterpret_cast<const char*>(data), size});
  if (!ring.has_value()) return 0;
  std::string text;
  for (const auto& [key, grant] : ring->grants()) text += sluice::access::to_line(*grant) + "\n";
  const auto again = sluice::access::KeyRing::parse(text);
  CHECK(again.has_value());
  CHECK(*again == *ring);
  return 0;
}
