#include <gtest/gtest.h>

#include <cstdint>
#include <string>
#include <vector>

#include "base/prng.h"
#include "operator/api/manifest.h"
#include "tests/unit/api/manifest_files.h"

// Whatever is written into a manifest, it is taken or refused in words: no crash, no hang, no
// exception, and never a value outside its limits. The sanitizers of the dev preset watch.
namespace sluice::api {
namespace {

constexpr std::uint64_t kSeed = 20'260'301;
constexpr int kRounds = 6'000;

struct Corpus {
  std::vector<std::string> good;
  std::vector<std::string> bad;

  // Good ones as often as bad ones, though there are fewer: only they can stay good.
  const std::string& draw(base::Prng& prng) const {
    const std::vector<std::string>& from = prng.chance(0.5) ? good : bad;
    return from[prng.below(from.size())];
  }
};

Corpus corpus() {
  Corpus corpus;
  for (const char* folder : {"tests/manifests/good", "examples"}) {
    for (const auto& file : test::yaml_files(folder)) {
      corpus.good.push_back(test::read_text(file));
    }
  }
  for (const auto& file : test::yaml_files("tests/manifests/bad")) {
    corpus.bad.push_back(test::read_text(file));
  }
  return corpus;
}

std::size_t draw_position(base::Prng& prng, const std::string& text) {
  return static_cast<std::size_t>(prng.below(text.size() + 1));
}

// What confuses parsers of YAML.
const std::vector<std::string>& tokens() {
  static const std::vector<std::string> all = {"\n",
                                               "  ",
                                               "\t",
                                               ": ",
                                               "- ",
                                               "? ",
                                               "[",
                                               "]",
                                               "{",
                                               "}",
                                               ", ",
                                               "#",
                                               "&a ",
                                               "*a",
                                               "!!str ",
                                               "!<x> ",
                                               "|\n",
                                               ">-\n",
                                               "'",
                                               "\"",
                                               "\\",
                                               "\\u0000",
                                               "%YAML 1.2\n",
                                               "%TAG ! x\n",
                                               "---\n",
                                               "...\n",
                                               "~",
                                               "null",
                                               "yes",
                                               "0x",
                                               "-1",
                                               "1e999",
                                               ".nan",
                                               "99999999999999999999",
                                               "30s",
                                               "6Gi",
                                               "\xEF\xBB\xBF",
                                               "\xFF\xFE",
                                               "\xC3",
                                               std::string(1, '\0'),
                                               "\r",
                                               "\x85",
                                               "<<: ",
                                               "spec:",
                                               "name",
                                               "shards: 64",
                                               "@",
                                               "`"};
  return all;
}

std::string mutated(base::Prng& prng, const Corpus& texts) {
  std::string text = texts.draw(prng);
  const std::uint64_t steps = 1 + prng.below(6);
  for (std::uint64_t step = 0; step < steps; ++step) {
    const std::size_t at = draw_position(prng, text);
    const auto length = static_cast<std::size_t>(prng.below(12));
    switch (prng.below(6)) {
      case 0:
        if (at < text.size()) text[at] = static_cast<char>(prng.below(256));
        break;
      case 1:
        text.insert(at, tokens()[prng.below(tokens().size())]);
        break;
      case 2:
        text.erase(at, length);
        break;
      case 3:
        text.insert(draw_position(prng, text), text.substr(at, length * 4));
        break;
      case 4:
        text.resize(at);
        break;
      default: {
        const std::string& other = texts.draw(prng);
        text = text.substr(0, at) + other.substr(draw_position(prng, other));
      }
    }
  }
  return text;
}

void expect_within_limits(const Queue& queue, const std::string& text) {
  const QueueSpec& spec = queue.spec;
  ASSERT_FALSE(queue.metadata.name.empty()) << text;
  ASSERT_LE(queue.metadata.name.size(), 63U) << text;
  ASSERT_FALSE(spec.broker.name.empty()) << text;
  ASSERT_TRUE(spec.shards >= 1 && spec.shards <= 64) << text;
  ASSERT_TRUE(spec.limits.messages >= 1) << text;
  ASSERT_LE(spec.limits.message_bytes, spec.limits.bytes) << text;
  ASSERT_LE(spec.limits.message_bytes, 16ULL << 20) << text;
  ASSERT_GE(storage_bytes(spec), storage_bytes_needed(spec)) << text;
  ASSERT_FALSE(spec.subscriptions.empty()) << text;
  for (const Subscription& one : spec.subscriptions) {
    ASSERT_FALSE(one.name.empty()) << text;
    ASSERT_LE(one.delivery.lease_duration, one.delivery.max_lease) << text;
    ASSERT_LE(one.delivery.backoff.initial, one.delivery.backoff.max) << text;
    ASSERT_TRUE(one.delivery.backoff.jitter >= 0 && one.delivery.backoff.jitter <= 1) << text;
    ASSERT_GE(one.delivery.backoff.multiplier, 1) << text;
  }
}

TEST(ManifestMutation, EveryTextIsTakenOrRefusedInWords) {
  const Corpus texts = corpus();
  ASSERT_FALSE(texts.good.empty() || texts.bad.empty());
  base::Prng prng(kSeed, "manifest");
  int taken = 0;
  for (int round = 0; round < kRounds; ++round) {
    const std::string text = mutated(prng, texts);
    const Manifest manifest = parse_manifest(text);
    for (const Problem& problem : manifest.problems) {
      const std::string line = problem.to_string("f");
      ASSERT_FALSE(problem.text.empty()) << text;
      ASSERT_EQ(line.find('\n'), std::string::npos) << text;
      ASSERT_LT(line.size(), 4'096U) << text;
    }
    if (!manifest.ok()) continue;
    ++taken;
    for (const Queue& queue : manifest.queues) {
      expect_within_limits(queue, text);
      if (HasFatalFailure()) return;
    }
  }
  // Mutations that always break everything would test the first line of defence only.
  EXPECT_GT(taken, kRounds / 50);
  EXPECT_LT(taken, kRounds);
}

}  // namespace
}  // namespace sluice::api
