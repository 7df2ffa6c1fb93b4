#include "access/frame_roles.h"

#include <gtest/gtest.h>

namespace sluice::access {
namespace {

using wire::FrameType;

TEST(FrameRolesTest, EachCommandNeedsTheRoleOfTheTable) {
  EXPECT_EQ(roles_for(FrameType::kPublish), RoleSet(Role::kProduce));
  EXPECT_EQ(roles_for(FrameType::kOpenPublisher), RoleSet(Role::kProduce));
  for (const FrameType type : {FrameType::kAttach, FrameType::kCredit, FrameType::kSettle,
                               FrameType::kExtend, FrameType::kDetach}) {
    EXPECT_EQ(roles_for(type), RoleSet(Role::kConsume));
  }
  for (const FrameType type : {FrameType::kPeek, FrameType::kStat}) {
    EXPECT_EQ(roles_for(type), RoleSet(Role::kInspect));
  }
  for (const FrameType type : {FrameType::kRedrive, FrameType::kPurge, FrameType::kStartTask,
                               FrameType::kCancelTask, FrameType::kDeleteQueue}) {
    EXPECT_EQ(roles_for(type), RoleSet(Role::kAdmin));
  }
  for (const FrameType type : {FrameType::kObserve, FrameType::kConfigure, FrameType::kCordon,
                               FrameType::kRemoveQueue, FrameType::kWatch}) {
    EXPECT_EQ(roles_for(type), RoleSet(Role::kOperator));
  }
}

TEST(FrameRolesTest, EveryClientsRoleMayResolveAndTheOperatorMayNot) {
  const RoleSet roles = roles_for(FrameType::kResolve);
  for (const Role role : {Role::kProduce, Role::kConsume, Role::kInspect, Role::kAdmin}) {
    EXPECT_TRUE(roles.any_of(role));
  }
  EXPECT_FALSE(roles.any_of(Role::kOperator));
}

TEST(FrameRolesTest, SessionsNeedNone) {
  for (const FrameType type : {FrameType::kHello, FrameType::kHeartbeat, FrameType::kGoodbye}) {
    EXPECT_TRUE(roles_for(type).empty());
  }
}

TEST(RoleTest, ReadsAndWritesLists) {
  const auto roles = parse_roles("produce,inspect");
  ASSERT_TRUE(roles.has_value());
  EXPECT_EQ(to_string(*roles), "produce,inspect");
  EXPECT_EQ(to_string(*roles, " or "), "produce or inspect");
  EXPECT_FALSE(parse_roles("").has_value());
  EXPECT_FALSE(parse_roles("produce,").has_value());
  EXPECT_FALSE(parse_roles("Produce").has_value());
}

}  // namespace
}  // namespace sluice::access
