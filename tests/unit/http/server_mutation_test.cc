#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "base/prng.h"
#include "frontend/http/server.h"
#include "tests/support/status_matchers.h"
#include "tests/unit/http/raw_peer.h"
#include "tests/unit/http/request_mutation.h"

// Whatever comes in, the server answers it or closes, and serves the next one. The sanitizers of
// the dev preset watch.
namespace sluice::frontend::http {
namespace {

constexpr std::uint64_t kSeed = 20'260'301;
constexpr int kRounds = 2'000;

TEST(HttpMutation, EveryRequestIsAnsweredOrClosed) {
  auto started = Server::start({.timeout = base::Millis(5'000)}, [](const Request& request) {
    return text_response(200, "text/plain", request.path + request.query + request.host);
  });
  ASSERT_THAT(started, test::IsOk());
  const Server& server = **started;
  base::Prng prng(kSeed, "http");
  for (int round = 0; round < kRounds; ++round) {
    const std::string text = test::mutated_request(prng);
    test::RawPeer peer(server.port());
    ASSERT_TRUE(peer.connected()) << round;
    peer.send(text);
    peer.end_sending();
    const auto answers = peer.rest();
    ASSERT_TRUE(answers) << "round " << round << " hangs: " << text;
    ASSERT_TRUE(answers->empty() || answers->rfind("HTTP/1.1 ", 0) == 0) << *answers;
  }
  const auto answer = test::get(server.port(), "/still-there");
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->status, 200);
  EXPECT_GT(server.stats().requests, 100U);
  EXPECT_GT(server.stats().bad_requests, 100U);
}

}  // namespace
}  // namespace sluice::frontend::http
