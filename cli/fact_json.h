#pragma once

#include <nlohmann/json_fwd.hpp>

#include "base/bytes.h"
#include "storage/record_type.h"

namespace sluice::cli {

// What a log record says, as an object for people and programs that look into a log. Bodies of
// messages are left out. "undecodable" stands in it where the bytes make no sense.
nlohmann::ordered_json fact_json(storage::RecordType type, base::ByteView payload);

}  // namespace sluice::cli
