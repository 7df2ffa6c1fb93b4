#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"
#include "base/time.h"

// Durations and byte quantities as people write them in manifests and flags. Strict: what could be
// read in two ways is refused. Errors are InvalidArgument, quote the text and say what is allowed;
// the caller adds the field's name.
namespace sluice::base {

// Longer ones are refused, so that the nanoseconds of any duration fit 64 bits.
inline constexpr Millis kDurationMax = std::chrono::days(36'500);

// "30s", "1h30m", "250ms", "14d", "0": whole numbers with the units d, h, m, s, ms, each at most
// once and the larger first. No sign, no fraction, no spaces.
Result<Millis> parse_duration(std::string_view text);
// The shortest text that parse_duration() takes back: "1h30m", "14d", "0s".
// REQUIRES: 0 <= duration <= kDurationMax.
std::string format_duration(Millis duration);

// "1024", "6Gi", "500M", "1.5Gi": a number with k, M, G, T, P, E (thousands) or Ki .. Ei (1,024s),
// which together make a whole number of bytes. A fraction has at most three digits.
Result<std::uint64_t> parse_bytes(std::string_view text);
// Exact, in the largest unit that leaves a whole number, 1,024s before thousands: "6Gi", "500M".
std::string format_bytes(std::uint64_t bytes);

}  // namespace sluice::base
