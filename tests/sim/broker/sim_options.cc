#include "tests/sim/broker/sim_options.h"

#include <algorithm>
#include <array>
#include <type_traits>
#include <utility>

#include "base/prng.h"

namespace sluice::sim {
namespace {

constexpr std::array<std::pair<Fault, std::string_view>, 17> kNames{{
    {Fault::kCrash, "crash"},
    {Fault::kPower, "power"},
    {Fault::kDiskError, "disk_error"},
    {Fault::kDiskFull, "disk_full"},
    {Fault::kDiskSlow, "disk_slow"},
    {Fault::kBitFlip, "bit_flip"},
    {Fault::kRot, "rot"},
    {Fault::kCut, "cut"},
    {Fault::kClog, "clog"},
    {Fault::kClientKill, "client_kill"},
    {Fault::kClientPause, "client_pause"},
    {Fault::kBrokerPause, "broker_pause"},
    {Fault::kHostile, "hostile"},
    {Fault::kWallStep, "wall_step"},
    {Fault::kRepeat, "repeat"},
    {Fault::kRestart, "restart"},
    {Fault::kConfigure, "configure"},
}};

template <typename T>
T one_of(base::Prng& prng, std::initializer_list<T> values) {
  return values.begin()[prng.below(values.size())];
}

}  // namespace

std::string_view to_string(Fault fault) {
  for (const auto& [value, name] : kNames) {
    if (value == fault) return name;
  }
  return "?";
}

std::optional<Fault> fault_from(std::string_view name) {
  for (const auto& [value, known] : kNames) {
    if (known == name) return value;
  }
  return std::nullopt;
}

const std::vector<Fault>& all_faults() {
  static const std::vector<Fault> faults = [] {
    std::vector<Fault> list;
    for (const auto& [value, name] : kNames) list.push_back(value);
    return list;
  }();
  return faults;
}

void draw_knobs(base::Prng& prng, BrokerSettings& settings) {
  storage::LogOptions& log = settings.log;
  log.segment_bytes = one_of<std::uint64_t>(prng, {128, 192, 256, 512}) << 10;
  log.pool_files_max = static_cast<std::uint32_t>(prng.below(4));
  log.reserve_segments_max = static_cast<std::uint32_t>(prng.below(4));
  log.snapshot_every_segments = static_cast<std::uint32_t>(1 + prng.below(4));
  log.snapshot_every_changes = one_of<std::uint64_t>(prng, {20, 200, 1'200'000});
  log.tail_bytes_max = one_of<std::uint64_t>(prng, {64, 256, 4096}) << 10;
  log.open_files_max = static_cast<std::uint32_t>(4 + prng.below(60));
  log.side_cache_bytes = one_of<std::uint64_t>(prng, {1024, 12'288}) << 10;
  log.low_space_bytes_max = 1U << 20;
  broker::BrokerOptions& broker = settings.broker;
  broker.sequence_jump = one_of<std::uint32_t>(prng, {1U << 10, 1U << 20});
  broker.publisher_window_messages = one_of<std::uint64_t>(prng, {20, 1'000, 262'144});
  broker.publisher_window_bytes = one_of<std::uint64_t>(prng, {64 << 10, 8 << 20});
  broker.delivery_bytes_max = one_of<std::uint32_t>(prng, {8 << 10, 64 << 10, 256 << 10});
  broker.delivery_runs_max = one_of<std::uint32_t>(prng, {4, 64, 2'048});
}

SimOptions draw_options(std::uint64_t seed, std::string workload, const std::set<Fault>& allowed,
                        const std::vector<Fault>& forced) {
  SimOptions options;
  options.seed = seed;
  options.workload = std::move(workload);
  base::Prng prng(seed, "options");
  for (const Fault fault : all_faults()) {
    const bool is_forced = std::find(forced.begin(), forced.end(), fault) != forced.end();
    const bool drawn = prng.chance(0.45) || is_forced;
    const double rate = (is_forced ? 3 : 0.5) + 8 * prng.unit() * prng.unit();
    if (drawn && allowed.contains(fault)) options.faults_per_minute[fault] = rate;
  }
  draw_knobs(prng, options.broker);
  options.broker.session_ttl = base::Millis(one_of<std::int64_t>(prng, {3'000, 10'000}));
  options.network.delay_max_ns = one_of<std::int64_t>(prng, {100'000, 2'000'000, 50'000'000});
  options.network.frames_max = one_of<std::size_t>(prng, {200, 1'000});
  if (options.has(Fault::kRepeat)) options.network.repeat_publish = 0.05 * prng.unit();
  options.disk.max_ns = one_of<std::int64_t>(prng, {100'000, 3'000'000, 40'000'000});
  options.safety_ms = static_cast<std::int64_t>(10'000 + prng.below(50'000));
  // What waits for a time of the wall clock waits longer when the clock was put back.
  if (options.has(Fault::kWallStep)) options.liveness_ms = 12LL * 3'600'000;
  options.clients_scale = 1 + prng.below(3);
  options.watched = prng.chance(0.4);
  options.told = prng.chance(0.5) && options.watched;
  options.guarded = prng.chance(0.3);
  return options;
}

std::vector<std::string> describe(const SimOptions& options) {
  std::vector<std::string> lines;
  const auto line = [&](std::string_view name, const auto& value) {
    std::string text = std::string(name) + " ";
    if constexpr (std::is_arithmetic_v<std::decay_t<decltype(value)>>) {
      text += std::to_string(value);
    } else {
      text += value;
    }
    lines.push_back(std::move(text));
  };
  line("workload", options.workload);
  if (!options.bug.empty()) line("bug", options.bug);
  for (const auto& [fault, rate] : options.faults_per_minute) {
    line("fault " + std::string(to_string(fault)) + " a minute:", rate);
  }
  const storage::LogOptions& log = options.broker.log;
  line("segment_bytes", log.segment_bytes);
  line("pool_files_max", log.pool_files_max);
  line("reserve_segments_max", log.reserve_segments_max);
  line("snapshot_every_segments", log.snapshot_every_segments);
  line("snapshot_every_changes", log.snapshot_every_changes);
  line("tail_bytes_max", log.tail_bytes_max);
  const broker::BrokerOptions& broker = options.broker.broker;
  line("sequence_jump", broker.sequence_jump);
  line("publisher_window_messages", broker.publisher_window_messages);
  line("delivery_bytes_max", broker.delivery_bytes_max);
  line("delivery_runs_max", broker.delivery_runs_max);
  line("session_ttl_ms", options.broker.session_ttl.count());
  line("network delay_max_ns", options.network.delay_max_ns);
  line("network frames_max", options.network.frames_max);
  line("disk max_ns", options.disk.max_ns);
  line("safety_ms", options.safety_ms);
  line("clients_scale", options.clients_scale);
  line("watched", static_cast<int>(options.watched));
  line("told", static_cast<int>(options.told));
  line("guarded", static_cast<int>(options.guarded));
  return lines;
}

}  // namespace sluice::sim
