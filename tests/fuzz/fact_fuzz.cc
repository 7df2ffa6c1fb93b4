#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/check.h"
#include "storage/fact_codec.h"

namespace {

using sluice::base::ByteView;

// What is taken from a payload goes round: ranges may be written in several ways, and a reader
// takes them all, but a writer has one.
template <typename Fact>
void check(sluice::base::Result<Fact> (*decode)(ByteView), ByteView payload) {
  const auto fact = decode(payload);
  if (!fact.has_value()) return;
  std::vector<std::byte> once;
  sluice::storage::encode(*fact, once);
  const auto again = decode(once);
  CHECK(again.has_value());
  std::vector<std::byte> twice;
  sluice::storage::encode(*again, twice);
  CHECK(once == twice);
}

}  // namespace

// The first byte chooses the record type, the rest is its payload.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const ByteView payload(reinterpret_cast<const std::byte*>(data) + 1, size - 1);
  namespace log = sluice::storage;
  switch (data[0] % 18) {
    case 0:
      check(log::decode_incarnation, payload);
      break;
    case 1:
      check(log::decode_feature_level, payload);
      break;
    case 2:
      check(log::decode_queue_configured, payload);
      break;
    case 3:
      check(log::decode_queue_deleted, payload);
      break;
    case 4:
      check(log::decode_leased, payload);
      break;
    case 5:
      check(log::decode_settled, payload);
      break;
    case 6:
      check(log::decode_released, payload);
      break;
    case 7:
      check(log::decode_failed, payload);
      break;
    case 8:
      check(log::decode_stalled, payload);
      break;
    case 9:
      check(log::decode_dead, payload);
      break;
    case 10:
      check(log::decode_redriven, payload);
      break;
    case 11:
      check(log::decode_removed, payload);
      break;
    case 12:
      check(log::decode_session, payload);
      break;
    case 13:
      check(log::decode_task, payload);
      break;
    case 14:
      check(log::decode_producer, payload);
      break;
    case 15:
      check(log::decode_segments_dropped, payload);
      break;
    case 16:
      static_cast<void>(log::decode_message_chunk(payload));
      break;
    default:
      static_cast<void>(log::decode_messages(payload));
      break;
  }
  return 0;
}
