#include "tests/sim/sim_main.h"

#include <gtest/gtest.h>

#include <vector>

namespace sluice::sim {
namespace {

// A program whose runs find what `what` says, from that seed on.
Program finds(const std::string& what, std::uint64_t from) {
  Program program;
  program.name = "test_sim";
  program.bugs = {{"off_by_one", "", "one too many|one too few"}, {"any", ""}};
  program.run = [what, from](const Request& request) {
    Outcome outcome;
    if (request.bug.empty() || request.seed < from) return outcome;
    outcome.verdict = Verdict::kCorrectness;
    outcome.what = what;
    return outcome;
  };
  return program;
}

int run(const Program& program, std::vector<std::string> words) {
  std::vector<char*> argv = {nullptr};
  for (std::string& word : words) argv.push_back(word.data());
  return sim_main(program, static_cast<int>(argv.size()), argv.data());
}

TEST(MustFail, APlantedBugIsFoundByItsWords) {
  for (const char* what : {"seven: one too many", "three: one too few"}) {
    EXPECT_EQ(run(finds(what, 3),
                  {"--bug=off_by_one", "--must-fail", "--seed=1", "--seeds=5", "--quiet"}),
              kExitPass);
  }
}

TEST(MustFail, WhatIsFoundForAnotherReasonIsNotFound) {
  const Program program = finds("no operator works", 3);
  const std::vector<std::string> rest = {"--must-fail", "--seed=1", "--seeds=5", "--quiet"};
  std::vector<std::string> words = {"--bug=off_by_one"};
  words.insert(words.end(), rest.begin(), rest.end());
  EXPECT_EQ(run(program, words), kExitNotFound);
  words.front() = "--bug=any";
  EXPECT_EQ(run(program, words), kExitPass);
}

TEST(MustFail, AndNothingDid) {
  EXPECT_EQ(run(finds("seven: one too many", 9),
                {"--bug=off_by_one", "--must-fail", "--seed=1", "--seeds=5", "--quiet"}),
            kExitNotFound);
}

}  // namespace
}  // namespace sluice::sim
