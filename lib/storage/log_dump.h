#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/ids.h"
#include "base/result.h"
#include "runtime/file_system.h"
#include "storage/record_type.h"

namespace sluice::storage {

struct DumpField {
  std::string name;
  std::string value;
  bool is_number = false;  // else text
};

// One record, or a range in which none verifies, as `sluice log dump` shows it.
struct DumpRecord {
  std::string file;
  base::Lsn lsn;
  base::Lsn end;
  bool valid = false;  // false: nothing here verifies; the rest is empty
  RecordType type = RecordType::kPadding;
  base::Lsn durable;
  std::uint64_t payload_bytes = 0;
  std::uint64_t bad_blocks = 0;
  std::vector<DumpField> fields;  // of the fact; empty where it cannot be decoded
};

struct DumpOptions {
  base::Lsn from;                    // records that begin before are left out
  bool padding_and_invalid = false;  // tell these too
};

// Calls `show` for every record in order. Changes nothing; safe beside a running broker.
base::Status dump_log(runtime::FileSystem& fs, const std::string& folder,
                      const DumpOptions& options,
                      const std::function<void(const DumpRecord&)>& show);

// The decoded fields of a payload; empty for a type that this version does not know or a payload
// that is malformed.
std::vector<DumpField> describe_payload(RecordType type, base::ByteView payload);

}  // namespace sluice::storage
