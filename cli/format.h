#pragma once

#include <cstdint>
#include <string>

// Numbers as people read them. JSON output has the plain ones.
namespace sluice::cli {

// "1,234,567".
std::string format_count(std::uint64_t number);
// "812", "12.3k", "3.12M": three digits are enough for a rate.
std::string format_rate(double per_second);
// "512 B", "1.5 KiB", "18.2 MiB".
std::string format_size(std::uint64_t bytes);
// "0s", "4s", "3m12s", "2h05m", "3d04h".
std::string format_age(double seconds);
// "85 µs", "1.24 ms", "2.30 s".
std::string format_latency(double microseconds);

}  // namespace sluice::cli
