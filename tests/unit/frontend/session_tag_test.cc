#include "frontend/session_tag.h"

#include <gtest/gtest.h>

#include <string>

namespace sluice::frontend {
namespace {

TEST(SessionTagTest, IsAlwaysTheSameForAKeyAndAnotherForAnother) {
  const std::string one(40, 'a');
  std::string two = one;
  two.back() = 'b';
  EXPECT_EQ(session_tag(one), session_tag(one));
  EXPECT_NE(session_tag(one), session_tag(two));
}

// Sessions outlive a restart, also that of another version.
TEST(SessionTagTest, KeepsItsValue) {
  constexpr std::array<unsigned char, kSessionTagBytes> kExpected = {0x85, 0x42, 0x28, 0x88,
                                                                     0xe0, 0x30, 0xf1, 0xcd};
  const auto tag = session_tag(std::string(40, 'a'));
  for (std::size_t i = 0; i < tag.size(); ++i) {
    EXPECT_EQ(std::to_integer<unsigned char>(tag[i]), kExpected[i]) << i;
  }
}

}  // namespace
}  // namespace sluice::frontend
