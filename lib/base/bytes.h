#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

namespace sluice::base {

using ByteView = std::span<const std::byte>;
using MutableByteView = std::span<std::byte>;

inline ByteView as_bytes(std::string_view text) {
  return std::as_bytes(std::span(text.data(), text.size()));
}
inline std::string_view as_text(ByteView bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

// Unaligned little-endian access; every machine that we support is little-endian.
template <typename T>
T load(const std::byte* from) {
  static_assert(std::is_integral_v<T>);
  T value;
  std::memcpy(&value, from, sizeof value);
  return value;
}
template <typename T>
void store(std::byte* to, T value) {
  static_assert(std::is_integral_v<T>);
  std::memcpy(to, &value, sizeof value);
}

// Appends little-endian fields to a vector that the caller owns.
class ByteWriter {
 public:
  explicit ByteWriter(std::vector<std::byte>& out) : out_(out) {}

  void u8(std::uint8_t value) { put(value); }
  void u16(std::uint16_t value) { put(value); }
  void u32(std::uint32_t value) { put(value); }
  void u64(std::uint64_t value) { put(value); }
  void i64(std::int64_t value) { put(value); }
  void bytes(ByteView data) { out_.insert(out_.end(), data.begin(), data.end()); }
  template <std::size_t N>
  void array(const std::array<std::uint8_t, N>& data) {
    bytes(std::as_bytes(std::span(data)));
  }
  // u16 length, then the text. REQUIRES: text.size() <= 65,535.
  void text16(std::string_view text) {
    u16(static_cast<std::uint16_t>(text.size()));
    bytes(as_bytes(text));
  }
  // u32 length, then the bytes.
  void bytes32(ByteView data) {
    u32(static_cast<std::uint32_t>(data.size()));
    bytes(data);
  }
  std::size_t size() const { return out_.size(); }
  // So many bytes more, to be filled at once; valid until the next call.
  std::byte* grow(std::size_t bytes) {
    const std::size_t at = out_.size();
    out_.resize(at + bytes);
    return out_.data() + at;
  }

 private:
  template <typename T>
  void put(T value) {
    const std::size_t at = out_.size();
    out_.resize(at + sizeof value);
    store(out_.data() + at, value);
  }

  std::vector<std::byte>& out_;
};

// Reads little-endian fields from bytes that somebody else wrote. A read past the end yields
// zeros and makes ok() false for good, so that a decoder checks once at its end. Views point into
// the input.
class ByteReader {
 public:
  explicit ByteReader(ByteView data) : data_(data) {}

  std::uint8_t u8() { return get<std::uint8_t>(); }
  std::uint16_t u16() { return get<std::uint16_t>(); }
  std::uint32_t u32() { return get<std::uint32_t>(); }
  std::uint64_t u64() { return get<std::uint64_t>(); }
  std::int64_t i64() { return get<std::int64_t>(); }
  ByteView bytes(std::size_t count) {
    if (count > remaining()) {
      fail();
      return {};
    }
    const ByteView view = data_.subspan(at_, count);
    at_ += count;
    return view;
  }
  template <std::size_t N>
  std::array<std::uint8_t, N> array() {
    std::array<std::uint8_t, N> value{};
    const ByteView view = bytes(N);
    if (view.size() == N) std::memcpy(value.data(), view.data(), N);
    return value;
  }
  std::string_view text16() { return as_text(bytes(u16())); }
  ByteView bytes32() { return bytes(u32()); }
  ByteView rest() { return bytes(remaining()); }

  bool ok() const { return ok_; }
  // True when everything was read and nothing too much.
  bool at_end() const { return ok_ && at_ == data_.size(); }
  std::size_t position() const { return at_; }
  std::size_t remaining() const { return data_.size() - at_; }
  void fail() {
    ok_ = false;
    at_ = data_.size();
  }

 private:
  template <typename T>
  T get() {
    if (sizeof(T) > remaining()) {
      fail();
      return 0;
    }
    const T value = load<T>(data_.data() + at_);
    at_ += sizeof(T);
    return value;
  }

  ByteView data_;
  std::size_t at_ = 0;
  bool ok_ = true;
};

}  // namespace sluice::base
