#include "operator/reconcile/subset_diff.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace sluice::reconcile {
namespace {

using kube::Json;
using testing::HasSubstr;

std::string diff(const char* wanted, const char* live) {
  return subset_diff(Json::parse(wanted), Json::parse(live)).value_or("");
}

TEST(SubsetDiff, WhatTheServerAddsIsNotADifference) {
  EXPECT_EQ(diff(R"({"spec":{"replicas":1}})",
                 R"({"spec":{"replicas":1,"paused":false},"status":{"x":1}})"),
            "");
}

TEST(SubsetDiff, NamesThePlaceAndBothValues) {
  EXPECT_EQ(diff(R"({"spec":{"replicas":3}})", R"({"spec":{"replicas":2}})"),
            "spec.replicas: 3 is wanted, 2 is there");
  EXPECT_EQ(diff(R"({"spec":{"replicas":3}})", R"({"spec":{}})"),
            "spec.replicas: 3 is wanted, nothing is there");
}

TEST(SubsetDiff, AmountsAreComparedAsAmountsUnderRequestsAndLimitsOnly) {
  EXPECT_EQ(diff(R"({"requests":{"storage":"1024Mi"}})", R"({"requests":{"storage":"1Gi"}})"), "");
  EXPECT_NE(diff(R"({"requests":{"storage":"1025Mi"}})", R"({"requests":{"storage":"1Gi"}})"), "");
  EXPECT_NE(diff(R"({"data":{"x":"1024Mi"}})", R"({"data":{"x":"1Gi"}})"), "");
}

TEST(SubsetDiff, ListsWithKeysAreComparedByKeyInAnyOrder) {
  const char* live = R"({"containers":[{"name":"proxy","image":"p"},
                                       {"name":"broker","image":"b","tty":false}]})";
  EXPECT_EQ(diff(R"({"containers":[{"name":"broker","image":"b"}]})", live), "");
  EXPECT_THAT(diff(R"({"containers":[{"name":"broker","image":"c"}]})", live),
              HasSubstr("containers[broker].image"));
  EXPECT_THAT(diff(R"({"containers":[{"name":"other"}]})", live), HasSubstr("containers[other]"));
}

TEST(SubsetDiff, PortsHaveNamesOrNumbers) {
  EXPECT_EQ(diff(R"({"ports":[{"port":1},{"port":2}]})",
                 R"({"ports":[{"port":2,"protocol":"TCP"},{"port":1}]})"),
            "");
}

TEST(SubsetDiff, OtherListsAreComparedAsTheyStand) {
  EXPECT_EQ(diff(R"({"args":["a","b"]})", R"({"args":["a","b"]})"), "");
  EXPECT_NE(diff(R"({"args":["a","b"]})", R"({"args":["b","a"]})"), "");
  EXPECT_NE(diff(R"({"args":["a"]})", R"({"args":["a","b"]})"), "");
  EXPECT_EQ(diff(R"({"from":[{"podSelector":{}}]})", R"({"from":[{"podSelector":{}}]})"), "");
}

TEST(SubsetDiff, NothingThatIsWantedMayBeMissing) {
  EXPECT_EQ(diff(R"({"egress":[],"resources":{}})", R"({})"), "");
  EXPECT_NE(diff(R"({"automount":false})", R"({})"), "");
}

TEST(SubsetDiff, OtherTypesDiffer) {
  EXPECT_NE(diff(R"({"a":{"b":1}})", R"({"a":[1]})"), "");
  EXPECT_NE(diff(R"({"a":[1]})", R"({"a":{"b":1}})"), "");
  EXPECT_NE(diff(R"({"a":[1]})", R"({"a":[]})"), "");
  EXPECT_NE(diff(R"({"ports":[{"port":1}]})", R"({"ports":[]})"), "");
}

TEST(SubsetDiff, TellsNothingOfASecret) {
  EXPECT_EQ(diff(R"({"data":{"server.key":"c2VjcmV0"}})", R"({"data":{"server.key":"b3RoZXI="}})"),
            "data.server.key: differs");
}

}  // namespace
}  // namespace sluice::reconcile
