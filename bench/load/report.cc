#include "bench/load/report.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <nlohmann/json.hpp>

namespace sluice::bench {
namespace {

double per_second(std::uint64_t count, std::int64_t elapsed_ns) {
  return static_cast<double>(count) * 1e9 /
         static_cast<double>(std::max<std::int64_t>(elapsed_ns, 1));
}

}  // namespace

void print(const Report& report, bool as_json) {
  const Load& load = report.load;
  const double published = per_second(load.messages, report.publish_ns);
  const double settled = per_second(load.messages, report.end_to_end_ns);
  const double megabytes = settled * load.size_bytes / 1e6;
  if (as_json) {
    const nlohmann::ordered_json json = {
        {"system", report.system},
        {"setting", report.setting},
        {"messages", load.messages},
        {"size_bytes", load.size_bytes},
        {"fsync", report.fsync},
        {"publish_per_second", std::llround(published)},
        {"end_to_end_per_second", std::llround(settled)},
        {"megabytes_per_second", std::round(megabytes * 10) / 10},
    };
    std::printf("%s\n", json.dump().c_str());
    return;
  }
  std::printf("%s (%s): %.0f messages/s published, %.0f messages/s end to end, %.1f MB/s\n",
              report.system.c_str(), report.setting.c_str(), published, settled, megabytes);
}

}  // namespace sluice::bench
