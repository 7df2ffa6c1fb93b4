#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "base/bytes.h"

// Fields of { u16 tag, u32 length, value }, for records whose fields will grow.
namespace sluice::broker {

// Writes the head of a field now and its length when it goes out of scope.
class TlvField {
 public:
  TlvField(std::vector<std::byte>& out, std::uint16_t tag) : out_(out), writer_(out) {
    writer_.u16(tag);
    length_at_ = out.size();
    writer_.u32(0);
  }
  ~TlvField() {
    const std::size_t length = out_.size() - length_at_ - sizeof(std::uint32_t);
    base::store(out_.data() + length_at_, static_cast<std::uint32_t>(length));
  }
  TlvField(const TlvField&) = delete;
  TlvField& operator=(const TlvField&) = delete;

  base::ByteWriter& operator*() { return writer_; }
  base::ByteWriter* operator->() { return &writer_; }

 private:
  std::vector<std::byte>& out_;
  base::ByteWriter writer_;
  std::size_t length_at_ = 0;
};

// Calls fn(tag, ByteReader&) -> bool for each field; false from fn, or a field that is cut off,
// gives false.
template <typename Fn>
bool for_each_field(base::ByteView data, Fn&& fn) {
  base::ByteReader in(data);
  while (in.ok() && in.remaining() > 0) {
    const std::uint16_t tag = in.u16();
    base::ByteReader value(in.bytes32());
    if (!in.ok() || !fn(tag, value) || !value.at_end()) return false;
  }
  return in.ok();
}

inline void put_double(base::ByteWriter& out, double value) {
  out.u64(std::bit_cast<std::uint64_t>(value));
}
inline double get_double(base::ByteReader& in) { return std::bit_cast<double>(in.u64()); }

}  // namespace sluice::broker
