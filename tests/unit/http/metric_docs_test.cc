#include <gtest/gtest.h>

#include <fstream>
#include <iterator>
#include <set>
#include <sstream>
#include <string>

#include "frontend/http/metric.h"

namespace sluice::frontend::http {
namespace {

// As the row of a metric has to stand in docs/metrics.md.
std::string row_of(const MetricInfo& info) {
  std::string row = "| `" + std::string(info.name) + "` | " + std::string(to_string(info.type));
  row += " | " + std::string(info.labels);
  row += (info.labels.empty() ? "| " : " | ") + std::string(info.help) + " |";
  return row;
}

TEST(MetricDocs, TheTableIsTheCode) {
  std::ifstream in(SLUICE_TEST_SOURCE_DIR "/docs/metrics.md");
  const std::string text{std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
  std::set<std::string> documented;
  std::istringstream lines(text);
  // What stands behind this heading is the operator's.
  for (std::string line; std::getline(lines, line) && line != "## Operator";) {
    if (line.rfind("| `sluice_", 0) == 0) documented.insert(line);
  }
  std::set<std::string> names;
  for (const MetricData& metric : build_metrics(ProcessStats{})) {
    EXPECT_TRUE(names.insert(std::string(metric.info.name)).second)
        << "twice: " << metric.info.name;
    EXPECT_EQ(documented.erase(row_of(metric.info)), 1U) << "docs/metrics.md lacks this row:\n"
                                                         << row_of(metric.info);
  }
  for (const std::string& row : documented) {
    ADD_FAILURE() << "docs/metrics.md has a row that is not true:\n" << row;
  }
}

}  // namespace
}  // namespace sluice::frontend::http
