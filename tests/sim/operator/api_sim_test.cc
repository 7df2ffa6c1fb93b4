#include "tests/sim/operator/api_sim.h"

#include <gtest/gtest.h>

#include <string>

namespace sluice::sim {
namespace {

using kube::Json;

class ApiSimTest : public testing::Test {
 protected:
  kube::HttpResponse call(const std::string& method, const std::string& target,
                          const Json& body = nullptr) {
    kube::HttpRequest request{method, target, "", body.is_null() ? "" : body.dump()};
    const auto parsed = parse_call(request);
    EXPECT_TRUE(parsed.has_value()) << target;
    return parsed ? api.answer(*parsed, 0) : kube::HttpResponse();
  }
  Json get(const std::string& target) { return Json::parse(call("GET", target).body); }
  void put(const std::string& name, const std::string& value) {
    call("PATCH", kServices + "/" + name + "?fieldManager=test&force=true",
         {{"apiVersion", "v1"},
          {"kind", "Service"},
          {"metadata", {{"name", name}, {"namespace", "shop"}, {"labels", {{"app", "a"}}}}},
          {"spec", {{"clusterIP", value}}}});
  }

  const std::string kServices = "/api/v1/namespaces/shop/services";
  Loop loop;
  test::FakeApiServer store;
  ApiSim api{loop, store};
};

TEST_F(ApiSimTest, statuses_are_those_of_an_api_server) {
  EXPECT_EQ(call("GET", kServices + "/a").status, 404);
  put("a", "1");
  EXPECT_EQ(call("GET", kServices + "/a").status, 200);
  const Json again = {{"apiVersion", "v1"},
                      {"kind", "Service"},
                      {"metadata", {{"name", "a"}, {"namespace", "shop"}}}};
  EXPECT_EQ(call("POST", kServices, again).status, 409);
  EXPECT_EQ(call("PATCH", kServices + "/a", {{"metadata", {{"resourceVersion", "1"}}}}).status,
            409);
  EXPECT_EQ(call("DELETE", kServices + "/a", {{"preconditions", {{"uid", "other"}}}}).status, 409);
  EXPECT_EQ(call("DELETE", kServices + "/a", Json::object()).status, 200);
  EXPECT_EQ(call("DELETE", kServices + "/a", Json::object()).status, 404);
}

TEST_F(ApiSimTest, lists_have_pages_of_one_version) {
  for (const char* name : {"a", "b", "c"}) put(name, "1");
  api.page_items = 2;
  const Json first = get("/api/v1/services?limit=500");
  EXPECT_EQ(first["items"].size(), 2U);
  put("d", "1");
  const std::string next = first["metadata"]["continue"];
  const Json second = get("/api/v1/services?limit=500&continue=" + kube::percent_encode(next));
  EXPECT_EQ(second["items"].size(), 1U);
  EXPECT_EQ(second["metadata"]["resourceVersion"], first["metadata"]["resourceVersion"]);
  api.forget_history();
  EXPECT_EQ(call("GET", "/api/v1/services?continue=" + kube::percent_encode(next)).status, 410);
}

TEST_F(ApiSimTest, a_cache_that_is_behind_shows_what_was) {
  put("a", "1");
  api.hold_back(kube::kServices, 0, std::chrono::seconds(10));
  put("b", "1");
  EXPECT_EQ(get("/api/v1/services?resourceVersion=0")["items"].size(), 1U);
  EXPECT_EQ(get("/api/v1/services")["items"].size(), 2U);
  EXPECT_EQ(
      call("GET", "/api/v1/services?resourceVersion=" + std::to_string(store.version())).status,
      504);
  api.catch_up();
  EXPECT_EQ(get("/api/v1/services?resourceVersion=0")["items"].size(), 2U);
}

TEST_F(ApiSimTest, a_watch_shows_each_change_once_and_in_order) {
  put("a", "1");
  const auto watch = parse_call({"GET", "/api/v1/services?watch=1&labelSelector=app%3Da", "", ""});
  ASSERT_TRUE(watch.has_value());
  const std::uint64_t begin = store.version();
  put("a", "2");
  call("DELETE", kServices + "/a", Json::object());
  auto event = api.next_event(*watch, 0, begin);
  ASSERT_TRUE(event.has_value());
  EXPECT_EQ(Json::parse(event->line)["type"], "MODIFIED");
  event = api.next_event(*watch, 0, event->version);
  ASSERT_TRUE(event.has_value());
  EXPECT_EQ(Json::parse(event->line)["type"], "DELETED");
  EXPECT_FALSE(api.next_event(*watch, 0, event->version).has_value());
}

TEST_F(ApiSimTest, a_watch_of_a_cache_that_is_behind_waits_for_it) {
  const auto watch = parse_call({"GET", "/api/v1/services?watch=1", "", ""});
  api.hold_back(kube::kServices, 1, std::chrono::seconds(10));
  const std::uint64_t begin = store.version();
  put("a", "1");
  EXPECT_TRUE(api.next_event(*watch, 0, begin).has_value());
  EXPECT_FALSE(api.next_event(*watch, 1, begin).has_value());
}

TEST_F(ApiSimTest, paths_that_are_not_served_are_none) {
  EXPECT_FALSE(parse_call({"GET", "/apis/keda.sh/v1alpha1/scaledobjects", "", ""}).has_value());
  EXPECT_FALSE(parse_call({"GET", "/", "", ""}).has_value());
}

}  // namespace
}  // namespace sluice::sim
