#pragma once

#include <cstddef>
#include <cstdint>

#include "base/message.h"
#include "storage/log.h"

// The constants of docs/log-format.md. A change here is a change of the format: its rules stand
// under "Versions" there.
namespace sluice::storage {

inline constexpr std::uint32_t kFormatVersion = 1;
// The highest feature level that this version reads, and that of new logs.
inline constexpr std::uint32_t kFeatureLevelSupported = 2;
inline constexpr std::uint32_t kFeatureLevelFirst = 1;

inline constexpr std::size_t kBlockBytes = 4096;
inline constexpr std::size_t kRecordAlignment = 8;

// A segment begins with one block that holds its header twice.
inline constexpr std::size_t kSegmentHeaderBytes = 128;
inline constexpr std::size_t kSegmentHeaderCopyOffset = 2048;
inline constexpr std::size_t kSegmentDataOffset = kBlockBytes;

inline constexpr std::uint8_t kRecordMagic = 0xD5;
inline constexpr std::size_t kRecordHeaderBytes = 32;
inline constexpr std::size_t kBlockEntryBytes = 8;
inline constexpr std::size_t kRecordHeadBytesMax = 65'535;
inline constexpr std::size_t kBlocksMax = kRecordBytesMax / kBlockBytes;
// Header, table and payload; kRecordBytesMax of payload is a multiple of the alignment.
inline constexpr std::size_t kRecordTotalBytesMax =
    kRecordHeaderBytes + kBlocksMax * kBlockEntryBytes + kRecordBytesMax;

// Extents are numbered from here on, segments below.
inline constexpr std::uint64_t kExtentNumberFirst = 1ULL << 31;
constexpr bool is_extent(std::uint64_t number) { return number >= kExtentNumberFirst; }
// Logs of a lower level have none.
inline constexpr std::uint32_t kExtentFeatureLevel = 2;

// Head of a kMessages record; the entries follow.
inline constexpr std::size_t kMessagesHeadBytes = 80;
// The same with kMessagesLarge: one message, whose entry lies in pieces.
inline constexpr std::size_t kLargeHeadBytes = 96;
inline constexpr std::size_t kChunkHeadBytes = 42;
// Every piece of a large entry but the last one: whole blocks.
inline constexpr std::size_t kLargePieceBytes = 63 * kBlockBytes;

inline constexpr std::size_t kSnapshotHeaderBytes = 128;
inline constexpr std::size_t kSnapshotSectionBytes = 32;
inline constexpr std::uint32_t kSnapshotSectionsMax = 64;

inline constexpr std::size_t kErrorTextBytesMax = 4096;
inline constexpr std::size_t kTextBytesMax = 1024;

static_assert(base::kBatchEntriesBytesMax + kMessagesHeadBytes <= kRecordBytesMax,
              "a full batch must fit one record");
static_assert(kLargePieceBytes + kLargeHeadBytes <= kRecordBytesMax);
static_assert(kRecordBytesMax % kBlockBytes == 0);
static_assert(kRecordTotalBytesMax == 262'688, "docs/log-format.md, Limits");

}  // namespace sluice::storage
