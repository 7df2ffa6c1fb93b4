#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

// The command line that all simulators share: seeds, replays, exit codes, the report of a failure.
namespace sluice::sim {

inline constexpr int kExitPass = 0;
// --must-fail or --must-crash, and nothing did, or for another reason than the planted bug.
inline constexpr int kExitNotFound = 1;
inline constexpr int kExitUsage = 2;
inline constexpr int kExitCrash = 127;  // a CHECK, or a signal
inline constexpr int kExitLiveness = 128;
inline constexpr int kExitCorrectness = 129;
inline constexpr int kExitNonDeterminism = 130;

enum class Verdict : std::uint8_t { kPass, kLiveness, kCorrectness };

// One run. Whoever runs it again gets the same.
struct Request {
  std::uint64_t seed = 0;
  std::string workload;             // empty = drawn
  std::vector<std::string> faults;  // of these kinds only; empty = drawn
  bool no_faults = false;
  std::string bug;            // planted; empty = none
  std::string scenario;       // what happens when, instead of what is drawn; empty = none
  std::string scenario_file;  // where it stands
  bool log = false;
};

struct Outcome {
  Verdict verdict = Verdict::kPass;
  std::string what;                 // of a failure: what was found
  std::string summary;              // what happened, in numbers; may be empty
  std::vector<std::string> drawn;   // the options of this run
  std::vector<std::string> events;  // the last ones
  std::uint64_t hash = 0;           // over everything that happened
};

struct Choice {
  std::string name;
  std::string about;
  // Of a bug: words of what a run says that finds it, and not something else; where it may lead to
  // several things, those of each, with '|' between. Empty = any.
  std::string found_by = {};
};

struct Program {
  std::string name;
  std::string about;
  std::vector<Choice> workloads;
  std::vector<Choice> faults;
  std::vector<Choice> bugs;
  std::function<Outcome(const Request&)> run;
  // Whether it takes scenarios; why a text is none, or nothing.
  std::function<std::optional<std::string>(const std::string& text)> check_scenario;
  // After the last run, for --cover: which COVER marks were passed. Empty = there are none.
  std::function<void()> tell_cover;
  // For --must-cover: those that were not. Empty = there are none.
  std::function<std::vector<std::string>()> never_covered;
};

// To be called by a run once its options are drawn: where it crashes, they are told all the same.
void note_drawn(const std::vector<std::string>& drawn);

// Runs what the arguments ask for; the exit code. The first failure ends it.
int sim_main(const Program& program, int argc, char** argv);

}  // namespace sluice::sim
