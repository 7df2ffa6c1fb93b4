#pragma once

#include <deque>
#include <optional>
#include <stop_token>
#include <string>
#include <utility>
#include <vector>

#include "kube/http_transport.h"
#include "runtime/clock.h"

namespace sluice::kube {

// Answers requests from a list, in order, and keeps what was asked.
class ScriptTransport final : public HttpTransport {
 public:
  base::Result<HttpResponse> send(const HttpRequest& request) override {
    requests.push_back(request);
    if (answers.empty()) return base::unavailable("the script is at its end");
    base::Result<HttpResponse> answer = std::move(answers.front());
    answers.pop_front();
    return answer;
  }
  base::Result<HttpResponse> stream(const HttpRequest& request, const LineSink& sink,
                                    const std::stop_token&) override {
    requests.push_back(request);
    for (const std::string& line : lines) {
      if (!sink(line)) break;
    }
    return HttpResponse{200, "", std::nullopt};
  }
  void forget_credentials() override { ++forgotten; }

  void answer(int status, std::string body, std::optional<base::Millis> retry_after = {}) {
    answers.emplace_back(HttpResponse{status, std::move(body), retry_after});
  }
  void fail(base::Error error) { answers.emplace_back(std::move(error)); }

  std::deque<base::Result<HttpResponse>> answers;
  std::vector<std::string> lines;
  std::vector<HttpRequest> requests;
  int forgotten = 0;
};

// Stands still until it is moved.
class TestClock final : public runtime::Clock {
 public:
  base::MonoTime mono_now() const override { return mono; }
  base::WallTime wall_now() const override { return wall; }
  void advance(base::Nanos time) {
    mono = mono + time;
    wall = wall + std::chrono::duration_cast<base::Millis>(time).count();
  }

  base::MonoTime mono{1'000'000'000'000};
  base::WallTime wall{1'790'000'000'000};
};

}  // namespace sluice::kube
