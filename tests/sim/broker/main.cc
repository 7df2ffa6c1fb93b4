#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <iostream>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/log.h"
#include "base/prng.h"
#include "tests/sim/broker/bugs.h"
#include "tests/sim/broker/sim_options.h"
#include "tests/sim/broker/workloads.h"
#include "tests/sim/broker/world.h"

// The section of the COVER marks, by the linker's names; null where there is none.
extern "C" {
extern const sluice::base::CoverMark __start_sluice_cover[] __attribute__((weak));
extern const sluice::base::CoverMark __stop_sluice_cover[] __attribute__((weak));
}

namespace sluice::sim {
namespace {

constexpr const char* kHelp =
    R"(broker_sim: the broker on a simulated clock, disk and network, from a seed.

  --seed N|HEX     the first seed (default: drawn); a commit's 40 digits are one too
  --seeds N        how many, one after the other (default 1)
  --workload NAME  or `all` (default): each seed has one, in turn
  --faults LIST    all (default), none, or names with commas between
  --bug NAME       plants a bug that is to be found
  --check-determinism  runs each seed twice and compares
  --expect-failure exits with 0 when a seed fails, 1 when none does
  --cover          names the COVER marks that were never passed
  --verbose        a line a seed
  --log            the broker's own log, on standard error
  --list           workloads, faults and bugs
Exit: 0 passed, 127 crash or CHECK, 128 liveness, 129 correctness, 130 two runs of a seed differ.
)";

struct Arguments {
  std::uint64_t seed = 0;
  std::uint64_t seeds = 1;
  std::string workload = "all";
  std::string faults = "all";
  std::string bug;
  bool determinism = false;
  bool expect_failure = false;
  bool cover = false;
  bool verbose = false;
  bool log = false;
};

// Of the seed that runs, for whoever dies in it.
std::string running;
bool failure_expected = false;

void tell(const std::string& text) { std::cout << text << std::flush; }

extern "C" void on_fatal_signal(int number) {
  const char* const name = number == SIGABRT ? "CHECK or abort" : "a fatal signal";
  std::fprintf(stdout, "FAILED: %s\n%s", name, running.c_str());
  std::fflush(stdout);
  _exit(failure_expected ? 0 : static_cast<int>(Verdict::kCrash));
}

std::set<Fault> faults_of(const std::string& list) {
  std::set<Fault> faults;
  if (list == "all") return {all_faults().begin(), all_faults().end()};
  if (list == "none") return faults;
  for (std::size_t at = 0; at <= list.size();) {
    const std::size_t end = std::min(list.find(',', at), list.size());
    const auto fault = fault_from(list.substr(at, end - at));
    if (!fault) {
      std::cerr << "no such fault: " << list.substr(at, end - at) << " (see --list)\n";
      std::exit(2);
    }
    faults.insert(*fault);
    at = end + 1;
  }
  return faults;
}

std::uint64_t parse_seed(const std::string& text) {
  // More digits than a number has are those of a commit.
  if (text.size() > 20) return std::strtoull(text.substr(0, 15).c_str(), nullptr, 16);
  return std::strtoull(text.c_str(), nullptr, 0);
}

void list() {
  std::cout << "workloads:\n";
  for (const Workload& workload : workloads()) {
    std::cout << "  " << workload.name << ": " << workload.what << '\n';
  }
  std::cout << "faults:\n";
  for (const Fault fault : all_faults()) std::cout << "  " << to_string(fault) << '\n';
  std::cout << "bugs:\n";
  for (const Bug& bug : bugs()) std::cout << "  " << bug.name << ": " << bug.what << '\n';
}

Arguments parse(int argc, char** argv) {
  Arguments arguments;
  std::vector<std::string> words;
  for (int i = 1; i < argc; ++i) {
    const std::string word = argv[i];
    const std::size_t equals = word.starts_with("--") ? word.find('=') : std::string::npos;
    words.push_back(word.substr(0, equals));
    if (equals != std::string::npos) words.push_back(word.substr(equals + 1));
  }
  std::optional<std::uint64_t> seed;
  for (std::size_t i = 0; i < words.size(); ++i) {
    const std::string& word = words[i];
    const auto value = [&]() -> const std::string& {
      if (++i < words.size()) return words[i];
      std::cerr << word << " wants a value\n";
      std::exit(2);
    };
    if (word == "--seed") {
      seed = parse_seed(value());
    } else if (word == "--seeds") {
      arguments.seeds = std::strtoull(value().c_str(), nullptr, 10);
    } else if (word == "--workload") {
      arguments.workload = value();
    } else if (word == "--faults") {
      arguments.faults = value();
    } else if (word == "--bug") {
      arguments.bug = value();
    } else if (word == "--check-determinism") {
      arguments.determinism = true;
    } else if (word == "--expect-failure") {
      arguments.expect_failure = failure_expected = true;
    } else if (word == "--cover") {
      arguments.cover = true;
    } else if (word == "--verbose") {
      arguments.verbose = true;
    } else if (word == "--log") {
      arguments.log = true;
    } else if (word == "--list") {
      list();
      std::exit(0);
    } else if (word == "--help") {
      std::cout << kHelp;
      std::exit(0);
    } else {
      std::cerr << "unknown option " << word << "; --help\n";
      std::exit(2);
    }
  }
  arguments.seed = seed ? *seed : base::Prng(static_cast<std::uint64_t>(getpid())).next() >> 16;
  return arguments;
}

struct Run {
  Verdict verdict = Verdict::kPass;
  std::uint64_t hash = 0;
};

Run run_seed(const Arguments& arguments, std::uint64_t seed, const Workload& workload) {
  SimOptions options =
      draw_options(seed, std::string(workload.name), faults_of(arguments.faults), workload.forced);
  options.bug = arguments.bug;
  running = describe(options) + "seed " + std::to_string(seed) + "\nreplay: broker_sim --seed " +
            std::to_string(seed) + " --workload " + options.workload + " --faults " +
            arguments.faults + (options.bug.empty() ? "" : " --bug " + options.bug) + "\n";
  World world(options);
  base::Prng prng(seed, "workload");
  workload.set_up(world, prng);
  const Run run{world.run(), world.hash()};
  if (run.verdict != Verdict::kPass) {
    std::string text = "FAILED: ";
    text += run.verdict == Verdict::kLiveness ? "liveness: it does not drain" : "correctness";
    text += '\n';
    for (const std::string& complaint : world.complaints()) text += "  " + complaint + '\n';
    tell(text + world.summary() + '\n' + running);
  } else if (arguments.verbose) {
    tell("seed " + std::to_string(seed) + ' ' + options.workload + ": " + world.summary() + '\n');
  }
  return run;
}

void tell_cover() {
  std::set<std::string> all;
  for (const base::CoverMark* mark = __start_sluice_cover; mark != __stop_sluice_cover; ++mark) {
    all.insert(mark->name);
  }
  const auto& covered = World::covered();
  for (const std::string& name : all) {
    const auto found = covered.find(name);
    std::cout << "cover: " << (found == covered.end() ? 0 : found->second) << ' ' << name << '\n';
  }
}

int run_all(const Arguments& arguments) {
  std::uint64_t passed = 0;
  for (std::uint64_t i = 0; i < arguments.seeds; ++i) {
    const std::uint64_t seed = arguments.seed + i;
    const Workload* workload = find_workload(arguments.workload);
    if (arguments.workload == "all") workload = &workloads()[seed % workloads().size()];
    if (workload == nullptr) {
      std::cerr << "no such workload: " << arguments.workload << " (see --list)\n";
      return 2;
    }
    const Run run = run_seed(arguments, seed, *workload);
    if (run.verdict != Verdict::kPass) {
      if (!arguments.expect_failure) return static_cast<int>(run.verdict);
      tell("found after " + std::to_string(i + 1) + " seeds\n");
      return 0;
    }
    if (arguments.determinism && run_seed(arguments, seed, *workload).hash != run.hash) {
      tell("FAILED: two runs differ\n" + running);
      return static_cast<int>(Verdict::kNonDeterminism);
    }
    ++passed;
  }
  tell(std::to_string(passed) + " seeds passed, from " + std::to_string(arguments.seed) + '\n');
  if (arguments.cover) tell_cover();
  return arguments.expect_failure ? 1 : 0;
}

}  // namespace
}  // namespace sluice::sim

int main(int argc, char** argv) {
  namespace base = sluice::base;
  namespace sim = sluice::sim;
  const sim::Arguments arguments = sim::parse(argc, argv);
  base::LogOptions log;
  log.level = arguments.log ? base::LogLevel::kDebug : base::LogLevel::kError;
  log.format = base::LogFormat::kHuman;
  if (!arguments.log) log.sink = [](std::string_view) {};
  base::process_logger().configure(std::move(log));
  for (const int number : {SIGABRT, SIGSEGV, SIGFPE, SIGILL, SIGBUS}) {
    std::signal(number, sim::on_fatal_signal);
  }
  return sim::run_all(arguments);
}
