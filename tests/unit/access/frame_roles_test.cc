#include "access/frame_roles.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <fstream>
#include <map>
#include <set>
#include <sstream>
#include <string>

#include "wire/frame_type.h"

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

constexpr std::array kRoles = {Role::kProduce, Role::kConsume, Role::kInspect, Role::kAdmin,
                               Role::kOperator};

// The frames that need the role.
std::set<std::string> frames_of(Role role) {
  std::set<std::string> frames;
  for (int number = 0; number < 256; ++number) {
    const auto type = static_cast<FrameType>(number);
    if (wire::to_string(type).empty() || !roles_for(type).any_of(role)) continue;
    frames.emplace(wire::to_string(type));
  }
  return frames;
}

// The same as a row of docs/protocol.md, "Roles", tells them.
std::set<std::string> frames_in(const std::string& row) {
  std::istringstream in(row);
  std::set<std::string> frames;
  for (std::string word; in >> word;) {
    while (!word.empty() && (word.back() == ',' || word.back() == ':')) word.pop_back();
    const bool is_frame = !word.empty() && std::all_of(word.begin(), word.end(), [](char c) {
      return c == '_' || ('A' <= c && c <= 'Z');
    });
    if (is_frame) frames.insert(word);
  }
  return frames;
}

TEST(FrameRolesTest, TheProtocolsPageHasTheSameTable) {
  std::ifstream in(SLUICE_TEST_SOURCE_DIR "/docs/protocol.md");
  std::map<std::string, std::set<std::string>> told;
  for (std::string line; std::getline(in, line);) {
    for (const Role role : kRoles) {
      const std::string name = to_string(RoleSet(role));
      if (line.starts_with("| " + name + " | ")) told[name] = frames_in(line);
    }
  }
  for (const Role role : kRoles) EXPECT_EQ(told[to_string(RoleSet(role))], frames_of(role));
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
