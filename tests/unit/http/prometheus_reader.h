#pragma once

#include <map>
#include <string>
#include <vector>

namespace sluice::test {

// Prometheus' text format, read strictly: what it does not understand is in `errors`.
struct PrometheusPage {
  std::map<std::string, std::string> help;
  std::map<std::string, std::string> type;
  std::map<std::string, double> samples;  // by "name{label=\"value\",...}", as written
  std::vector<std::string> errors;

  // NaN where there is none.
  double value(const std::string& series) const;
};

PrometheusPage read_prometheus(const std::string& text);

}  // namespace sluice::test
