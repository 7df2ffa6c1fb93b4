#include <cstddef>
#include <cstdint>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <utility>

#include "base/check.h"
#include "frontend/http/endpoints.h"
#include "frontend/http/request_reader.h"
#include "tests/fuzz/fuzz_input.h"
#include "tests/unit/http/sample_stats.h"

namespace {

namespace http = sluice::frontend::http;
using http::RequestReader;

constexpr std::uint32_t kHeaderBytesMax = 512;
constexpr std::uint32_t kBodyBytesMax = 1024;
constexpr std::string_view kRefused = "refused\n";

// What one connection says, in words that can be compared.
class Peer {
 public:
  explicit Peer(const http::Router& router) : router_(router) {}

  // False = nothing more is read.
  bool send(std::string_view bytes) {
    while (!bytes.empty() && !over_) {
      const std::size_t taken = std::min(bytes.size(), reader_.room());
      CHECK(taken > 0);
      reader_.add(bytes.substr(0, taken));
      bytes.remove_prefix(taken);
      listen();
    }
    return !over_;
  }
  const std::string& said() const { return said_; }

 private:
  void listen() {
    for (;;) {
      switch (reader_.next()) {
        case RequestReader::Next::kBytes:
          return;
        case RequestReader::Next::kContinue:
          CHECK(reader_.in_body());
          said_ += "continue\n";
          break;
        case RequestReader::Next::kRequest:
          answer(reader_.asked());
          if (over_) return;
          break;
        case RequestReader::Next::kRefusal:
          CHECK(reader_.refusal().status >= 400);
          check(reader_.refusal());
          said_ += kRefused;
          over_ = true;
          return;
      }
    }
  }
  void answer(const RequestReader::Asked& asked) {
    http::Request request = asked.request;
    CHECK(request.path.starts_with('/'));
    CHECK(request.path.find('?') == std::string::npos);
    request.peer_is_loopback = true;
    said_ += request.method + " " + request.path + " ? " + request.query + " @ " + request.host;
    const http::Response response = router_.handle(request);
    check(response);
    said_ += " -> " + std::to_string(response.status) + "\n";
    over_ = !asked.keep_alive;
  }
  static void check(const http::Response& response) {
    CHECK(response.status >= 200 && response.status < 600);
    if (response.content_type == http::kJsonType) {
      CHECK(!nlohmann::json::parse(*response.body, nullptr, false).is_discarded());
    }
  }

  const http::Router& router_;
  RequestReader reader_{kHeaderBytesMax, kBodyBytesMax};
  bool over_ = false;
  std::string said_;
};

http::Router make_router() {
  const auto stats = std::make_shared<const http::ProcessStats>(sluice::test::sample_stats());
  return http::make_router({.healthy =
                                [] {
                                  return http::Verdict{true, ""};
                                },
                            .ready =
                                [] {
                                  return http::Verdict{false, "it starts"};
                                },
                            .stats = [stats] { return stats; },
                            .series = {}});
}

}  // namespace

// The bytes of a connection to the admin server: every request is answered, what is none is
// refused, answers are JSON where they say so, and it does not matter how the bytes were cut.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const http::Router router = make_router();
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  Peer whole(router);
  whole.send(bytes);
  Peer cut(router);
  std::size_t step = size == 0 ? 1 : 1 + data[size - 1] % 32U;
  for (std::size_t at = 0; at < size && cut.send(bytes.substr(at, step));) {
    at += step;
    step = 1 + (step * 7 + 3) % 32;
  }
  // What is wrong with headers may be seen before their end, or at it, which may never come.
  std::string_view longer = whole.said();
  std::string_view shorter = cut.said();
  if (longer.size() < shorter.size()) std::swap(longer, shorter);
  CHECK(longer.starts_with(shorter));
  longer.remove_prefix(shorter.size());
  CHECK(longer.empty() || longer == kRefused);
  return 0;
}
