#pragma once

#include <chrono>
#include <cstddef>

#include "operator/api/object_reader.h"

// What each number of a Queue may be. The CRD's schema and docs/manifest.md say the same.
namespace sluice::api {

inline constexpr std::uint64_t kKiB = 1ULL << 10;
inline constexpr std::uint64_t kMiB = 1ULL << 20;
inline constexpr std::uint64_t kGiB = 1ULL << 30;
inline constexpr std::uint64_t kPiB = 1ULL << 50;

// A duration and a size as text: more would be zeros in front.
inline constexpr std::size_t kDurationBytesMax = 32;
inline constexpr std::size_t kSizeBytesMax = 32;

inline constexpr IntRange kShards{1, 64};
inline constexpr DurationRange kFsyncInterval{base::Millis(1), std::chrono::minutes(1)};
inline constexpr DurationRange kLeaseDuration{base::Millis(0), std::chrono::hours(12)};
inline constexpr DurationRange kMaxLease{std::chrono::seconds(1), std::chrono::hours(12)};
inline constexpr IntRange kMaxAttempts{0, 10'000};
inline constexpr IntRange kMaxStalls{0, 10'000};
inline constexpr DurationRange kBackoff{base::Millis(0), std::chrono::days(30)};
inline constexpr double kMultiplierMin = 1;
inline constexpr double kMultiplierMax = 100;
inline constexpr DurationRange kTtl{base::Millis(0), std::chrono::days(3'650)};
inline constexpr IntRange kMessages{1, 1'000'000'000'000};
inline constexpr BytesRange kBytes{kKiB, kPiB};
inline constexpr BytesRange kMessageBytes{1, 16 * kMiB};
inline constexpr DurationRange kRetentionTime{std::chrono::seconds(1), std::chrono::days(3'650)};
inline constexpr IntRange kStartSequence{1, 1'000'000'000'000'000};
inline constexpr DurationRange kDeadRetention{base::Millis(0), std::chrono::days(3'650)};
inline constexpr IntRange kDeadMessages{0, 1'000'000'000};
inline constexpr IntRange kMinReplicas{0, 10'000};
inline constexpr IntRange kMaxReplicas{1, 10'000};
inline constexpr IntRange kBacklogPerReplica{1, 1'000'000'000};
inline constexpr DurationRange kScaleDuration{std::chrono::seconds(1), std::chrono::days(7)};
inline constexpr DurationRange kScaleDelay{base::Millis(0), std::chrono::days(7)};
inline constexpr IntRange kPercent{1, 100};
inline constexpr BytesRange kStorageSize{kGiB, kPiB};

inline constexpr DurationRange kIdleExpiry{std::chrono::seconds(1), std::chrono::days(3'650)};
inline constexpr IntRange kCreatedMax{1, 32};
inline constexpr std::size_t kSubscriptionsMax = 64;
inline constexpr std::size_t kAccessPeersMax = 64;
inline constexpr std::size_t kResourcesMax = 16;
inline constexpr std::size_t kLabelsMax = 64;
inline constexpr std::size_t kAnnotationBytesMax = 256 * kKiB;

}  // namespace sluice::api
