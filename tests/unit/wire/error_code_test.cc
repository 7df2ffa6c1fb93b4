#include "wire/error_code.h"

#include <gtest/gtest.h>

#include <set>

#include "broker/refusal.h"

namespace sluice::wire {
namespace {

using broker::RefusalCode;

constexpr std::uint16_t number(Code code) { return static_cast<std::uint16_t>(code); }
constexpr std::uint16_t number(RefusalCode code) { return static_cast<std::uint16_t>(code); }

// The broker's refusals pass unchanged: a name that meant two numbers would be told wrongly.
#define SLUICE_SAME_NUMBER(Name) static_assert(number(Code::Name) == number(RefusalCode::Name))
SLUICE_SAME_NUMBER(kNone);
SLUICE_SAME_NUMBER(kMalformed);
SLUICE_SAME_NUMBER(kUnsupportedVersion);
SLUICE_SAME_NUMBER(kNoSession);
SLUICE_SAME_NUMBER(kSessionFenced);
SLUICE_SAME_NUMBER(kUnknownQueue);
SLUICE_SAME_NUMBER(kUnknownSubscription);
SLUICE_SAME_NUMBER(kUnknownShard);
SLUICE_SAME_NUMBER(kStaleShardMap);
SLUICE_SAME_NUMBER(kQueueFull);
SLUICE_SAME_NUMBER(kMessageTooLarge);
SLUICE_SAME_NUMBER(kDiskLow);
SLUICE_SAME_NUMBER(kProducerFenced);
SLUICE_SAME_NUMBER(kProducerGap);
SLUICE_SAME_NUMBER(kUnknownProducer);
SLUICE_SAME_NUMBER(kCreditExceeded);
SLUICE_SAME_NUMBER(kStaleReceipt);
SLUICE_SAME_NUMBER(kUnknownHandle);
SLUICE_SAME_NUMBER(kInvalidArgument);
SLUICE_SAME_NUMBER(kPermissionDenied);
SLUICE_SAME_NUMBER(kTaskRunning);
SLUICE_SAME_NUMBER(kUnknownTask);
SLUICE_SAME_NUMBER(kLimitReached);
SLUICE_SAME_NUMBER(kUnimplemented);
SLUICE_SAME_NUMBER(kShuttingDown);
SLUICE_SAME_NUMBER(kDedupFull);
SLUICE_SAME_NUMBER(kNotReady);
SLUICE_SAME_NUMBER(kStaleLeader);
SLUICE_SAME_NUMBER(kNotEmpty);

TEST(ErrorCode, EveryCodeHasANameOfItsOwn) {
  std::set<std::string_view> names;
  for (std::uint16_t code = 0; code < kCodesEnd; ++code) {
    names.insert(to_string(static_cast<Code>(code)));
  }
  EXPECT_EQ(names.size(), kCodesEnd);
  EXPECT_EQ(to_string(Code::kQueueFull), "QueueFull");
  EXPECT_EQ(to_string(Code::kNotReady), "NotReady");
}

TEST(ErrorCode, ANumberOfALaterVersionIsUnknown) {
  EXPECT_EQ(to_string(static_cast<Code>(kCodesEnd)), "Unknown");
  EXPECT_EQ(to_string(static_cast<Code>(65'535)), "Unknown");
}

}  // namespace
}  // namespace sluice::wire
