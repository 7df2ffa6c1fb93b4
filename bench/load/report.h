#pragma once

#include <cstdint>
#include <string>

#include "bench/load/load.h"

namespace sluice::bench {

struct Report {
  std::string system;
  std::string setting;
  Load load;
  // Whether the producer's acknowledgement waits for the disk.
  bool fsync = true;
  // From the first message sent to the last one acknowledged to the producer.
  std::int64_t publish_ns = 0;
  // From the first message sent to the last settlement that the server has seen.
  std::int64_t end_to_end_ns = 0;
};

// One JSON object on one line, or a sentence for people.
void print(const Report& report, bool as_json);

}  // namespace sluice::bench
