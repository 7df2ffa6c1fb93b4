#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/bytes.h"
#include "base/ids.h"

namespace sluice::wire {

// Reads the fields of a frame that a peer sent and remembers the name of the first bad one. After
// that every read yields zeros, so that a decoder checks once at its end. Private to the codec.
class FieldReader {
 public:
  explicit FieldReader(base::ByteView body) : reader_(body) {}

  std::uint8_t u8(const char* name) { return checked(name, reader_.u8()); }
  std::uint16_t u16(const char* name) { return checked(name, reader_.u16()); }
  std::uint32_t u32(const char* name) { return checked(name, reader_.u32()); }
  std::uint64_t u64(const char* name) { return checked(name, reader_.u64()); }
  std::int64_t i64(const char* name) { return checked(name, reader_.i64()); }
  bool boolean(const char* name) {
    const std::uint8_t value = u8(name);
    if (value > 1) fail(name, "is neither 0 nor 1");
    return value == 1;
  }
  std::uint8_t u8_upto(const char* name, std::uint8_t max) {
    const std::uint8_t value = u8(name);
    return value <= max ? value : refuse<std::uint8_t>(name);
  }
  std::uint32_t u32_between(const char* name, std::uint32_t min, std::uint32_t max) {
    const std::uint32_t value = u32(name);
    return min <= value && value <= max ? value : refuse<std::uint32_t>(name);
  }
  // How many elements follow. Each takes at least `element_bytes`, so a count that the rest of the
  // frame cannot hold is refused before anything is allocated for it.
  std::size_t count(const char* name, std::size_t value, std::size_t max,
                    std::size_t element_bytes) {
    if (value > max) return refuse<std::size_t>(name);
    if (value * element_bytes > reader_.remaining()) {
      fail(name, "is more than the frame holds");
      return 0;
    }
    return value;
  }
  template <typename Id>
  Id id(const char* name) {
    base::Id128 id;
    id.bytes = reader_.array<16>();
    checked(name, 0);
    return Id(id);
  }
  std::string_view text(const char* name, std::size_t bytes_max) {
    const std::size_t bytes = u16(name);
    if (bytes > bytes_max) {
      fail(name, "is too long");
      return {};
    }
    const std::string_view value = base::as_text(reader_.bytes(bytes));
    checked(name, 0);
    return value;
  }
  base::ByteView bytes32(const char* name) {
    const base::ByteView value = reader_.bytes32();
    checked(name, 0);
    return value;
  }
  // As they are, to be looked at by the caller. REQUIRES: count() said that they are there.
  base::ByteView raw(std::size_t bytes) { return reader_.bytes(bytes); }
  base::ByteView rest() { return reader_.rest(); }

  void fail(const char* name, const char* what) {
    if (field_ == nullptr) {
      field_ = name;
      what_ = what;
    }
    reader_.fail();
  }
  // To be asked once, behind the last field. nullptr = all good.
  const char* bad_field() {
    if (field_ == nullptr && !reader_.at_end()) fail("body", "has bytes left over");
    return field_;
  }
  const char* what() const { return what_; }

 private:
  template <typename T>
  T checked(const char* name, T value) {
    if (!reader_.ok()) fail(name, "is missing");
    return value;
  }
  template <typename T>
  T refuse(const char* name) {
    fail(name, "is out of range");
    return 0;
  }

  base::ByteReader reader_;
  const char* field_ = nullptr;
  const char* what_ = "";
};

}  // namespace sluice::wire
