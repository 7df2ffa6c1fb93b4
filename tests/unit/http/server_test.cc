#include "frontend/http/server.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "tests/support/status_matchers.h"
#include "tests/unit/http/raw_peer.h"

namespace sluice::frontend::http {
namespace {

using test::RawPeer;
using testing::HasSubstr;

// Tells what it was asked.
Response echo(const Request& request) {
  if (request.path == "/throw") throw std::runtime_error("broken on purpose");
  return text_response(200, "text/plain",
                       request.method + " " + request.path + " ? " + request.query +
                           (request.peer_is_loopback ? " loopback" : " remote"));
}

std::unique_ptr<Server> start_echo(const ServerOptions& options = {}) {
  auto server = Server::start(options, echo);
  EXPECT_THAT(server, test::IsOk());
  return std::move(server).value();
}

constexpr std::string_view kGetRequest = "GET /a HTTP/1.1\r\nHost: localhost\r\n\r\n";

TEST(HttpServer, Answers) {
  const auto server = start_echo();
  ASSERT_NE(server->port(), 0);
  const auto answer = test::get(server->port(), "/a/b?x=1&y");
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->status, 200);
  EXPECT_EQ(answer->body, "GET /a/b ? x=1&y loopback");
  EXPECT_EQ(answer->headers.at("content-type"), "text/plain");
  EXPECT_EQ(answer->headers.at("cache-control"), "no-store");
}

TEST(HttpServer, KeepsTheConnectionUntilToldOtherwise) {
  const auto server = start_echo();
  RawPeer peer(server->port());
  for (int i = 0; i < 3; ++i) {
    ASSERT_TRUE(peer.send(kGetRequest));
    const auto answer = peer.answer();
    ASSERT_TRUE(answer);
    EXPECT_EQ(answer->headers.at("connection"), "keep-alive");
  }
  ASSERT_TRUE(peer.send("GET /a HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"));
  const auto last = peer.answer();
  ASSERT_TRUE(last);
  EXPECT_EQ(last->headers.at("connection"), "close");
  EXPECT_TRUE(peer.closed());
  EXPECT_EQ(server->stats().accepted, 1U);
  EXPECT_EQ(server->stats().requests, 4U);
}

TEST(HttpServer, OldClientsAreClosedUnlessTheyAskNotTo) {
  const auto server = start_echo();
  RawPeer peer(server->port());
  ASSERT_TRUE(peer.send("GET /a HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"));
  ASSERT_TRUE(peer.answer());
  ASSERT_TRUE(peer.send("GET /b HTTP/1.0\r\n\r\n"));
  const auto answer = peer.answer();
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->status, 200);
  EXPECT_TRUE(peer.closed());
}

TEST(HttpServer, PipelinedRequestsAreAnsweredInOrder) {
  const auto server = start_echo();
  RawPeer peer(server->port());
  std::string requests;
  constexpr int kCount = 200;
  for (int i = 0; i < kCount; ++i) {
    requests += "GET /" + std::to_string(i) + " HTTP/1.1\r\nHost: x\r\n\r\n";
  }
  ASSERT_TRUE(peer.send(requests));
  for (int i = 0; i < kCount; ++i) {
    const auto answer = peer.answer();
    ASSERT_TRUE(answer) << i;
    ASSERT_EQ(answer->body, "GET /" + std::to_string(i) + " ?  loopback");
  }
}

TEST(HttpServer, HeadHasTheHeadersOfGetAndNoBody) {
  const auto server = start_echo();
  RawPeer peer(server->port());
  ASSERT_TRUE(peer.send("HEAD /a HTTP/1.1\r\nHost: x\r\n\r\n"));
  const auto head = peer.answer(true);
  ASSERT_TRUE(head);
  EXPECT_EQ(head->status, 200);
  EXPECT_EQ(head->headers.at("content-length"),
            std::to_string(std::string("GET /a ?  loopback").size()));
  // The next bytes are the next answer, not a body.
  ASSERT_TRUE(peer.send(kGetRequest));
  const auto next = peer.answer();
  ASSERT_TRUE(next);
  EXPECT_EQ(next->status, 200);
}

TEST(HttpServer, BodiesAreReadAndDropped) {
  const auto server = start_echo();
  RawPeer peer(server->port());
  ASSERT_TRUE(peer.send("GET /a HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello"));
  ASSERT_TRUE(peer.answer());
  ASSERT_TRUE(
      peer.send("GET /b HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
                "3;ext=1\r\nabc\r\n0\r\nTrailer: x\r\n\r\n"));
  const auto answer = peer.answer();
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->body, "GET /b ?  loopback");
  ASSERT_TRUE(peer.send(kGetRequest));
  EXPECT_TRUE(peer.answer());
}

TEST(HttpServer, TellsAPeerThatWaitsToGoOn) {
  const auto server = start_echo();
  RawPeer peer(server->port());
  ASSERT_TRUE(
      peer.send("GET /a HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n"));
  const auto go_on = peer.answer();
  ASSERT_TRUE(go_on);
  EXPECT_EQ(go_on->status, 100);
  ASSERT_TRUE(peer.send("hello"));
  const auto answer = peer.answer();
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->status, 200);
}

TEST(HttpServer, NoContinueWhereNoBodyComes) {
  const auto server = start_echo();
  RawPeer peer(server->port());
  ASSERT_TRUE(peer.send("GET /a HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n\r\n"));
  const auto answer = peer.answer();
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->status, 200);
}

TEST(HttpServer, AHandlerThatThrowsIsAnError500) {
  const auto server = start_echo();
  const auto answer = test::get(server->port(), "/throw");
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->status, 500);
  EXPECT_THAT(answer->body, HasSubstr("broken on purpose"));
}

TEST(HttpServer, AHalfClosedPeerGetsItsAnswer) {
  const auto server = start_echo();
  RawPeer peer(server->port());
  ASSERT_TRUE(peer.send(kGetRequest));
  peer.end_sending();
  const auto answer = peer.answer();
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->status, 200);
  EXPECT_TRUE(peer.closed());
}

TEST(HttpServer, RefusesAnAddressThatIsNone) {
  const auto server = Server::start({.host = "no.such.place"}, echo);
  EXPECT_THAT(server, test::HasCode(base::ErrorCode::kInvalidArgument));
}

TEST(HttpServer, SaysWhichPortIsTaken) {
  const auto first = start_echo();
  const auto second = Server::start({.port = first->port()}, echo);
  ASSERT_THAT(second, test::HasCode(base::ErrorCode::kUnavailable));
  EXPECT_THAT(second.error().message(), HasSubstr("127.0.0.1:" + std::to_string(first->port())));
}

TEST(HttpServer, StopClosesEverything) {
  const auto server = start_echo();
  RawPeer idle(server->port());
  ASSERT_TRUE(idle.send(kGetRequest));
  ASSERT_TRUE(idle.answer());
  RawPeer halfway(server->port());
  ASSERT_TRUE(halfway.send("GET /a HTTP/1.1\r\nHo"));
  const std::uint16_t port = server->port();
  server->stop();
  EXPECT_TRUE(idle.closed());
  EXPECT_TRUE(halfway.closed());
  EXPECT_FALSE(RawPeer(port).connected());
  server->stop();
}

TEST(HttpServer, ServesManyThreadsAtOnce) {
  const auto server = start_echo();
  std::vector<std::thread> threads;
  for (int t = 0; t < 8; ++t) {
    threads.emplace_back([port = server->port()] {
      RawPeer peer(port);
      for (int i = 0; i < 50; ++i) {
        ASSERT_TRUE(peer.send(kGetRequest));
        ASSERT_TRUE(peer.answer());
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(server->stats().requests, 400U);
}

}  // namespace
}  // namespace sluice::frontend::http
