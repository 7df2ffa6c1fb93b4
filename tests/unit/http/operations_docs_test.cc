#include <gtest/gtest.h>

#include <cstdint>
#include <fstream>
#include <iterator>
#include <regex>
#include <set>
#include <string>

#include "frontend/http/metric.h"
#include "wire/error_code.h"

namespace sluice::frontend::http {
namespace {

std::string operations_page() {
  std::ifstream in(SLUICE_TEST_SOURCE_DIR "/docs/operations.md");
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

TEST(OperationsDocs, EveryErrorSaysWhatToDo) {
  const std::string page = operations_page();
  for (std::uint16_t number = 1; number < wire::kCodesEnd; ++number) {
    const std::string name(wire::to_string(static_cast<wire::Code>(number)));
    EXPECT_NE(page.find("| `" + name + "` | "), std::string::npos)
        << "docs/operations.md, \"What each error means\", lacks " << name;
  }
}

TEST(OperationsDocs, EveryMetricSaysWhenToAct) {
  const std::string page = operations_page();
  std::set<std::string> told;
  const std::regex name("`(sluice_[a-z_]+)`");
  for (std::sregex_iterator it(page.begin(), page.end(), name), end; it != end; ++it) {
    told.insert((*it)[1]);
  }
  std::set<std::string> known;
  for (const MetricData& metric : build_metrics(ProcessStats{})) {
    known.emplace(metric.info.name);
    EXPECT_EQ(told.count(std::string(metric.info.name)), 1U)
        << "docs/operations.md, \"Every metric\", lacks " << metric.info.name;
  }
  for (const std::string& each : told) {
    EXPECT_EQ(known.count(each), 1U) << "docs/operations.md names a metric that is not: " << each;
  }
}

}  // namespace
}  // namespace sluice::frontend::http
