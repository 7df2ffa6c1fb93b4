#include <gtest/gtest.h>

#include <fstream>
#include <iterator>
#include <set>
#include <sstream>
#include <string>

#include "frontend/http/prometheus_text.h"
#include "operator/app/operator_stats.h"
#include "operator/app/status_budget.h"

namespace sluice::op {
namespace {

using frontend::http::MetricData;
using frontend::http::MetricInfo;

// As the row of a metric has to stand in docs/metrics.md.
std::string row_of(const MetricInfo& info) {
  std::string row = "| `" + std::string(info.name) + "` | " + std::string(to_string(info.type));
  row += " | " + std::string(info.labels);
  row += (info.labels.empty() ? "| " : " | ") + std::string(info.help) + " |";
  return row;
}

TEST(OperatorMetricsTest, the_table_is_the_code) {
  std::ifstream in(SLUICE_TEST_SOURCE_DIR "/docs/metrics.md");
  const std::string text{std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
  std::istringstream lines(text.substr(text.find("\n## Operator\n") + 13));
  std::set<std::string> documented;
  for (std::string line; std::getline(lines, line) && line.rfind("## ", 0) != 0;) {
    if (line.rfind("| `", 0) == 0) documented.insert(line);
  }
  for (const MetricData& metric : operator_metrics({})) {
    EXPECT_EQ(documented.erase(row_of(metric.info)), 1U) << "docs/metrics.md lacks this row:\n"
                                                         << row_of(metric.info);
  }
  for (const std::string& row : documented) {
    ADD_FAILURE() << "docs/metrics.md has a row that is not true:\n" << row;
  }
}

TEST(OperatorMetricsTest, the_page_has_what_was_counted) {
  OperatorCounters counters;
  counters.reconciled(ReconcileResult::kError, std::chrono::milliseconds(5));
  counters.reconciled(ReconcileResult::kSuccess, std::chrono::milliseconds(5));
  counters.request("PATCH", 409, base::Millis(3));
  counters.request("GET", 0);
  counters.scaled("shop", "orders", "default", "BacklogPerReplica");
  OperatorStats stats;
  counters.fill(stats);
  stats.api_host = "api:443";
  ScalingSeries series{"shop", "orders", "default", 3, 5, 0, 10, "Max", "", 0.5};
  stats.scaling.push_back(series);
  const std::string page = frontend::http::to_prometheus_text(operator_metrics(stats));
  for (const char* line :
       {"controller_runtime_reconcile_total{controller=\"queue\",result=\"error\"} 1",
        "controller_runtime_reconcile_total{controller=\"queue\",result=\"requeue\"} 0",
        "controller_runtime_reconcile_errors_total{controller=\"queue\"} 1",
        "rest_client_requests_total{code=\"409\",method=\"PATCH\",host=\"api:443\"} 1",
        "rest_client_requests_total{code=\"<error>\",method=\"GET\",host=\"api:443\"} 1",
        "sluice_operator_queues{state=\"Stalled\"} 0",
        "sluice_operator_consumers_desired{namespace=\"shop\",queue=\"orders\","
        "subscription=\"default\"} 5",
        "sluice_operator_consumers_limited{namespace=\"shop\",queue=\"orders\","
        "subscription=\"default\",limited_by=\"Max\"} 1",
        "leader_election_master_status{name=\"\"} 0"}) {
    EXPECT_NE(page.find(line), std::string::npos) << line << "\n" << page;
  }
  EXPECT_EQ(page.find("consumers_held{"), std::string::npos);
}

TEST(StatusBudgetTest, numbers_wait_and_conditions_do_not) {
  StatusBudget budget;
  base::MonoTime now{1'000'000'000};
  int taken = 0;
  for (int i = 0; i < 200; ++i) taken += budget.take(false, now) ? 1 : 0;
  EXPECT_EQ(taken, 50);
  for (int i = 0; i < 200; ++i) EXPECT_TRUE(budget.take(true, now));
  // However many there were, numbers are written again soon.
  now = now + base::Nanos(std::chrono::milliseconds(1'100));
  EXPECT_TRUE(budget.take(false, now));
}

}  // namespace
}  // namespace sluice::op
