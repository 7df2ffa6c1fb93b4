#include "frontend/http/endpoints.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <mutex>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>

#include "frontend/http/server.h"
#include "frontend/http/stats_page.h"
#include "tests/support/status_matchers.h"
#include "tests/unit/http/prometheus_reader.h"
#include "tests/unit/http/raw_peer.h"
#include "tests/unit/http/sample_stats.h"

namespace sluice::frontend::http {
namespace {

using nlohmann::json;
using testing::HasSubstr;
using testing::IsEmpty;

// The whole of it behind a real socket. What the program would tell can be changed between
// requests.
class EndpointsTest : public testing::Test {
 protected:
  EndpointsTest() {
    auto started = Server::start({}, [router = make_router(sources())](const Request& request) {
      return router.handle(request);
    });
    EXPECT_THAT(started, test::IsOk());
    server_ = std::move(started).value();
  }

  EndpointSources sources() {
    return {.healthy = [this] { return read(healthy_); },
            .ready = [this] { return read(ready_); },
            .stats = [this] { return read(stats_); },
            .series = {}};
  }

  template <typename T>
  T read(const T& value) {
    const std::lock_guard lock(mutex_);
    return value;
  }
  template <typename T>
  void set(T& value, T to) {
    const std::lock_guard lock(mutex_);
    value = std::move(to);
  }
  void set_stats(const ProcessStats& to) { set(stats_, std::make_shared<const ProcessStats>(to)); }

  test::HttpAnswer get(std::string_view path) {
    auto answer = test::get(server_->port(), path);
    EXPECT_TRUE(answer) << path;
    return answer.value_or(test::HttpAnswer{});
  }

  std::mutex mutex_;  // the server reads on its own thread
  Verdict healthy_{true, ""};
  Verdict ready_{true, ""};
  std::shared_ptr<const ProcessStats> stats_ =
      std::make_shared<const ProcessStats>(test::sample_stats());
  std::unique_ptr<Server> server_;
};

TEST_F(EndpointsTest, HealthIsTheProgramsWord) {
  EXPECT_EQ(get("/healthz").status, 200);
  set(healthy_, {false, "the loop has not turned for 31 s"});
  const auto answer = get("/healthz");
  EXPECT_EQ(answer.status, 503);
  EXPECT_EQ(json::parse(answer.body)["error"], "the loop has not turned for 31 s");
  EXPECT_EQ(get("/readyz").status, 200);
}

TEST_F(EndpointsTest, ReadyOnlyAfterRecovery) {
  set(ready_, {false, "recovering"});
  EXPECT_EQ(get("/readyz").status, 503);
  set(ready_, {true, ""});
  EXPECT_EQ(get("/readyz").status, 200);
}

TEST_F(EndpointsTest, WhoLetsNobodyInIsNotReady) {
  ProcessStats stats = test::sample_stats();
  stats.transport.gatekeeper_answers = false;
  set_stats(stats);
  const auto answer = get("/readyz");
  EXPECT_EQ(answer.status, 503);
  EXPECT_THAT(answer.body, HasSubstr("gatekeeper"));
  EXPECT_EQ(get("/healthz").status, 200);  // whoever is in already is served
  stats.transport.gatekeeper_answers = std::nullopt;
  set_stats(stats);
  EXPECT_EQ(get("/readyz").status, 200);
}

TEST_F(EndpointsTest, MetricsAreForPrometheus) {
  const auto answer = get("/metrics");
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.headers.at("content-type"), "text/plain; version=0.0.4; charset=utf-8");
  const auto page = test::read_prometheus(answer.body);
  EXPECT_THAT(page.errors, IsEmpty());
  EXPECT_EQ(page.value("sluice_sessions"), 5);
}

TEST_F(EndpointsTest, NumbersAreThoseOfTheLastSnapshot) {
  EXPECT_EQ(get("/metrics").body, get("/metrics").body);
  ProcessStats next = test::sample_stats();
  next.broker.sessions = 77;
  set_stats(next);
  EXPECT_EQ(test::read_prometheus(get("/metrics").body).value("sluice_sessions"), 77);
}

TEST_F(EndpointsTest, WithoutStatisticsTheyAreUnavailable) {
  set(stats_, {});
  for (const char* path : {"/metrics", "/api/v1/queues", "/api/v1/queues/orders"}) {
    EXPECT_EQ(get(path).status, 503) << path;
  }
}

TEST_F(EndpointsTest, QueuesHaveCountsAndSettings) {
  const json list = json::parse(get("/api/v1/queues").body);
  EXPECT_EQ(list["incarnation"], 3);
  EXPECT_EQ(list["takenAt"], 1'772'357'400'250);
  ASSERT_EQ(list["queues"].size(), 2U);
  const json& queue = list["queues"][1];
  EXPECT_EQ(queue["name"], "orders");
  EXPECT_EQ(queue["messages"], 201);
  EXPECT_EQ(queue["sinceStart"]["refused"]["QueueFull"], 209);
  EXPECT_EQ(queue["settings"]["limits"]["bytes"], "6Gi");
  EXPECT_EQ(queue["settings"]["durability"]["fsync"], "Always");
  EXPECT_FALSE(queue["settings"]["durability"].contains("interval"));
  const json& subscription = queue["subscriptions"][0];
  EXPECT_EQ(subscription["name"], "default");
  EXPECT_EQ(subscription["messages"]["ready"], 211);
  EXPECT_EQ(subscription["messages"]["inFlight"], 212);
  EXPECT_EQ(subscription["consumers"]["names"], json::array({"worker-0"}));
  EXPECT_EQ(subscription["sinceStart"]["deadLettered"]["Rejected"], 226);
  EXPECT_EQ(subscription["settings"]["delivery"]["leaseDuration"], "30s");
  EXPECT_EQ(subscription["settings"]["deadLetter"]["retention"], "14d");
  const json task = {{"task", "000000000000000000000000000000c8"},
                     {"kind", "Redrive"},
                     {"state", "Running"},
                     {"subscription", "default"},
                     {"deadLetters", true},
                     {"target", "parked"},
                     {"waitsFor", "queue parked is full"},
                     {"ratePerSecondMax", 228},
                     {"matched", 230},
                     {"done", 229}};
  EXPECT_EQ(queue["tasks"], json::array({task}));
}

TEST_F(EndpointsTest, OneQueueIsTheSameAsInTheList) {
  const json list = json::parse(get("/api/v1/queues").body);
  EXPECT_EQ(json::parse(get("/api/v1/queues/orders").body), list["queues"][1]);
  const auto missing = get("/api/v1/queues/orderz");
  EXPECT_EQ(missing.status, 404);
  EXPECT_EQ(json::parse(missing.body)["allowed"], json::array({"invoices", "orders"}));
}

TEST_F(EndpointsTest, NamesOfConsumersNeedNotBeText) {
  ProcessStats next = test::sample_stats();
  next.broker.queues[0].subscriptions[0].consumer_names = {"\xFF\xFE\"\n"};
  set_stats(next);
  EXPECT_TRUE(json::accept(get("/api/v1/queues").body));
}

TEST_F(EndpointsTest, UnknownPathsAreToldTheKnownOnes) {
  for (const char* path : {"/", "/metricz", "/healthz/", "/api/v1/queues/", "/api/v1/queues/a/b",
                           "/api/v1/queues/a%2Fb"}) {
    EXPECT_EQ(get(path).status, 404) << path;
  }
  EXPECT_EQ(json::parse(get("/nothing").body)["allowed"],
            json::array({"/healthz", "/readyz", "/metrics", "/api/v1/queues", "/api/v1/queues/*"}));
}

TEST_F(EndpointsTest, NothingCanBeChanged) {
  for (const char* method : {"POST", "PUT", "DELETE", "PATCH", "OPTIONS", "BREW"}) {
    const auto answer = test::ask(server_->port(), std::string(method) +
                                                       " /metrics HTTP/1.1\r\nHost: x\r\n"
                                                       "Content-Length: 2\r\n\r\n{}");
    ASSERT_TRUE(answer) << method;
    EXPECT_EQ(answer->status, 405) << method;
    EXPECT_EQ(answer->headers.at("allow"), "GET, HEAD");
    EXPECT_EQ(json::parse(answer->body)["allowed"], json::array({"GET", "HEAD"}));
  }
}

TEST_F(EndpointsTest, TheApiIsForThisMachineOnly) {
  const Router router = make_router(sources());
  Request request{.method = "GET", .path = "/api/v1/queues", .query = "", .host = "localhost"};
  for (const char* path : {"/api/v1/queues", "/api/v1/queues/orders", "/api/v1/queues/none"}) {
    request.path = path;
    request.peer_is_loopback = false;
    const Response refused = router.handle(request);
    EXPECT_EQ(refused.status, 403);
    EXPECT_THAT(*refused.body, HasSubstr("loopback"));
    request.peer_is_loopback = true;
    EXPECT_NE(router.handle(request).status, 403);
  }
  for (const char* path : {"/healthz", "/readyz", "/metrics"}) {
    request.path = path;
    request.peer_is_loopback = false;
    EXPECT_EQ(router.handle(request).status, 200) << path;
  }
}

// A web page can point a name of its own at 127.0.0.1 and have a browser here ask us.
TEST_F(EndpointsTest, TheApiAnswersToLoopbackNamesOnly) {
  const Router router = make_router(sources());
  Request request{
      .method = "GET", .path = "/api/v1/queues", .query = "", .host = "", .peer_is_loopback = true};
  for (const char* host :
       {"localhost", "localhost:9000", "127.0.0.1", "127.0.0.1:1", "[::1]", "[::1]:9000"}) {
    request.host = host;
    EXPECT_EQ(router.handle(request).status, 200) << host;
  }
  for (const char* host : {"", "evil.example", "evil.example:9000", "localhost.evil.example",
                           "[::2]", "[", "127.0.0.1.evil.example"}) {
    request.host = host;
    EXPECT_EQ(router.handle(request).status, 403) << host;
  }
}

TEST(StatsPage, IsRenderedOnceForEachPicture) {
  auto stats = std::make_shared<const ProcessStats>();
  int renders = 0;
  StatsPage page([&] { return stats; },
                 [&](const ProcessStats&) { return std::to_string(++renders); });
  const Body first = page.get();
  EXPECT_EQ(*first, "1");
  EXPECT_EQ(page.get(), first);
  stats = std::make_shared<const ProcessStats>();
  EXPECT_EQ(*page.get(), "2");
  stats = nullptr;
  EXPECT_EQ(page.get(), nullptr);
}

}  // namespace
}  // namespace sluice::frontend::http
