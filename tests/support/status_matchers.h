#pragma once

#include <gmock/gmock.h>

#include <ostream>
#include <string>
#include <type_traits>

#include "base/result.h"

namespace sluice::base {

// Lets a failed expectation show the error instead of the object's bytes.
template <typename T>
void PrintTo(const Result<T>& result, std::ostream* out) {  // NOLINT: gtest looks for this name
  if (!result.has_value()) {
    *out << result.error().to_string();
  } else if constexpr (std::is_void_v<T>) {
    *out << "OK";
  } else {
    *out << "OK with " << testing::PrintToString(result.value());
  }
}

}  // namespace sluice::base

namespace sluice::test {

// Matchers for Status and Result<T>.

MATCHER(IsOk, negation ? "is an error" : "is OK") { return arg.has_value(); }

MATCHER_P(IsOkAndHolds, value_matcher,
          (negation ? "is an error or holds a value that does not match: "
                    : "is OK and holds a value that ") +
              testing::DescribeMatcher<typename std::remove_cvref_t<arg_type>::value_type>(
                  value_matcher)) {
  return arg.has_value() && testing::ExplainMatchResult(value_matcher, *arg, result_listener);
}

MATCHER_P(HasCode, code,
          (negation ? "is OK or an error without the code " : "is an error with the code ") +
              std::string(base::to_string(code))) {
  return !arg.has_value() && arg.error().code() == code;
}

}  // namespace sluice::test
