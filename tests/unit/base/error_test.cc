#include "base/error.h"

#include <gtest/gtest.h>

#include <cerrno>
#include <set>

namespace sluice::base {
namespace {

TEST(ErrorTest, a_person_sees_code_and_message) {
  EXPECT_EQ(corruption("segment 3: bad crc").to_string(), "Corruption: segment 3: bad crc");
}

TEST(ErrorTest, a_prefix_keeps_the_code) {
  const Error error = not_found("no such file").with_prefix("snapshot");
  EXPECT_EQ(error.code(), ErrorCode::kNotFound);
  EXPECT_EQ(error.message(), "snapshot: no such file");
}

TEST(ErrorTest, every_code_has_a_name_of_its_own) {
  std::set<std::string_view> names;
  for (int i = 0; i <= static_cast<int>(ErrorCode::kPermissionDenied); ++i) {
    names.insert(to_string(static_cast<ErrorCode>(i)));
  }
  EXPECT_EQ(names.size(), 12U);
  EXPECT_FALSE(names.contains("Unknown"));
}

TEST(IoErrorTest, the_codes_somebody_acts_on_are_told_apart) {
  EXPECT_EQ(io_error("write", ENOSPC).code(), ErrorCode::kResourceExhausted);
  EXPECT_EQ(io_error("write", EDQUOT).code(), ErrorCode::kResourceExhausted);
  EXPECT_EQ(io_error("open", ENOENT).code(), ErrorCode::kNotFound);
  EXPECT_EQ(io_error("open", EEXIST).code(), ErrorCode::kAlreadyExists);
  EXPECT_EQ(io_error("write", EIO).code(), ErrorCode::kIo);
}

TEST(IoErrorTest, the_message_says_what_and_why) {
  EXPECT_EQ(io_error("open 'a/b'", ENOENT).message(), "open 'a/b': No such file or directory");
}

}  // namespace
}  // namespace sluice::base
