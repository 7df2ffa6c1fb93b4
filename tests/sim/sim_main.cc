#include "tests/sim/sim_main.h"

#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <optional>
#include <sstream>
#include <string_view>

#include "base/fnv1a.h"
#include "base/log.h"

namespace sluice::sim {
namespace {

struct Arguments {
  Request request;
  std::optional<std::uint64_t> seed;
  std::uint64_t seeds = 1;
  bool check_determinism = false;
  bool must_fail = false;
  bool must_crash = false;
  bool cover = false;
  bool must_cover = false;
  bool verbose = false;
  bool quiet = false;
};

// What a signal's handler prints: it may not allocate.
char replay_line[1024];
char drawn_lines[4096];
bool must_crash = false;

void on_crash(int signal) {
  const auto put = [](const char* text) {
    if (::write(STDERR_FILENO, text, std::strlen(text)) < 0) ::_exit(kExitCrash);
  };
  put(must_crash ? "\nfound: it crashed\n" : "\nFAILED (crash)\n\nDrawn:\n");
  put(must_crash ? "" : drawn_lines);
  put("Replay (of the same commit):\n  ");
  put(replay_line);
  put("\n");
  static_cast<void>(signal);
  ::_exit(must_crash ? kExitPass : kExitCrash);
}

void say(const std::string& text) {
  std::fputs(text.c_str(), stdout);
  std::fflush(stdout);
}

std::string joined(const std::vector<std::string>& parts) {
  std::string all;
  for (const std::string& part : parts) all += (all.empty() ? "" : ",") + part;
  return all;
}

std::string lines_of(const std::vector<std::string>& texts) {
  std::string lines;
  for (const std::string& text : texts) lines += "  " + text + "\n";
  return lines;
}

std::string replay_of(const Program& program, const Request& request) {
  std::string line = "build/release/tests/" + program.name;
  line += " --seed=" + std::to_string(request.seed);
  if (!request.workload.empty()) line += " --workload=" + request.workload;
  if (request.no_faults) line += " --faults=none";
  if (!request.faults.empty()) line += " --faults=" + joined(request.faults);
  if (!request.bug.empty()) line += " --bug=" + request.bug;
  if (!request.scenario.empty()) line += " --scenario=" + request.scenario_file;
  return line;
}

// A number, or (a commit's name) any other text.
std::uint64_t parse_seed(std::string_view text) {
  std::uint64_t seed = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), seed);
  if (error == std::errc() && end == text.data() + text.size()) return seed;
  return base::fnv1a(text);
}

std::vector<std::string> split(std::string_view text, char between) {
  std::vector<std::string> parts;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find(between), text.size());
    parts.emplace_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return parts;
}

bool is_found_by(const Choice& bug, const std::string& what) {
  const std::vector<std::string> words = split(bug.found_by, '|');
  return words.empty() || std::any_of(words.begin(), words.end(), [&](const std::string& one) {
           return what.find(one) != std::string::npos;
         });
}

bool has(const std::vector<Choice>& choices, const std::string& name) {
  return std::any_of(choices.begin(), choices.end(),
                     [&](const Choice& one) { return one.name == name; });
}

void list(const char* title, const std::vector<Choice>& choices) {
  std::printf("%s\n", title);
  for (const Choice& one : choices)
    std::printf("  %-28s %s\n", one.name.c_str(), one.about.c_str());
}

void usage(const Program& program) {
  std::printf(
      "Usage: %s [OPTION...]\n\n%s\n\n"
      "  --seed=N              one run; also any text, as a commit's name. Default: by the clock\n"
      "  --seeds=N             that many, from --seed on\n"
      "  --workload=NAME       instead of one that is drawn\n"
      "  --faults=A,B | none   only these kinds\n"
      "  --bug=NAME            with a bug that is planted\n"
      "%s"
      "  --check-determinism   each seed twice: both runs must be the same\n"
      "  --must-fail           passes where a run fails (128 or 129), as with a planted bug, and\n"
      "                        by the words by which that bug has to be found\n"
      "  --must-crash          passes where one crashes\n"
      "  --log                 everything that happens, on standard error\n"
      "  --verbose             a line a run\n"
      "  --quiet               only failures\n"
      "%s"
      "  --list                workloads, faults and bugs\n"
      "  --help\n\n"
      "Exit codes: 0 passed, 2 wrong arguments, 127 crashed, 128 did not come to rest,\n"
      "129 something wrong was done, 130 two runs of a seed differ.\n",
      program.name.c_str(), program.about.c_str(),
      program.check_scenario ? "  --scenario=FILE       what happens when is in the file\n" : "",
      program.tell_cover ? "  --cover               how often each COVER mark was passed\n"
                           "  --must-cover          passes where each was passed once\n"
                         : "");
}

bool read_scenario(const Program& program, const std::string& file, Request& request) {
  std::ifstream stream(file);
  if (!stream) {
    std::fprintf(stderr, "%s: %s cannot be read\n", program.name.c_str(), file.c_str());
    return false;
  }
  std::stringstream text;
  text << stream.rdbuf();
  request.scenario = text.str();
  request.scenario_file = file;
  const auto problem = program.check_scenario(request.scenario);
  if (problem)
    std::fprintf(stderr, "%s: %s: %s\n", program.name.c_str(), file.c_str(), problem->c_str());
  return !problem;
}

bool parse_one(const Program& program, std::string_view argument, Arguments& arguments) {
  const std::size_t equals = argument.find('=');
  const std::string name(argument.substr(0, equals));
  const std::string value(equals == std::string_view::npos ? "" : argument.substr(equals + 1));
  if (name == "--seed" && !value.empty()) {
    arguments.seed = parse_seed(value);
  } else if (name == "--seeds" && !value.empty()) {
    arguments.seeds = parse_seed(value);
  } else if (name == "--workload" && (value == "all" || has(program.workloads, value))) {
    arguments.request.workload = value == "all" ? "" : value;
  } else if (name == "--bug" && has(program.bugs, value)) {
    arguments.request.bug = value;
  } else if (name == "--faults" && value == "none") {
    arguments.request.no_faults = true;
  } else if (name == "--faults" && !value.empty()) {
    if (value == "all") return true;
    arguments.request.faults = split(value, ',');
    for (const std::string& fault : arguments.request.faults) {
      if (!has(program.faults, fault)) return false;
    }
  } else if (name == "--scenario" && !value.empty() && program.check_scenario) {
    return read_scenario(program, value, arguments.request);
  } else if (argument == "--check-determinism") {
    arguments.check_determinism = true;
  } else if (argument == "--must-fail") {
    arguments.must_fail = true;
  } else if (argument == "--must-crash") {
    arguments.must_crash = true;
  } else if (argument == "--cover" && program.tell_cover) {
    arguments.cover = true;
  } else if (argument == "--must-cover" && program.never_covered) {
    arguments.must_cover = true;
  } else if (argument == "--verbose") {
    arguments.verbose = true;
  } else if (argument == "--log") {
    arguments.request.log = true;
  } else if (argument == "--quiet") {
    arguments.quiet = true;
  } else {
    return false;
  }
  return true;
}

int report(const Program& program, const Request& request, const Outcome& outcome) {
  const bool liveness = outcome.verdict == Verdict::kLiveness;
  std::string text = "\nFAILED (" + std::string(liveness ? "liveness" : "correctness") + ") seed " +
                     std::to_string(request.seed) + "\n  " + outcome.what + "\n\nDrawn:\n" +
                     lines_of(outcome.drawn);
  if (!outcome.summary.empty()) text += "\nHappened:\n  " + outcome.summary + "\n";
  if (!outcome.events.empty()) text += "\nLast events:\n" + lines_of(outcome.events);
  text += "\nFAILED: " + outcome.what + "\nReplay (of the same commit):\n  " +
          replay_of(program, request) + " --log\n";
  say(text);
  return liveness ? kExitLiveness : kExitCorrectness;
}

// As it should: the bug is found. For another reason than its own it may be found by chance.
int report_found(const Program& program, const Request& request, const Outcome& outcome) {
  for (const Choice& bug : program.bugs) {
    if (bug.name != request.bug || is_found_by(bug, outcome.what)) continue;
    report(program, request, outcome);
    say("FAILED: a run has to find the bug by \"" + bug.found_by + "\"\n");
    return kExitNotFound;
  }
  say("found by seed " + std::to_string(request.seed) + ": " + outcome.what + "\n");
  return kExitPass;
}

int run_one(const Program& program, const Request& request, const Arguments& arguments,
            bool& found) {
  std::snprintf(replay_line, sizeof replay_line, "%s", replay_of(program, request).c_str());
  const Outcome outcome = program.run(request);
  found = outcome.verdict != Verdict::kPass;
  if (found && arguments.must_fail) return report_found(program, request, outcome);
  if (found) return report(program, request, outcome);
  if (arguments.verbose)
    say("seed " + std::to_string(request.seed) + ": " + outcome.summary + "\n");
  if (!arguments.check_determinism) return kExitPass;
  const Outcome again = program.run(request);
  if (again.verdict == outcome.verdict && again.hash == outcome.hash) return kExitPass;
  say("\nFAILED (determinism): two runs of one seed differ\n  " + replay_of(program, request) +
      " --check-determinism\n");
  return kExitNonDeterminism;
}

// Of the code that runs, not of the simulation.
void set_up_logging(bool wanted) {
  base::LogOptions log;
  log.format = base::LogFormat::kHuman;
  log.level = wanted ? base::LogLevel::kDebug : base::LogLevel::kError;
  if (!wanted) log.sink = [](std::string_view) {};
  base::process_logger().configure(std::move(log));
}

// Both "--seed=1" and "--seed 1" are written.
std::vector<std::string> words_of(int argc, char** argv) {
  std::vector<std::string> words;
  for (int i = 1; i < argc; ++i) {
    const bool is_value = !words.empty() && !std::string_view(argv[i]).starts_with("--");
    if (is_value && words.back().find('=') == std::string::npos) {
      words.back() += "=" + std::string(argv[i]);
    } else {
      words.emplace_back(argv[i]);
    }
  }
  return words;
}

}  // namespace

void note_drawn(const std::vector<std::string>& drawn) {
  std::snprintf(drawn_lines, sizeof drawn_lines, "%s", lines_of(drawn).c_str());
}

int sim_main(const Program& program, int argc, char** argv) {
  Arguments arguments;
  for (const std::string& argument : words_of(argc, argv)) {
    if (argument == "--help") return usage(program), kExitPass;
    if (argument == "--list") {
      list("Workloads:", program.workloads);
      list("Faults:", program.faults);
      list("Bugs:", program.bugs);
      return kExitPass;
    }
    if (!parse_one(program, argument, arguments)) {
      std::fprintf(stderr, "%s: what is '%s'? See --help and --list.\n", program.name.c_str(),
                   argument.c_str());
      return kExitUsage;
    }
  }
  set_up_logging(arguments.request.log);
  must_crash = arguments.must_crash;
  for (const int signal : {SIGABRT, SIGSEGV, SIGBUS, SIGFPE, SIGILL}) std::signal(signal, on_crash);
  const auto clock = [] { return std::chrono::steady_clock::now(); };
  const auto begin = clock();
  const std::uint64_t first =
      arguments.seed.value_or(static_cast<std::uint64_t>(begin.time_since_epoch().count()));
  if (!arguments.quiet) say(program.name + " seed " + std::to_string(first) + "\n");
  for (std::uint64_t i = 0; i < arguments.seeds; ++i) {
    Request request = arguments.request;
    request.seed = first + i;
    bool found = false;
    const int code = run_one(program, request, arguments, found);
    if (code != kExitPass || found) return code;
  }
  if (arguments.cover) program.tell_cover();
  if (arguments.must_cover) {
    const std::vector<std::string> never = program.never_covered();
    for (const std::string& name : never) say("FAILED: no run passed COVER(\"" + name + "\")\n");
    if (!never.empty()) return kExitNotFound;
  }
  if (arguments.must_fail || arguments.must_crash) {
    say("FAILED: no run failed, and one had to\n");
    return kExitNotFound;
  }
  const std::chrono::duration<double> taken = clock() - begin;
  char line[128];
  std::snprintf(line, sizeof line, "passed: %llu seeds in %.1f s\n",
                static_cast<unsigned long long>(arguments.seeds), taken.count());
  if (!arguments.quiet) say(line);
  return kExitPass;
}

}  // namespace sluice::sim
