#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <unistd.h>

#include <chrono>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "frontend/http/server.h"
#include "tests/support/status_matchers.h"
#include "tests/unit/http/raw_peer.h"

// What a hostile or broken peer meets.
namespace sluice::frontend::http {
namespace {

using test::RawPeer;
using testing::HasSubstr;
using testing::StartsWith;

constexpr std::string_view kGet = "GET /a HTTP/1.1\r\nHost: x\r\n\r\n";
constexpr base::Millis kShort{100};

std::unique_ptr<Server> start(const ServerOptions& options = {}, std::size_t body_bytes = 2) {
  auto server = Server::start(options, [body_bytes](const Request&) {
    return text_response(200, "text/plain", std::string(body_bytes, 'x'));
  });
  EXPECT_THAT(server, test::IsOk());
  return std::move(server).value();
}

// The status of the answer to `bytes`, after which the connection must be closed; 0 = closed
// without.
int status_and_close(const Server& server, std::string_view bytes) {
  RawPeer peer(server.port());
  EXPECT_TRUE(peer.connected());
  peer.send(bytes);
  const auto answer = peer.answer();
  if (answer) {
    EXPECT_EQ(answer->headers.at("connection"), "close");
    EXPECT_THAT(answer->body, StartsWith("{\"error\":"));
  }
  EXPECT_TRUE(peer.closed()) << "the connection lives on after: " << bytes.substr(0, 80);
  return answer ? answer->status : 0;
}

TEST(HttpLimits, HeadersOverEightKibibytesAre431) {
  const auto server = start();
  const std::string long_header(9'000, 'h');
  EXPECT_EQ(
      status_and_close(*server, "GET / HTTP/1.1\r\nHost: x\r\nA: " + long_header + "\r\n\r\n"),
      431);
  EXPECT_EQ(status_and_close(*server, "GET /" + long_header + " HTTP/1.1\r\nHost: x\r\n\r\n"), 431);
  std::string many = "GET / HTTP/1.1\r\nHost: x\r\n";
  for (int i = 0; i < 2'000; ++i) many += "a" + std::to_string(i) + ": b\r\n";
  EXPECT_EQ(status_and_close(*server, many + "\r\n"), 431);
  // A header that never ends costs no more memory than one that is too long.
  EXPECT_EQ(status_and_close(*server, "GET / HTTP/1.1\r\nA: " + std::string(1'000'000, 'x')), 431);
  EXPECT_EQ(test::ask(server->port(), kGet)->status, 200);
}

TEST(HttpLimits, BodiesOver64KibibytesAre413) {
  const auto server = start();
  EXPECT_EQ(status_and_close(*server, "GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 65537\r\n\r\n"),
            413);
  EXPECT_EQ(
      status_and_close(*server, "GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999\r\n\r\n"),
      413);
  std::string chunks = "GET / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n";
  for (int i = 0; i < 70; ++i) chunks += "400\r\n" + std::string(1'024, 'c') + "\r\n";
  EXPECT_EQ(status_and_close(*server, chunks), 413);
  const std::string body(65'536, 'b');
  EXPECT_EQ(
      test::ask(server->port(), "GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 65536\r\n\r\n" + body)
          ->status,
      200);
}

TEST(HttpLimits, WhatTwoReadersCouldTakeDifferentlyIs400) {
  const auto server = start();
  for (const std::string headers : {
           "Host: x\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
           "Host: x\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n",
           "Host: x\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd",
           "Host: x\r\nContent-Length: 3\r\nContent-Length: 3\r\n\r\nabc",
           "Host: x\r\nContent-Length: -1\r\n\r\n",
           "Host: x\r\nContent-Length: 0x3\r\n\r\nabc",
           "Host: x\r\nTransfer-Encoding: gzip\r\n\r\n",
           "Host: x\r\nTransfer-Encoding: chunked, identity\r\n\r\n",
           "Host: x\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
           "Host: x\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\nabc\r\n",
           "Host: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nabc\r\n",
           "Host: x\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\nabc\r\n",
           "Host: x\r\nHost: y\r\n\r\n",
           "\r\n",
           "Host: x\r\nA : b\r\n\r\n",
           "Host: x\r\nno colon\r\n\r\n",
           "Host: x\r\nA: \x01\r\n\r\n",
       }) {
    const int status = status_and_close(*server, "GET / HTTP/1.1\r\n" + headers);
    EXPECT_TRUE(status == 400 || status == 413) << status << " for " << headers;
  }
}

TEST(HttpLimits, NothingIsReadBehindABadRequest) {
  const auto server = start();
  EXPECT_EQ(status_and_close(*server,
                             "GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n"
                             "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n" +
                                 std::string(kGet)),
            400);
  EXPECT_EQ(server->stats().requests, 0U);
}

TEST(HttpLimits, WhatIsNoRequestIsRefused) {
  const auto server = start();
  EXPECT_EQ(status_and_close(*server, "hello\r\n\r\n"), 400);
  EXPECT_EQ(status_and_close(*server, "GET / HTTP/2.0\r\nHost: x\r\n\r\n"), 505);
  EXPECT_EQ(status_and_close(*server, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), 505);
  EXPECT_EQ(status_and_close(*server, std::string("\x16\x03\x01\x02\x00\x01\xFC", 7)), 400);
  EXPECT_EQ(status_and_close(*server, std::string(100, '\0')), 400);
  EXPECT_EQ(status_and_close(*server, "GET http://x/a HTTP/1.1\r\nHost: x\r\n\r\n"), 400);
  EXPECT_EQ(status_and_close(*server, "GET * HTTP/1.1\r\nHost: x\r\n\r\n"), 400);
  EXPECT_EQ(status_and_close(*server, "GET / HTTP/1.1\r\nHost: x\r\nExpect: cake\r\n\r\n"), 417);
  EXPECT_EQ(test::ask(server->port(), kGet)->status, 200);
}

TEST(HttpLimits, APeerThatSendsTooSlowlyIsDropped) {
  const auto server = start({.timeout = kShort});
  RawPeer silent(server->port());
  RawPeer halfway(server->port());
  ASSERT_TRUE(halfway.send("GET / HTTP/1.1\r\nHost"));
  RawPeer without_body(server->port());
  ASSERT_TRUE(without_body.send("GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nabc"));
  RawPeer idle(server->port());
  ASSERT_TRUE(idle.send(kGet));
  ASSERT_TRUE(idle.answer());
  EXPECT_TRUE(silent.closed());
  EXPECT_TRUE(halfway.closed());
  EXPECT_TRUE(without_body.closed());
  EXPECT_TRUE(idle.closed());
  // A peer may see the end of its connection before the server has counted it.
  const auto begin = std::chrono::steady_clock::now();
  while (server->stats().timeouts < 4) {
    ASSERT_LT(std::chrono::steady_clock::now() - begin, RawPeer::kPatience);
    std::this_thread::yield();
  }
  EXPECT_EQ(server->stats().timeouts, 4U);
}

// One byte at a time must not move the deadline.
TEST(HttpLimits, ATrickleOfBytesIsNoExcuse) {
  const auto server = start({.timeout = kShort});
  RawPeer peer(server->port());
  const auto begin = std::chrono::steady_clock::now();
  while (peer.send("x")) {
    if (std::chrono::steady_clock::now() - begin > RawPeer::kPatience) break;
    // A pause without a sleep: a connection of its own, closed at once.
    RawPeer pause(server->port());
  }
  EXPECT_LT(std::chrono::steady_clock::now() - begin, RawPeer::kPatience);
}

TEST(HttpLimits, APeerThatDoesNotReadIsDropped) {
  const auto server = start({.timeout = kShort}, 64 << 20);
  RawPeer peer(server->port(), 4'096);
  ASSERT_TRUE(peer.send(kGet));
  const auto begin = std::chrono::steady_clock::now();
  while (server->stats().timeouts == 0) {
    ASSERT_LT(std::chrono::steady_clock::now() - begin, RawPeer::kPatience);
    RawPeer pause(server->port());
  }
}

TEST(HttpLimits, TooManyConnectionsAreTurnedAway) {
  const auto server = start({.connections_max = 3});
  std::vector<std::unique_ptr<RawPeer>> peers;
  for (int i = 0; i < 3; ++i) {
    peers.push_back(std::make_unique<RawPeer>(server->port()));
    ASSERT_TRUE(peers.back()->send(kGet));
    ASSERT_TRUE(peers.back()->answer());
  }
  RawPeer one_more(server->port());
  const auto answer = one_more.answer();
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->status, 503);
  EXPECT_THAT(answer->body, HasSubstr("too many connections"));
  EXPECT_TRUE(one_more.closed());
  EXPECT_EQ(server->stats().turned_away, 1U);
  // Those who were first are served on, and a place that is given back can be taken.
  ASSERT_TRUE(peers[0]->send(kGet));
  EXPECT_TRUE(peers[0]->answer());
  ASSERT_TRUE(peers[2]->send("GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"));
  ASSERT_TRUE(peers[2]->answer());
  ASSERT_TRUE(peers[2]->closed());
  peers.pop_back();
  int status = 0;
  const auto begin = std::chrono::steady_clock::now();
  while (status != 200 && std::chrono::steady_clock::now() - begin < RawPeer::kPatience) {
    const auto next = test::ask(server->port(), kGet);
    status = next ? next->status : 0;
  }
  EXPECT_EQ(status, 200);
}

// The process at its limit of file descriptors: accept fails for every waiting connection, at once
// and again and again, unless somebody waits.
TEST(HttpLimits, WithoutFileDescriptorsAcceptPauses) {
  const auto server = start({.accept_pause = base::Millis(20)});
  ASSERT_TRUE(test::ask(server->port(), kGet));
  rlimit before{};
  ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &before), 0);
  rlimit low = before;
  low.rlim_cur = 256;
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &low), 0);
  std::vector<int> fillers;
  for (int fd = open("/dev/null", O_RDONLY | O_CLOEXEC); fd >= 0;
       fd = open("/dev/null", O_RDONLY | O_CLOEXEC)) {
    fillers.push_back(fd);
  }
  ASSERT_FALSE(fillers.empty());
  close(fillers.back());
  fillers.pop_back();
  // Takes the last descriptor; the server has none for its side.
  RawPeer peer(server->port());
  EXPECT_TRUE(peer.connected());
  EXPECT_TRUE(peer.send(kGet));
  const auto begin = std::chrono::steady_clock::now();
  while (server->stats().accept_failures < 3 &&
         std::chrono::steady_clock::now() - begin < RawPeer::kPatience) {
  }
  const auto waited = std::chrono::steady_clock::now() - begin;
  EXPECT_GE(server->stats().accept_failures, 3U);
  EXPECT_GE(waited, base::Millis(20)) << "it tries again without a pause";
  for (const int fd : fillers) close(fd);
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &before), 0);
  const auto answer = peer.answer();
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->status, 200);
}

}  // namespace
}  // namespace sluice::frontend::http
