#include "frontend/http/request_rules.h"

#include <gtest/gtest.h>

#include "frontend/http/resource_stats.h"
#include "frontend/http/router.h"

namespace sluice::frontend::http {
namespace {

RequestHead good() { return {.target = "/", .host_count = 1}; }

TEST(RequestRules, TakeAnOrdinaryRequest) {
  EXPECT_FALSE(refuse(good()));
  RequestHead head = good();
  head.version = 10;
  head.host_count = 0;
  EXPECT_FALSE(refuse(head));
  head = good();
  head.has_transfer_encoding = true;
  head.is_chunked = true;
  EXPECT_FALSE(refuse(head));
}

TEST(RequestRules, ChunksNeedTheVersionThatKnowsThem) {
  RequestHead head = good();
  head.version = 10;
  head.has_transfer_encoding = true;
  head.is_chunked = true;
  EXPECT_EQ(refuse(head)->status, 400);
}

TEST(RequestRules, ExpectationsHaveOneForm) {
  RequestHead head = good();
  head.expect = "100-Continue";
  EXPECT_FALSE(refuse(head));
  EXPECT_TRUE(wants_continue(head));
  head.version = 10;
  EXPECT_FALSE(wants_continue(head));
  head.expect = "200-ok";
  EXPECT_EQ(refuse(head)->status, 417);
  EXPECT_FALSE(wants_continue(good()));
}

TEST(Router, AStarIsOneStep) {
  Router router;
  const auto tell = [](const char* what) {
    return [what](const Request&) { return text_response(200, "text/plain", what); };
  };
  router.get("/a", tell("a"));
  router.get("/a/*", tell("star"));
  const auto ask = [&](const char* path) {
    Request request;
    request.method = "GET";
    request.path = path;
    const Response response = router.handle(request);
    return response.status == 200 ? *response.body : std::to_string(response.status);
  };
  EXPECT_EQ(ask("/a"), "a");
  EXPECT_EQ(ask("/a/b"), "star");
  EXPECT_EQ(ask("/a/"), "404");
  EXPECT_EQ(ask("/a/b/c"), "404");
  EXPECT_EQ(ask("/ab"), "404");
  EXPECT_EQ(ask(""), "404");
}

TEST(ResourceStats, AreThoseOfThisProcess) {
  const ResourceStats stats = read_resource_stats();
  EXPECT_GT(stats.resident_bytes, 1'000'000U);
  EXPECT_GE(stats.open_fds, 3U);
  EXPECT_GE(stats.max_fds, stats.open_fds);
  EXPECT_GT(stats.cpu_seconds, 0);
  // After 2020 and not before the process could have been started.
  EXPECT_GT(stats.start_seconds, 1'577'836'800);
  EXPECT_EQ(read_resource_stats().start_seconds, stats.start_seconds);
}

}  // namespace
}  // namespace sluice::frontend::http
