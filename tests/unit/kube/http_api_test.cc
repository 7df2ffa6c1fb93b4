#include "kube/http_api.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tests/support/status_matchers.h"
#include "tests/unit/kube/script_transport.h"

namespace sluice::kube {
namespace {

using base::ErrorCode;
using base::Millis;
using test::HasCode;
using test::IsOk;

const Json kService = {{"apiVersion", "v1"},
                       {"kind", "Service"},
                       {"metadata", {{"name", "orders"}, {"namespace", "shop"}}},
                       {"spec", {{"ports", {1, 2}}}}};

class HttpApiTest : public testing::Test {
 protected:
  HttpApi make() {
    return HttpApi({transport,
                    clock,
                    [this](Millis wait) {
                      waits.push_back(wait);
                      return !stopping;
                    },
                    {},
                    [this]() -> base::Status {
                      if (writes_left-- > 0) return {};
                      return base::failed_precondition("somebody else leads");
                    }});
  }
  std::string status(const char* reason) {
    return Json{{"kind", "Status"}, {"reason", reason}, {"message", "no"}}.dump();
  }

  ScriptTransport transport;
  TestClock clock;
  std::vector<Millis> waits;
  bool stopping = false;
  int writes_left = 1'000;  // tries before the lease ends
};

TEST_F(HttpApiTest, a_server_that_is_busy_is_asked_again_when_it_says) {
  transport.answer(429, status("TooManyRequests"), Millis(3'000));
  transport.answer(503, "", Millis(1'000));
  transport.answer(200, kService.dump());
  EXPECT_THAT(make().get({&kServices, "shop", "orders"}), test::IsOkAndHolds(kService));
  EXPECT_EQ(waits, (std::vector<Millis>{Millis(3'000), Millis(1'000)}));
}

TEST_F(HttpApiTest, what_is_no_object_is_no_item_of_a_list) {
  transport.answer(200, R"({"items":[1,{"metadata":{"name":"a"}},null,"x"]})");
  const auto list = make().list(kServices, "shop", {});
  ASSERT_THAT(list, IsOk());
  ASSERT_EQ(list->at("items").size(), 1U);
  EXPECT_EQ(list->at("items")[0]["kind"], "Service");
}

TEST_F(HttpApiTest, waiting_has_an_end) {
  for (int i = 0; i < 20; ++i) transport.answer(429, status("TooManyRequests"), Millis(4'000));
  EXPECT_THAT(make().get({&kServices, "shop", "orders"}), HasCode(ErrorCode::kUnavailable));
  EXPECT_EQ(transport.requests.size(), 3U);
}

TEST_F(HttpApiTest, a_process_that_stops_does_not_wait) {
  stopping = true;
  transport.answer(503, "");
  EXPECT_THAT(make().get({&kServices, "shop", "orders"}), HasCode(ErrorCode::kUnavailable));
  EXPECT_EQ(transport.requests.size(), 1U);
}

TEST_F(HttpApiTest, refused_credentials_are_renewed_once) {
  transport.answer(401, status("Unauthorized"));
  transport.answer(200, kService.dump());
  EXPECT_THAT(make().get({&kServices, "shop", "orders"}), IsOk());
  EXPECT_EQ(transport.forgotten, 1);
  transport.answer(401, status("Unauthorized"));
  transport.answer(401, status("Unauthorized"));
  EXPECT_THAT(make().get({&kServices, "shop", "orders"}), HasCode(ErrorCode::kPermissionDenied));
}

TEST_F(HttpApiTest, a_write_is_not_sent_again_without_the_lease) {
  writes_left = 1;
  transport.answer(503, "", Millis(5'000));
  transport.answer(200, kService.dump());
  EXPECT_THAT(make().apply(kService, "me"), HasCode(ErrorCode::kFailedPrecondition));
  EXPECT_EQ(transport.requests.size(), 1U);
  EXPECT_THAT(make().get({&kServices, "shop", "orders"}), IsOk());
}

TEST_F(HttpApiTest, what_is_wrong_is_not_repeated) {
  for (const int code : {400, 403, 404, 409, 422}) {
    transport.requests.clear();
    transport.answer(code, status("x"));
    EXPECT_FALSE(make().apply(kService, "m").has_value());
    EXPECT_EQ(transport.requests.size(), 1U) << code;
  }
}

TEST_F(HttpApiTest, a_broken_connection_is_repeated_except_for_creates) {
  transport.fail(base::unavailable("gone"));
  transport.answer(200, kService.dump());
  EXPECT_THAT(make().apply(kService, "m"), IsOk());
  transport.requests.clear();
  transport.fail(base::unavailable("gone"));
  EXPECT_THAT(make().create(kService), HasCode(ErrorCode::kUnavailable));
  EXPECT_EQ(transport.requests.size(), 1U);
}

TEST_F(HttpApiTest, a_create_that_was_sent_twice_is_one) {
  Json there = kService;
  there["metadata"]["uid"] = "u1";
  transport.answer(409, status("AlreadyExists"));
  transport.answer(200, there.dump());
  EXPECT_THAT(make().create(kService), test::IsOkAndHolds(there));
  there["spec"]["ports"] = {1, 2, 3};
  transport.answer(409, status("AlreadyExists"));
  transport.answer(200, there.dump());
  EXPECT_THAT(make().create(kService), HasCode(ErrorCode::kAlreadyExists));
}

TEST_F(HttpApiTest, a_list_is_all_of_its_pages) {
  transport.answer(200, R"({"metadata":{"continue":"t/1","resourceVersion":"5"},)"
                        R"("items":[{"metadata":{"name":"a"}}]})");
  transport.answer(200,
                   R"({"metadata":{"resourceVersion":"5"},"items":[{"metadata":{"name":"b"}}]})");
  const auto all = make().list(kPods, "shop", {"a=b,c", "spec.x=1"});
  ASSERT_THAT(all, IsOk());
  ASSERT_EQ((*all)["items"].size(), 2U);
  EXPECT_EQ((*all)["items"][1]["kind"], "Pod");
  EXPECT_EQ(
      transport.requests[0].target,
      "/api/v1/namespaces/shop/pods?limit=500&labelSelector=a%3Db%2Cc&fieldSelector=spec.x%3D1");
  EXPECT_NE(transport.requests[1].target.find("&continue=t%2F1"), std::string::npos);
}

TEST_F(HttpApiTest, a_list_whose_pages_expired_is_begun_again) {
  transport.answer(200, R"({"metadata":{"continue":"t"},"items":[{"metadata":{"name":"a"}}]})");
  transport.answer(410, status("Expired"));
  transport.answer(200, R"({"metadata":{},"items":[{"metadata":{"name":"c"}}]})");
  const auto all = make().list(kPods, "", {});
  ASSERT_THAT(all, IsOk());
  ASSERT_EQ((*all)["items"].size(), 1U);
  EXPECT_EQ((*all)["items"][0]["metadata"]["name"], "c");
}

TEST_F(HttpApiTest, writes_are_what_the_api_server_expects) {
  for (int i = 0; i < 4; ++i) transport.answer(200, kService.dump());
  HttpApi api = make();
  EXPECT_THAT(api.apply_status(kService, "sluice-operator-status"), IsOk());
  EXPECT_EQ(transport.requests[0].method, "PATCH");
  EXPECT_EQ(transport.requests[0].content_type, "application/apply-patch+yaml");
  EXPECT_EQ(transport.requests[0].target,
            "/api/v1/namespaces/shop/services/orders/status?fieldManager=sluice-operator-status"
            "&force=true");
  EXPECT_THAT(api.merge_patch({&kDeployments, "shop", "w"}, {{"spec", {{"replicas", 3}}}}, "scale"),
              IsOk());
  EXPECT_EQ(transport.requests[1].target, "/apis/apps/v1/namespaces/shop/deployments/w/scale");
  EXPECT_EQ(transport.requests[1].content_type, "application/merge-patch+json");
  EXPECT_THAT(api.remove({&kServices, "shop", "orders"}, {"u1", "7"}, Propagation::kOrphan),
              IsOk());
  EXPECT_EQ(Json::parse(transport.requests[2].body)["preconditions"],
            (Json{{"uid", "u1"}, {"resourceVersion", "7"}}));
  EXPECT_EQ(Json::parse(transport.requests[2].body)["propagationPolicy"], "Orphan");
}

TEST_F(HttpApiTest, what_is_gone_needs_no_removal_and_what_changed_is_left) {
  transport.answer(404, status("NotFound"));
  EXPECT_THAT(make().remove({&kServices, "shop", "a"}, {}, Propagation::kBackground), IsOk());
  transport.answer(409, status("Conflict"));
  EXPECT_THAT(make().remove({&kServices, "shop", "a"}, {}, Propagation::kBackground),
              HasCode(ErrorCode::kConflict));
}

}  // namespace
}  // namespace sluice::kube
