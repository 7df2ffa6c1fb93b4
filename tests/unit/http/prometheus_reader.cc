#include "tests/unit/http/prometheus_reader.h"

#include <cmath>
#include <cstdlib>
#include <limits>
#include <sstream>

namespace sluice::test {
namespace {

// The family of a sample: a histogram's samples have suffixes.
std::string family_of(const std::string& name, const PrometheusPage& page) {
  if (page.type.count(name) == 1) return name;
  for (const char* suffix : {"_bucket", "_sum", "_count"}) {
    const std::string end = suffix;
    if (name.size() <= end.size() || name.compare(name.size() - end.size(), end.size(), end) != 0) {
      continue;
    }
    const std::string family = name.substr(0, name.size() - end.size());
    const auto found = page.type.find(family);
    if (found != page.type.end() && found->second == "histogram") return family;
  }
  return "";
}

void read_comment(const std::string& line, PrometheusPage& page) {
  std::istringstream words(line);
  std::string hash;
  std::string kind;
  std::string name;
  words >> hash >> kind >> name;
  std::string rest;
  std::getline(words >> std::ws, rest);
  auto& target = kind == "HELP" ? page.help : page.type;
  if ((kind != "HELP" && kind != "TYPE") || rest.empty() || !target.emplace(name, rest).second) {
    page.errors.push_back(line);
  }
}

void read_sample(const std::string& line, PrometheusPage& page) {
  const std::size_t space = line.rfind(' ');
  const std::string series = line.substr(0, space);
  const std::string number = space == std::string::npos ? "" : line.substr(space + 1);
  char* end = nullptr;
  const double value = std::strtod(number.c_str(), &end);
  const std::string name = series.substr(0, series.find('{'));
  const bool braces_match = (series.find('{') == std::string::npos) == (series.back() != '}');
  if (number.empty() || *end != '\0' || !braces_match || family_of(name, page).empty() ||
      !page.samples.emplace(series, value).second) {
    page.errors.push_back(line);
  }
}

}  // namespace

double PrometheusPage::value(const std::string& series) const {
  const auto found = samples.find(series);
  return found == samples.end() ? std::numeric_limits<double>::quiet_NaN() : found->second;
}

PrometheusPage read_prometheus(const std::string& text) {
  PrometheusPage page;
  std::istringstream lines(text);
  std::string line;
  while (std::getline(lines, line)) {
    if (line.empty()) continue;
    if (line[0] == '#') {
      read_comment(line, page);
    } else {
      read_sample(line, page);
    }
  }
  if (text.empty() || text.back() != '\n') page.errors.emplace_back("no end of line at the end");
  return page;
}

}  // namespace sluice::test
