#include "kube/object_ref.h"

#include <gtest/gtest.h>

#include "kube/api_error.h"
#include "tests/support/status_matchers.h"

namespace sluice::kube {
namespace {

using base::ErrorCode;
using test::HasCode;
using test::IsOkAndHolds;

TEST(ObjectRefTest, paths_are_those_of_the_api_server) {
  EXPECT_EQ(object_path({&kPods, "shop", "a"}), "/api/v1/namespaces/shop/pods/a");
  EXPECT_EQ(object_path({&kDeployments, "shop", "w"}, "scale"),
            "/apis/apps/v1/namespaces/shop/deployments/w/scale");
  EXPECT_EQ(object_path({&kNamespaces, "", "shop"}), "/api/v1/namespaces/shop");
  EXPECT_EQ(collection_path(kQueues, ""), "/apis/sluice.dev/v1alpha1/queues");
}

TEST(ObjectRefTest, a_name_cannot_leave_its_place_in_the_path) {
  EXPECT_EQ(object_path({&kSecrets, "a/b", "../x?y"}),
            "/api/v1/namespaces/a%2Fb/secrets/..%2Fx%3Fy");
}

TEST(ObjectRefTest, an_object_says_what_it_is) {
  const Json object = {{"apiVersion", "apps/v1"},
                       {"kind", "StatefulSet"},
                       {"metadata", {{"name", "orders"}, {"namespace", "shop"}, {"uid", "u1"}}}};
  EXPECT_THAT(ref_of(object), IsOkAndHolds(ObjectRef{&kStatefulSets, "shop", "orders"}));
  EXPECT_EQ(uid_of(object), "u1");
  EXPECT_EQ(resource_version_of(object), "");
}

TEST(ObjectRefTest, what_no_path_leads_to_is_refused) {
  EXPECT_THAT(ref_of({{"apiVersion", "v9"}, {"kind", "Pod"}, {"metadata", {{"name", "a"}}}}),
              HasCode(ErrorCode::kInvalidArgument));
  EXPECT_THAT(ref_of({{"apiVersion", "v1"}, {"kind", "Pod"}}),
              HasCode(ErrorCode::kInvalidArgument));
  EXPECT_THAT(ref_of(Json(3)), HasCode(ErrorCode::kInvalidArgument));
}

TEST(ApiErrorTest, callers_can_tell_what_they_act_on) {
  const auto code = [](int status, const char* reason) {
    return error_of(status, Json{{"kind", "Status"}, {"reason", reason}}.dump()).code();
  };
  EXPECT_EQ(code(404, "NotFound"), ErrorCode::kNotFound);
  EXPECT_EQ(code(409, "AlreadyExists"), ErrorCode::kAlreadyExists);
  EXPECT_EQ(code(409, "Conflict"), ErrorCode::kConflict);
  EXPECT_EQ(code(422, "Invalid"), ErrorCode::kInvalidArgument);
  EXPECT_EQ(code(403, "Forbidden"), ErrorCode::kPermissionDenied);
  EXPECT_EQ(code(401, "Unauthorized"), ErrorCode::kPermissionDenied);
  EXPECT_EQ(code(429, "TooManyRequests"), ErrorCode::kUnavailable);
  EXPECT_EQ(code(504, "Timeout"), ErrorCode::kUnavailable);
  EXPECT_EQ(code(302, ""), ErrorCode::kUnavailable);
}

TEST(ApiErrorTest, a_person_reads_the_servers_own_words) {
  EXPECT_EQ(error_of(422, R"({"reason":"Invalid","message":"spec.shards: too many"})").message(),
            "spec.shards: too many (HTTP 422, Invalid)");
  EXPECT_EQ(error_of(502, "<html>bad gateway\nmore").message(), "<html>bad gateway (HTTP 502)");
  EXPECT_EQ(error_of(500, "").message(), "no reason given (HTTP 500)");
}

}  // namespace
}  // namespace sluice::kube
