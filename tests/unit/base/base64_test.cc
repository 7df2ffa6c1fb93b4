#include "base/base64.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "tests/support/status_matchers.h"

namespace sluice::base {
namespace {

using test::HasCode;
using test::IsOkAndHolds;

TEST(Base64Test, it_is_read_and_written) {
  for (const std::string text : {"", "a", "ab", "abc", "abcd", "\xff\x00\x10z"}) {
    EXPECT_THAT(decode_base64(encode_base64(text)), IsOkAndHolds(text));
  }
  EXPECT_EQ(encode_base64("CERT"), "Q0VSVA==");
  EXPECT_EQ(encode_base64(""), "");
  EXPECT_EQ(encode_base64("f"), "Zg==");
  EXPECT_EQ(encode_base64("fo"), "Zm8=");
  EXPECT_EQ(encode_base64("foobar"), "Zm9vYmFy");
  EXPECT_EQ(encode_base64("\xFF\xFE"), "//4=");
  for (const char* bad : {"a", "ab=", "a===", "ab=c", "ab!d", "===="}) {
    EXPECT_THAT(decode_base64(bad), HasCode(ErrorCode::kInvalidArgument)) << bad;
  }
}

}  // namespace
}  // namespace sluice::base
