#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace sluice::reconcile {

// Kubernetes writes one amount in many ways ("1Gi", "1024Mi", "1073741824"; "500m", "0.5"), and the
// API server answers in another one than it was asked in. Exact for numbers of up to 18 digits.
bool same_quantity(std::string_view a, std::string_view b);

// A whole number of bytes, rounded up; nullopt where it is no amount or above 2^63.
std::optional<std::uint64_t> quantity_bytes(std::string_view text);

}  // namespace sluice::reconcile
