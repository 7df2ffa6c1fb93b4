#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <functional>
#include <string>
#include <vector>

#include "cli/format.h"
#include "cli/scaling/decision_report.h"
#include "operator/autoscale/numbers.h"

namespace sluice::cli::scaling {
namespace {

constexpr double kWidth = 960;
constexpr double kLeft = 80;
constexpr double kRight = 20;
constexpr double kPanelHeight = 180;
constexpr double kFirstPanel = 50;
constexpr double kSecondPanel = 280;
constexpr double kHeight = 520;
// More points than pixels make a large file and the same picture.
constexpr std::size_t kBucketsMax = 1'000;

std::string number(double value) {
  std::array<char, 32> text{};
  std::snprintf(text.data(), text.size(), "%.1f", value);
  return text.data();
}

std::string escaped(const std::string& text) {
  std::string out;
  for (const char c : text) {
    if (c == '<') {
      out += "&lt;";
    } else if (c == '&') {
      out += "&amp;";
    } else if (static_cast<unsigned char>(c) >= 0x20) {
      out += c;
    }
  }
  return out;
}

std::string label(double x, double y, const std::string& anchor, const std::string& text) {
  return "<text x=\"" + number(x) + "\" y=\"" + number(y) + "\" text-anchor=\"" + anchor + "\">" +
         escaped(text) + "</text>\n";
}

// 1, 2 or 5 times a power of ten, and no less than `least`.
double round_step(double least) {
  const double power = std::pow(10, std::floor(std::log10(std::max(least, 1.0))));
  for (const double factor : {1.0, 2.0, 5.0}) {
    if (power * factor >= least) return power * factor;
  }
  return power * 10;
}

// One value over time, drawn as steps: it holds until the next point.
class Panel {
 public:
  Panel(const std::vector<SimulationPoint>& points, double top, const std::string& title)
      : points_(points), top_(top), title_(title) {
    end_ = std::max<double>(static_cast<double>(points.back().time.count()), 1);
  }

  using Value = std::function<double(const SimulationPoint&)>;

  void add(const Value& value, const std::string& colour, const std::string& name) {
    for (const SimulationPoint& point : points_) max_ = std::max(max_, value(point));
    series_.push_back({value, colour, name});
  }

  std::string render() const {
    const double step = round_step(max_ / 4);
    const double scale_max = std::max(step * std::ceil(max_ / step), step);
    std::string out = label(kLeft, top_ - 10, "start", title_);
    for (double at = 0; at <= scale_max; at += step) {
      const double y = y_of(at, scale_max);
      out += "<line x1=\"" + number(kLeft) + "\" x2=\"" + number(kWidth - kRight) + "\" y1=\"" +
             number(y) + "\" y2=\"" + number(y) + "\" stroke=\"#ddd\"/>\n";
      out += label(kLeft - 8, y + 4, "end", format_count(static_cast<std::uint64_t>(at)));
    }
    for (int i = 0; i <= 6; ++i) {
      const double time = end_ * i / 6;
      out += label(x_of(time), top_ + kPanelHeight + 18, "middle",
                   autoscale::rounded_text(base::Millis(static_cast<std::int64_t>(time))));
    }
    double legend = kWidth - kRight;
    for (const Series& series : series_) {
      out += "<polyline fill=\"none\" stroke-width=\"1.5\" stroke=\"" + series.colour +
             "\" points=\"" + line_of(series.value, scale_max) + "\"/>\n";
      out += "<text x=\"" + number(legend) + "\" y=\"" + number(top_ - 10) +
             "\" text-anchor=\"end\" fill=\"" + series.colour + "\">" + escaped(series.name) +
             "</text>\n";
      legend -= 110;
    }
    return out;
  }

 private:
  struct Series {
    Value value;
    std::string colour;
    std::string name;
  };

  double x_of(double time) const { return kLeft + (kWidth - kLeft - kRight) * time / end_; }
  double y_of(double value, double scale_max) const {
    return top_ + kPanelHeight * (1 - value / scale_max);
  }

  // The largest value of each bucket of points.
  std::string line_of(const Value& value, double scale_max) const {
    const std::size_t bucket = points_.size() / kBucketsMax + 1;
    std::string out;
    double before = 0;
    for (std::size_t i = 0; i < points_.size(); i += bucket) {
      double largest = value(points_[i]);
      for (std::size_t k = i; k < std::min(i + bucket, points_.size()); ++k) {
        largest = std::max(largest, value(points_[k]));
      }
      const std::string x = number(x_of(static_cast<double>(points_[i].time.count())));
      if (i > 0) out += x + "," + number(y_of(before, scale_max)) + " ";
      out += x + "," + number(y_of(largest, scale_max)) + " ";
      before = largest;
    }
    out += number(x_of(end_)) + "," + number(y_of(before, scale_max));
    return out;
  }

  const std::vector<SimulationPoint>& points_;
  double top_;
  std::string title_;
  double end_ = 1;
  double max_ = 0;
  std::vector<Series> series_;
};

}  // namespace

std::string decision_plot(const SimulationResult& result, const std::string& title) {
  Panel work(result.points, kFirstPanel, "messages");
  work.add([](const SimulationPoint& p) { return static_cast<double>(p.backlog.work()); },
           "#1f77b4", "work");
  work.add([](const SimulationPoint& p) { return static_cast<double>(p.backlog.in_flight); },
           "#7f7f7f", "in flight");
  Panel replicas(result.points, kSecondPanel, "replicas");
  replicas.add([](const SimulationPoint& p) { return static_cast<double>(p.decision.replicas); },
               "#d62728", "decided");
  replicas.add([](const SimulationPoint& p) { return static_cast<double>(p.ready); }, "#2ca02c",
               "ready");
  return "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"" + number(kWidth) + "\" height=\"" +
         number(kHeight) + "\" viewBox=\"0 0 " + number(kWidth) + " " + number(kHeight) +
         "\" font-family=\"sans-serif\" font-size=\"12\">\n"
         "<rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n" +
         label(kLeft, 22, "start", title) + work.render() + replicas.render() + "</svg>\n";
}

}  // namespace sluice::cli::scaling
