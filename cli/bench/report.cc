#include "cli/bench/report.h"

#include <array>
#include <cmath>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "cli/format.h"
#include "cli/terminal.h"

namespace sluice::cli::bench {
namespace {

using Json = nlohmann::ordered_json;

double per_second(std::uint64_t count, double seconds) {
  return seconds > 0 ? static_cast<double>(count) / seconds : 0;
}

double tenths(double value) { return std::round(value * 10) / 10; }

double microseconds(const LatencyHistogram& latency, double fraction) {
  return static_cast<double>(latency.percentile(fraction).count()) / 1e3;
}

Json latency_json(const LatencyHistogram& latency) {
  return {{"p50", tenths(microseconds(latency, 0.5))},
          {"p99", tenths(microseconds(latency, 0.99))},
          {"p999", tenths(microseconds(latency, 0.999))}};
}

std::string latency_text(const LatencyHistogram& latency) {
  if (latency.count() == 0) return "not measured";
  return "p50 " + format_latency(microseconds(latency, 0.5)) + "   p99 " +
         format_latency(microseconds(latency, 0.99)) + "   p99.9 " +
         format_latency(microseconds(latency, 0.999));
}

std::string rate_line(std::uint64_t count, double seconds, std::uint32_t size_bytes) {
  const double rate = per_second(count, seconds);
  std::array<char, 64> text{};
  std::snprintf(text.data(), text.size(), "%s/s   %.1f MB/s", format_rate(rate).c_str(),
                rate * size_bytes / 1e6);
  return text.data();
}

}  // namespace

namespace {

Json to_json(const Options& options, const Report& report) {
  const double end_to_end = per_second(report.settled, report.end_to_end_seconds);
  Json json = {
      {"messages", options.messages},
      {"size_bytes", options.size_bytes},
      {"producers", options.producers},
      {"consumers", options.consumers},
      {"fsync", options.fsync},
      {"publish_per_second", tenths(per_second(report.stored, report.publish_seconds))},
      {"consume_per_second", tenths(per_second(report.settled, report.consume_seconds))},
      {"end_to_end_per_second", tenths(end_to_end)},
      {"megabytes_per_second", tenths(end_to_end * options.size_bytes / 1e6)},
      {"publish_ack_us", latency_json(report.publish_ack)},
      {"end_to_end_us", latency_json(report.end_to_end)},
      {"broker_rss_bytes", report.rss_bytes},
      {"broker_rss_idle_bytes", report.rss_idle_bytes},
      {"broker_rss_peak_bytes", report.rss_peak_bytes},
      {"broker_cpu_seconds", report.cpu_seconds},
      {"lost", report.lost},
      {"duplicated", report.duplicated},
      {"refused", report.refused},
  };
  if (options.waiting > 0) {
    json["waiting"] = options.waiting;
    json["broker_rss_waiting_bytes"] = report.rss_waiting_bytes;
  }
  if (options.rate > 0) json["rate"] = options.rate;
  if (options.drain) json["phase"] = "publish-then-consume";
  if (options.encryption != "none") json["encryption"] = options.encryption;
  return json;
}

// What is left of the speed in plain text.
double curve_share(const std::vector<Measured>& all) {
  const double plain = per_second(all[0].report.settled, all[0].report.end_to_end_seconds);
  const double curve = per_second(all[1].report.settled, all[1].report.end_to_end_seconds);
  return plain > 0 ? std::round(curve / plain * 1'000) / 1'000 : 0;
}

}  // namespace

std::string report_json(const Options& options, const Report& report) {
  return to_json(options, report).dump() + "\n";
}

std::string report_json(const std::vector<Measured>& all) {
  if (all.size() == 1) return report_json(all[0].options, all[0].report);
  const Json json = {{"plain", to_json(all[0].options, all[0].report)},
                     {"curve", to_json(all[1].options, all[1].report)},
                     {"curve_share", curve_share(all)}};
  return json.dump() + "\n";
}

std::string report_text(const std::vector<Measured>& all) {
  std::string text;
  for (const Measured& one : all) text += report_text(one.options, one.report);
  if (all.size() < 2) return text;
  std::array<char, 64> share{};
  std::snprintf(share.data(), share.size(), "%.0f %% of the messages a second in plain text\n",
                curve_share(all) * 100);
  return text + "Encrypted: " + share.data();
}

std::string report_text(const Options& options, const Report& report) {
  std::array<char, 32> cpu{};
  std::snprintf(cpu.data(), cpu.size(), "%.2f s CPU", report.cpu_seconds);
  std::string out = bold("Sluice") + "  " + format_count(options.messages) + " messages of " +
                    std::to_string(options.size_bytes) + " B, " +
                    std::to_string(options.producers) + " producer(s), " +
                    std::to_string(options.consumers) + " consumer(s), fsync " + options.fsync +
                    (options.encryption == "curve" ? ", encrypted\n" : "\n");
  const auto line = [&out](const char* name, const std::string& value) {
    std::string label = name;
    label.resize(26, ' ');
    out += "  " + label + value + "\n";
  };
  line("published", rate_line(report.stored, report.publish_seconds, options.size_bytes));
  if (options.drain) {
    line("consumed", rate_line(report.settled, report.consume_seconds, options.size_bytes));
  } else {
    line("end to end", rate_line(report.settled, report.end_to_end_seconds, options.size_bytes));
  }
  line("publish to acknowledgement", " " + latency_text(report.publish_ack));
  line("publish to consumer", latency_text(report.end_to_end));
  line("broker", std::string(cpu.data()) + "   RSS " + format_size(report.rss_bytes) + "   idle " +
                     format_size(report.rss_idle_bytes) + "   peak " +
                     format_size(report.rss_peak_bytes));
  if (options.waiting > 0) {
    line("waiting", format_count(options.waiting) + " messages   RSS with them " +
                        format_size(report.rss_waiting_bytes));
  }
  line("lost, doubled, refused", format_count(report.lost) + ", " +
                                     format_count(report.duplicated) + ", " +
                                     format_count(report.refused));
  return out;
}

}  // namespace sluice::cli::bench
