#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "base/check.h"
#include "kube/cache.h"
#include "kube/line_splitter.h"
#include "kube/list_watch.h"
#include "tests/fuzz/fuzz_input.h"

namespace {

using sluice::base::MonoTime;
using sluice::fuzz::Input;
using sluice::kube::HttpResponse;
using sluice::kube::Json;
using sluice::kube::LineSplitter;
using sluice::kube::ListWatch;

constexpr std::size_t kLineBytesMax = 4096;
constexpr int kRoundsMax = 40;

// What an object of the collection can look like, and its trouble.
std::string object(Input& input) {
  const std::string name(1, static_cast<char>('a' + input.below(4)));
  return R"({"metadata":{"namespace":"n","name":")" + name + R"(","resourceVersion":")" +
         std::to_string(input.below(64)) + "\"}}";
}
std::string event(Input& input) {
  static const char* const kTypes[] = {"ADDED", "MODIFIED", "DELETED", "BOOKMARK", "ERROR", "?"};
  return std::string(R"({"type":")") + kTypes[input.below(6)] + R"(","object":)" + object(input) +
         "}";
}
// A text of the server: its own, or one that somebody has touched.
std::string garbled(std::string text, Input& input) {
  for (std::size_t changes = input.below(4); changes > 0 && !text.empty(); --changes) {
    const std::size_t at = input.below(text.size());
    const auto piece = input.text(1 + input.below(6));
    text.replace(at, input.below(4), piece);
  }
  return text;
}

// Whatever is told of must be an object; what is there is counted beside the cache.
class Sink final : public sluice::kube::ObjectSink {
 public:
  void replace(std::vector<Json> objects) override {
    for (const Json& one : objects) CHECK(one.is_object() && one.at("kind") == "Pod");
    cache.replace(std::move(objects));
  }
  void put(Json one) override {
    CHECK(one.is_object() && one.at("kind") == "Pod");
    cache.put(std::move(one));
  }
  void erase(const Json& one) override {
    CHECK(one.is_object());
    cache.erase(one);
  }

  sluice::kube::Cache cache{{}};
};

// The lines of a text are the same however it was cut.
std::vector<std::string> lines_of(std::string_view text, Input* cuts) {
  LineSplitter splitter(kLineBytesMax);
  std::vector<std::string> lines;
  const auto keep = [&lines](std::string_view line) {
    lines.emplace_back(line);
    return true;
  };
  while (!text.empty()) {
    const std::size_t bytes =
        cuts == nullptr ? text.size() : std::min<std::size_t>(1 + cuts->below(32), text.size());
    if (!splitter.feed(text.substr(0, bytes), keep).has_value()) return lines;
    text.remove_prefix(bytes);
  }
  splitter.finish(keep);
  return lines;
}

void watch(ListWatch& core, Input& input, Sink& sink, MonoTime& now) {
  core.watch_began(now);
  std::string text;
  for (std::size_t events = input.below(6); events > 0; --events) {
    text += garbled(event(input), input) + (input.u8() % 8 == 0 ? "\r\n" : "\n");
  }
  text += input.text(input.below(40));
  const std::vector<std::string> lines = lines_of(text, &input);
  CHECK(lines == lines_of(text, nullptr));
  for (const std::string& line : lines) {
    if (!core.watch_line(line, sink, now)) break;
  }
  now = now + std::chrono::milliseconds(input.u16());
  if (input.u8() % 4 == 0) {
    core.watch_ended(sluice::base::unavailable("it broke"), now);
    return;
  }
  static const int kStatus[] = {200, 200, 200, 410, 429, 500, 403, 504};
  core.watch_ended(HttpResponse{kStatus[input.below(8)], std::string(input.text(30)), {}}, now);
}

void list(ListWatch& core, Input& input, Sink& sink, MonoTime now) {
  std::string body = R"({"metadata":{"resourceVersion":")" + std::to_string(input.below(64)) +
                     R"(","continue":")" + (input.u8() % 4 == 0 ? "more" : "") + R"("},"items":[)";
  const std::size_t items = input.below(5);
  for (std::size_t i = 0; i < items; ++i) body += (i == 0 ? "" : ",") + object(input);
  body = garbled(body + "]}", input);
  static const int kStatus[] = {200, 200, 200, 200, 410, 504, 429, 500};
  core.listed(HttpResponse{kStatus[input.below(8)], body, {}}, sink, now);
}

}  // namespace

// List and watch against a server that says anything: objects only reach the cache, a wait is never
// longer than half a minute, and a good list afterwards is what the cache holds.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  Input input(data, size);
  Sink sink;
  ListWatch core({&sluice::kube::kPods, "n", {}}, 1);
  MonoTime now(1'000'000'000);
  for (int round = 0; round < kRoundsMax && !input.empty(); ++round) {
    const ListWatch::Step step = core.next(now);
    if (step.kind == ListWatch::Kind::kWait) {
      CHECK(step.due > now && step.due <= now + std::chrono::seconds(30));
      now = step.due;
    } else if (step.kind == ListWatch::Kind::kList) {
      CHECK(step.target.starts_with("/api/v1/namespaces/n/pods?"));
      list(core, input, sink, now);
    } else {
      CHECK(core.synced());
      watch(core, input, sink, now);
    }
  }
  // The server comes to its senses.
  for (;;) {
    const ListWatch::Step step = core.next(now);
    if (step.kind == ListWatch::Kind::kWatch) {
      core.watch_began(now);
      core.watch_ended(HttpResponse{410, "{}", {}}, now);
    } else if (step.kind == ListWatch::Kind::kWait) {
      now = step.due;
    } else {
      core.listed(HttpResponse{200,
                               R"({"metadata":{"resourceVersion":"9"},"items":[{"metadata":)"
                               R"({"namespace":"n","name":"last"}}]})",
                               {}},
                  sink, now);
      if (core.next(now).kind == ListWatch::Kind::kWatch) break;
    }
  }
  CHECK(sink.cache.get("n", "last") != nullptr);
  CHECK(core.problem().empty());
  return 0;
}
