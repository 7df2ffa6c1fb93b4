#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/check.h"
#include "wire/frame_codec.h"

// What decodes is encoded to the same bytes; what does not is refused, and nothing is read beyond.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const sluice::base::ByteView bytes(reinterpret_cast<const std::byte*>(data), size);
  const auto frame = sluice::wire::decode_frame(bytes);
  if (!frame.has_value()) return 0;
  std::vector<std::byte> again;
  sluice::wire::encode_frame(frame->header, frame->body, again);
  CHECK(std::equal(again.begin(), again.end(), bytes.begin(), bytes.end()));
  return 0;
}
