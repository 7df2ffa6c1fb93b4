#pragma once

#include <compare>
#include <cstdint>
#include <functional>

namespace sluice::base {

// An integer that cannot be mixed up with another one. Conversion is explicit both ways; only
// arithmetic that has a meaning is given.
template <typename Rep, typename Tag>
class StrongInt {
 public:
  using rep = Rep;

  constexpr StrongInt() = default;
  constexpr explicit StrongInt(Rep value) : value_(value) {}

  constexpr Rep value() const { return value_; }

  friend constexpr auto operator<=>(StrongInt, StrongInt) = default;

  // The position `count` further on, and the distance between two positions.
  friend constexpr StrongInt operator+(StrongInt a, Rep count) {
    return StrongInt(static_cast<Rep>(a.value_ + count));
  }
  friend constexpr StrongInt operator-(StrongInt a, Rep count) {
    return StrongInt(static_cast<Rep>(a.value_ - count));
  }
  friend constexpr Rep operator-(StrongInt a, StrongInt b) {
    return static_cast<Rep>(a.value_ - b.value_);
  }
  constexpr StrongInt& operator++() {
    ++value_;
    return *this;
  }
  constexpr StrongInt& operator+=(Rep count) {
    value_ = static_cast<Rep>(value_ + count);
    return *this;
  }

 private:
  Rep value_ = 0;
};

}  // namespace sluice::base

template <typename Rep, typename Tag>
struct std::hash<sluice::base::StrongInt<Rep, Tag>> {
  std::size_t operator()(sluice::base::StrongInt<Rep, Tag> key) const noexcept {
    return std::hash<Rep>{}(key.value());
  }
};
