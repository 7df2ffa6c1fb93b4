#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/check.h"
#include "storage/fact_codec.h"

namespace {

using sluice::base::ByteView;

template <typename Fact>
void check(const sluice::base::Result<Fact>& fact, ByteView payload) {
  if (!fact.has_value()) return;
  std::vector<std::byte> again;
  sluice::storage::encode(*fact, again);
  CHECK(std::equal(again.begin(), again.end(), payload.begin(), payload.end()));
}

}  // namespace

// The first byte chooses the record type, the rest is its payload.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const ByteView payload(reinterpret_cast<const std::byte*>(data) + 1, size - 1);
  namespace log = sluice::storage;
  switch (data[0] % 17) {
    case 0:
      check(log::decode_incarnation(payload), payload);
      break;
    case 1:
      check(log::decode_feature_level(payload), payload);
      break;
    case 2:
      check(log::decode_queue_configured(payload), payload);
      break;
    case 3:
      check(log::decode_queue_deleted(payload), payload);
      break;
    case 4:
      check(log::decode_leased(payload), payload);
      break;
    case 5:
      check(log::decode_settled(payload), payload);
      break;
    case 6:
      check(log::decode_released(payload), payload);
      break;
    case 7:
      check(log::decode_failed(payload), payload);
      break;
    case 8:
      check(log::decode_stalled(payload), payload);
      break;
    case 9:
      check(log::decode_dead(payload), payload);
      break;
    case 10:
      check(log::decode_redriven(payload), payload);
      break;
    case 11:
      check(log::decode_removed(payload), payload);
      break;
    case 12:
      check(log::decode_session(payload), payload);
      break;
    case 13:
      check(log::decode_task(payload), payload);
      break;
    case 14:
      check(log::decode_producer(payload), payload);
      break;
    case 15:
      check(log::decode_segments_dropped(payload), payload);
      break;
    default:
      static_cast<void>(log::decode_messages(payload));
      break;
  }
  return 0;
}
