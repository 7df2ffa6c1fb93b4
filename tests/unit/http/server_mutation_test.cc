#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "base/prng.h"
#include "frontend/http/server.h"
#include "tests/support/status_matchers.h"
#include "tests/unit/http/raw_peer.h"

// Whatever comes in, the server answers it or closes, and serves the next one. The sanitizers of
// the dev preset watch.
namespace sluice::frontend::http {
namespace {

constexpr std::uint64_t kSeed = 20'260'301;
constexpr int kRounds = 2'000;

const std::vector<std::string>& seeds() {
  static const std::vector<std::string> all = {
      "GET /metrics HTTP/1.1\r\nHost: localhost:9000\r\nAccept: text/plain\r\n\r\n",
      "HEAD / HTTP/1.1\r\nHost: x\r\nConnection: keep-alive\r\n\r\n",
      "GET /api/v1/queues/orders?pretty=1 HTTP/1.0\r\n\r\n",
      "POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 11\r\n\r\nhello world",
      "PUT /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n6;x=\"y\"\r\n "
      "world\r\n0\r\nT: u\r\n\r\n",
      "GET /a HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\nabc",
      "GET /a HTTP/1.1\r\nHost: x\r\n\r\nGET /b HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
      "OPTIONS * HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
  };
  return all;
}

const std::vector<std::string>& tokens() {
  static const std::vector<std::string> all = {"\r\n",
                                               "\n",
                                               "\r",
                                               " ",
                                               "\t",
                                               ":",
                                               ",",
                                               ";",
                                               "\"",
                                               "%00",
                                               std::string(1, '\0'),
                                               "\xFF",
                                               "HTTP/1.1",
                                               "HTTP/9.9",
                                               "GET ",
                                               "Content-Length: 5\r\n",
                                               "Content-Length: 18446744073709551616",
                                               "Transfer-Encoding: chunked\r\n",
                                               "Transfer-Encoding: \x0b"
                                               "chunked\r\n",
                                               "Host: y\r\n",
                                               "Expect: 100-continue\r\n",
                                               "Connection: close\r\n",
                                               "Connection: keep-alive, upgrade\r\n",
                                               "0\r\n\r\n",
                                               "FFFFFFFFFFFFFFFF\r\n",
                                               "-1\r\n",
                                               "1;a=b\r\n",
                                               std::string(300, 'a'),
                                               std::string(9'000, 'b'),
                                               " folded\r\n"};
  return all;
}

std::string mutated(base::Prng& prng) {
  std::string text = seeds()[prng.below(seeds().size())];
  for (std::uint64_t step = 0, steps = 1 + prng.below(5); step < steps; ++step) {
    const auto at = static_cast<std::size_t>(prng.below(text.size() + 1));
    switch (prng.below(6)) {
      case 0:
        if (at < text.size()) text[at] = static_cast<char>(prng.below(256));
        break;
      case 1:
        text.insert(at, tokens()[prng.below(tokens().size())]);
        break;
      case 2:
        text.erase(at, prng.below(10));
        break;
      case 3:
        text.insert(prng.below(text.size() + 1), text.substr(at, prng.below(60)));
        break;
      case 4:
        text.resize(at);
        break;
      default:
        text += seeds()[prng.below(seeds().size())];
    }
  }
  return text;
}

TEST(HttpMutation, EveryRequestIsAnsweredOrClosed) {
  auto started = Server::start({.timeout = base::Millis(5'000)}, [](const Request& request) {
    return text_response(200, "text/plain", request.path + request.query + request.host);
  });
  ASSERT_THAT(started, test::IsOk());
  const Server& server = **started;
  base::Prng prng(kSeed, "http");
  for (int round = 0; round < kRounds; ++round) {
    const std::string text = mutated(prng);
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
