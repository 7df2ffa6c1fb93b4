#include <array>
#include <utility>
#include <variant>

#include "base/check.h"
#include "wire/decode_body.h"
#include "wire/encode_body.h"
#include "wire/frame_codec.h"
#include "wire/frame_type.h"

namespace sluice::wire {
namespace {

constexpr std::size_t kDeliverFixedBytes = 20;

// Writes fields one behind the other into bytes that are already there.
class Cursor {
 public:
  explicit Cursor(std::byte* at) : at_(at) {}

  template <typename T>
  void put(T value) {
    base::store(at_, value);
    at_ += sizeof value;
  }
  void put_header(FrameHeader header, FrameType type) {
    put(header.version);
    put(static_cast<std::uint8_t>(type));
    put(header.flags);
    put(header.session_epoch);
    put(header.session);
    put(header.request);
  }

 private:
  std::byte* at_;
};

}  // namespace

void encode_frame(const FrameHeader& header, const Body& body, std::vector<std::byte>& out) {
  const std::size_t at = out.size();
  out.resize(at + kHeaderBytes);
  Cursor(out.data() + at).put_header(header, type_of(body));
  base::ByteWriter writer(out);
  std::visit([&writer](const auto& value) { encode_body(writer, value); }, body);
  DCHECK(out.size() - at <= kFrameBytesMax);
}

std::size_t deliver_prefix_bytes(std::size_t runs) {
  return kHeaderBytes + kDeliverFixedBytes + runs * kDeliverRunBytes;
}

DeliverPrefix::DeliverPrefix(const FrameHeader& header, const Deliver& deliver, std::size_t runs,
                             base::MutableByteView out)
    : at_(out.data() + kHeaderBytes + kDeliverFixedBytes) {
  CHECK(out.size() == deliver_prefix_bytes(runs));
  Cursor cursor(out.data());
  cursor.put_header(header, FrameType::kDeliver);
  cursor.put(deliver.attachment);
  cursor.put(deliver.lease_ms);
  cursor.put(deliver.epoch);
  cursor.put(static_cast<std::uint32_t>(runs));
}

void encode_publish_prefix(const FrameHeader& header, const Publish& publish,
                           base::MutableByteView out) {
  CHECK(out.size() == kPublishPrefixBytes);
  Cursor cursor(out.data());
  cursor.put_header(header, FrameType::kPublish);
  cursor.put(publish.publisher);
  cursor.put(publish.map_version);
  cursor.put(publish.producer_sequence);
  cursor.put(publish.count);
}

}  // namespace sluice::wire
