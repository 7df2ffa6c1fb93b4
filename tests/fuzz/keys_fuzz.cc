#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "access/key_ring.h"
#include "access/key_text.h"
#include "access/zap.h"
#include "base/check.h"
#include "tests/fuzz/fuzz_input.h"

namespace {

namespace access = sluice::access;

// What is read as authorized keys reads the same when it is written.
void check_ring(std::string_view text) {
  const auto ring = access::KeyRing::parse(text);
  if (!ring.has_value()) {
    CHECK(ring.error().message().find("line") != std::string_view::npos);
    return;
  }
  std::string again;
  for (const auto& [key, grant] : ring->grants()) {
    CHECK(access::is_key_text(key) && !grant->id.empty() && !grant->queues.empty());
    again += access::to_line(*grant) + "\n";
  }
  const auto same = access::KeyRing::parse(again);
  CHECK(same.has_value());
  CHECK(*same == *ring);
}

// Nobody is let in who has not proved a key of the ring.
void check_zap(sluice::fuzz::Input input) {
  static const std::vector<std::byte> key(access::kKeyBytes, std::byte{7});
  static const auto ring = access::KeyRing::parse("a " + access::to_key_text(key) + " produce *");
  CHECK(ring.has_value());
  std::vector<sluice::base::ByteView> request;
  while (!input.empty() && request.size() < 12) {
    request.push_back(input.u8() % 4 == 0 ? sluice::base::ByteView(key)
                                          : input.take(input.below(16)));
  }
  const access::ZapAnswer answer = access::answer_zap(request, *ring);
  CHECK(answer.frames.size() == 6);
  CHECK(answer.granted == (answer.frames[2] == "200"));
  if (answer.granted) CHECK(request.size() >= 7 && request[6].size() == access::kKeyBytes);
}

}  // namespace

// The file of the keys that are let in, and the question that ZeroMQ asks about each connection.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  check_ring({reinterpret_cast<const char*>(data), size});
  check_zap({data, size});
  return 0;
}
