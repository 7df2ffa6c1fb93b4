#include "base/message.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "base/prng.h"
#include "tests/support/status_matchers.h"

namespace sluice::base {
namespace {

using test::HasCode;
using test::IsOk;
using testing::HasSubstr;

Message rich_message() {
  Message message;
  message.body = "body";
  message.key = "customer-7";
  message.group = "eu";
  message.dedup_id = "order-17";
  message.priority = 9;
  message.deliver_at = WallTime(1'000);
  message.expires_at = WallTime(2'000);
  message.headers = {{"traceparent", "00-1"}, {"empty", ""}, {"traceparent", "00-2"}};
  return message;
}

void expect_equal(const Message& a, const Message& b) {
  EXPECT_EQ(a.body, b.body);
  EXPECT_EQ(a.key, b.key);
  EXPECT_EQ(a.group, b.group);
  EXPECT_EQ(a.dedup_id, b.dedup_id);
  EXPECT_EQ(a.priority, b.priority);
  EXPECT_EQ(a.deliver_at, b.deliver_at);
  EXPECT_EQ(a.expires_at, b.expires_at);
  EXPECT_EQ(a.headers, b.headers);
}

Message with_headers(std::vector<std::pair<std::string, std::string>> headers) {
  Message message;
  message.headers = std::move(headers);
  return message;
}

std::string text(std::size_t length) { return std::string(length, 'x'); }

TEST(AppendEntryTest, the_bytes_are_those_of_the_table) {
  Message message;
  message.body = "BB";
  message.key = "k";
  message.priority = 4;
  std::vector<std::byte> out;
  ASSERT_THAT(append_entry(message, out), IsOk());
  const std::string expected("\x0F\0\0\0\x05\0\x04\0\x01\0\x01\0kBB", 15);
  EXPECT_EQ(as_text(out), expected);
}

TEST(AppendEntryTest, a_bare_body_is_the_same_by_either_way) {
  std::vector<std::byte> fast;
  append_entry(as_bytes("hello"), fast);
  Message message;
  message.body = "hello";
  std::vector<std::byte> slow;
  ASSERT_THAT(append_entry(message, slow), IsOk());
  EXPECT_EQ(fast, slow);
  EXPECT_EQ(as_text(fast), std::string("\x0D\0\0\0\0\0\xFF\0hello", 13));
}

TEST(AppendEntryTest, every_field_comes_back) {
  std::vector<std::byte> out;
  ASSERT_THAT(append_entry(rich_message(), out), IsOk());
  ASSERT_THAT(append_entry(Message(), out), IsOk());
  ASSERT_THAT(summarize_batch(out), IsOk());
  ByteView rest = out;
  expect_equal(to_message(take_entry(rest)), rich_message());
  expect_equal(to_message(take_entry(rest)), Message());
  EXPECT_TRUE(rest.empty());
}

TEST(AppendEntryTest, what_is_at_its_limit_passes) {
  Message message;
  message.key = text(kKeyBytesMax);
  message.group = text(kGroupBytesMax);
  message.dedup_id = text(kDedupIdBytesMax);
  message.priority = kPriorityMax;
  std::size_t used = 3 * kAttributeHeaderBytes + kKeyBytesMax + kGroupBytesMax + kDedupIdBytesMax;
  const std::string name = text(kHeaderNameBytesMax);
  used += kAttributeHeaderBytes + 2 + name.size();
  message.headers = {{name, text(kAttributesBytesMax - used)}};
  message.body = text(kBatchEntriesBytesMax - kAttributesBytesMax - kEntryHeaderBytes);
  std::vector<std::byte> out;
  ASSERT_THAT(append_entry(message, out), IsOk());
  EXPECT_EQ(out.size(), kBatchEntriesBytesMax);
  EXPECT_THAT(summarize_batch(out), IsOk());
}

struct TooMuch {
  const char* error;
  void (*spoil)(Message&);
};
class AppendEntryLimits : public testing::TestWithParam<TooMuch> {};

TEST_P(AppendEntryLimits, what_is_over_its_limit_is_refused_and_changes_nothing) {
  Message message = rich_message();
  GetParam().spoil(message);
  std::vector<std::byte> out(3, std::byte{1});
  const Status status = append_entry(message, out);
  EXPECT_THAT(status, HasCode(ErrorCode::kInvalidArgument));
  EXPECT_THAT(status.error().message(), HasSubstr(GetParam().error));
  EXPECT_EQ(out, std::vector<std::byte>(3, std::byte{1}));
}

INSTANTIATE_TEST_SUITE_P(
    All, AppendEntryLimits,
    testing::Values(
        TooMuch{"key is longer", [](Message& m) { m.key = text(1025); }},
        TooMuch{"group is longer", [](Message& m) { m.group = text(257); }},
        TooMuch{"dedup id is longer", [](Message& m) { m.dedup_id = text(257); }},
        TooMuch{"priority is above 31", [](Message& m) { m.priority = 32; }},
        TooMuch{"deliver-at is negative", [](Message& m) { m.deliver_at = WallTime(-1); }},
        TooMuch{"expires-at is negative", [](Message& m) { m.expires_at = WallTime(-1); }},
        TooMuch{"header name is empty",
                [](Message& m) {
                  m.headers = {{"", "x"}};
                }},
        TooMuch{"header name is longer",
                [](Message& m) {
                  m.headers = {{text(257), "x"}};
                }},
        TooMuch{"headers take",
                [](Message& m) {
                  m.headers = {{"a", text(20'000)}};
                }},
        TooMuch{"body is", [](Message& m) { m.body = text(kLargeBodyBytesMax + 1); }}));

TEST(LargeEntryTest, its_front_tells_all_but_the_body) {
  Message message = rich_message();
  message.body = text(1'000'000);
  std::vector<std::byte> entry;
  ASSERT_THAT(append_entry(message, entry), IsOk());
  const ByteView front = ByteView(entry).first(10'000);
  const auto summary = summarize_large(front, entry.size());
  ASSERT_THAT(summary, IsOk());
  EXPECT_EQ(summary->count, 1U);
  EXPECT_EQ(summary->body_bytes, 1'000'000U);
  EXPECT_EQ(summary->largest_body, 1'000'000U);
  EXPECT_TRUE(summary->has_attributes);
  EXPECT_THAT(summarize_large(front.first(20), entry.size()), HasCode(ErrorCode::kInvalidArgument));
  EXPECT_THAT(summarize_large(front.first(7), entry.size()), HasCode(ErrorCode::kInvalidArgument));
  EXPECT_THAT(summarize_large(front, entry.size() - 1), HasCode(ErrorCode::kInvalidArgument));

  std::vector<std::byte> cut;
  append_cut_entry(front, 100, true, cut);
  ASSERT_THAT(summarize_batch(cut), IsOk());
  ByteView rest = cut;
  const MessageView view = take_entry(rest);
  EXPECT_EQ(view.body.size(), 100U);
  EXPECT_EQ(whole_body_bytes(view.attributes), 1'000'000U);
  Message shown = to_message(view);
  shown.body = message.body;
  std::vector<std::byte> again;
  ASSERT_THAT(append_entry(shown, again), IsOk());
  EXPECT_EQ(again, entry);

  cut.clear();
  append_cut_entry(front, 0, false, cut);
  rest = cut;
  EXPECT_FALSE(whole_body_bytes(take_entry(rest).attributes).has_value());
}

TEST(SummarizeBatchTest, it_counts_what_the_broker_needs) {
  std::vector<std::byte> batch;
  append_entry(as_bytes("12345"), batch);
  append_entry(as_bytes(""), batch);
  append_entry(as_bytes("123"), batch);
  const Result<BatchSummary> bare = summarize_batch(batch);
  ASSERT_THAT(bare, IsOk());
  EXPECT_EQ(bare->count, 3U);
  EXPECT_EQ(bare->body_bytes, 8U);
  EXPECT_EQ(bare->largest_body, 5U);
  EXPECT_FALSE(bare->has_attributes);
  EXPECT_FALSE(bare->has_timing);

  Message prioritized;
  prioritized.priority = 0;
  prioritized.body = "1234567";
  ASSERT_THAT(append_entry(prioritized, batch), IsOk());
  const Result<BatchSummary> mixed = summarize_batch(batch);
  ASSERT_THAT(mixed, IsOk());
  EXPECT_EQ(mixed->count, 4U);
  EXPECT_TRUE(mixed->has_attributes);
  EXPECT_FALSE(mixed->has_timing);

  ASSERT_THAT(append_entry(rich_message(), batch), IsOk());
  const Result<BatchSummary> timed = summarize_batch(batch);
  ASSERT_THAT(timed, IsOk());
  EXPECT_EQ(timed->body_bytes, 8U + 7U + 4U);
  EXPECT_EQ(timed->largest_body, 7U);
  EXPECT_TRUE(timed->has_timing);
}

TEST(SummarizeBatchTest, either_time_is_timing) {
  for (const bool deliver : {true, false}) {
    Message message;
    (deliver ? message.deliver_at : message.expires_at) = WallTime(5);
    std::vector<std::byte> batch;
    ASSERT_THAT(append_entry(message, batch), IsOk());
    ASSERT_THAT(summarize_batch(batch), IsOk());
    EXPECT_TRUE(summarize_batch(batch)->has_timing);
  }
}

TEST(SummarizeBatchTest, an_attribute_of_a_later_version_is_passed_on) {
  std::vector<std::byte> batch;
  ByteWriter writer(batch);
  writer.u32(8 + 4 + 3 + 1);
  writer.u16(4 + 3);
  writer.u8(kPriorityUnset);
  writer.u8(0);
  writer.u8(200);
  writer.u8(0);
  writer.u16(3);
  writer.bytes(as_bytes("abcB"));
  ASSERT_THAT(summarize_batch(batch), IsOk());
  ByteView rest = batch;
  const MessageView view = take_entry(rest);
  EXPECT_EQ(as_text(view.body), "B");
  const Result<MessageAttributes> attributes = decode_attributes(view.attributes);
  ASSERT_THAT(attributes, IsOk());
  EXPECT_TRUE(attributes->headers.empty());
}

// --- Malformed batches: a good message, then one whose bytes are given.

struct Malformed {
  const char* error;
  std::string bytes;
};

std::string entry(const std::string& attributes, const std::string& body, int priority = 255,
                  int reserved = 0) {
  std::vector<std::byte> out;
  ByteWriter writer(out);
  writer.u32(static_cast<std::uint32_t>(kEntryHeaderBytes + attributes.size() + body.size()));
  writer.u16(static_cast<std::uint16_t>(attributes.size()));
  writer.u8(static_cast<std::uint8_t>(priority));
  writer.u8(static_cast<std::uint8_t>(reserved));
  return std::string(as_text(out)) + attributes + body;
}

std::string attribute(int type, const std::string& value, int reserved = 0) {
  std::vector<std::byte> out;
  ByteWriter writer(out);
  writer.u8(static_cast<std::uint8_t>(type));
  writer.u8(static_cast<std::uint8_t>(reserved));
  writer.u16(static_cast<std::uint16_t>(value.size()));
  return std::string(as_text(out)) + value;
}

std::string header_value(int name_bytes, const std::string& rest) {
  std::vector<std::byte> out;
  ByteWriter(out).u16(static_cast<std::uint16_t>(name_bytes));
  return std::string(as_text(out)) + rest;
}

std::string minus_one() { return std::string(8, '\xFF'); }
std::string eight() { return std::string("\x01\0\0\0\0\0\0\0", 8); }

class SummarizeMalformed : public testing::TestWithParam<Malformed> {};

TEST_P(SummarizeMalformed, the_batch_is_refused_naming_message_and_field) {
  const std::string batch = entry("", "good") + GetParam().bytes;
  const Result<BatchSummary> summary = summarize_batch(as_bytes(batch));
  ASSERT_THAT(summary, HasCode(ErrorCode::kInvalidArgument));
  EXPECT_EQ(summary.error().message(), std::string("message 1 of the batch: ") + GetParam().error);
}

INSTANTIATE_TEST_SUITE_P(
    Entries, SummarizeMalformed,
    testing::Values(
        Malformed{"ends inside its header", std::string(1, '\0')},
        Malformed{"ends inside its header", std::string("\x08\0\0\0\0\0\xFF", 7)},
        Malformed{"entry_bytes is less than its header", std::string("\0\0\0\0\0\0\xFF\0", 8)},
        Malformed{"entry_bytes is less than its header", std::string("\x07\0\0\0\0\0\xFF\0", 8)},
        Malformed{"entry_bytes is more than the batch holds", entry("", "body").substr(0, 11)},
        Malformed{"entry_bytes is more than the batch holds",
                  std::string("\xFF\xFF\xFF\xFF\0\0\xFF\0", 8)},
        Malformed{"reserved byte is not 0", entry("", "body", 255, 1)},
        Malformed{"priority is above 31", entry("", "body", 32)},
        Malformed{"priority is above 31", entry("", "body", 254)},
        Malformed{"attribute_bytes is more than the entry holds",
                  std::string("\x08\0\0\0\x01\0\xFF\0", 8)},
        Malformed{"attribute_bytes is above 16384",
                  entry(attribute(200, text(kAttributesBytesMax - 3)), "")}));

INSTANTIATE_TEST_SUITE_P(
    Attributes, SummarizeMalformed,
    testing::Values(
        Malformed{"attribute ends inside its header", entry(std::string("\x01\0\0", 3), "body")},
        Malformed{"attribute reserved byte is not 0", entry(attribute(1, "k", 1), "body")},
        Malformed{"attribute reserved byte is not 0", entry(attribute(200, "k", 1), "body")},
        Malformed{"attribute is longer than the attribute section",
                  entry(std::string("\x01\0\x02\0k", 5), "body")},
        Malformed{"attribute is longer than the attribute section",
                  entry(std::string("\xC8\0\xFF\xFFk", 5), "body")},
        Malformed{"attribute type is unknown", entry(attribute(0, "k"), "body")},
        Malformed{"attribute type is unknown", entry(attribute(7, "k"), "body")},
        Malformed{"attribute type is unknown", entry(attribute(127, "k"), "body")},
        Malformed{"key is longer than 1024 bytes", entry(attribute(1, text(1025)), "body")},
        Malformed{"group is longer than 256 bytes", entry(attribute(2, text(257)), "body")},
        Malformed{"dedup id is longer than 256 bytes", entry(attribute(3, text(257)), "body")},
        Malformed{"deliver-at is not 8 bytes long", entry(attribute(4, "1234567"), "body")},
        Malformed{"deliver-at is negative", entry(attribute(4, minus_one()), "body")},
        Malformed{"expires-at is not 8 bytes long", entry(attribute(5, "123456789"), "body")},
        Malformed{"expires-at is negative", entry(attribute(5, minus_one()), "body")},
        Malformed{"header ends before its name's length", entry(attribute(6, "x"), "body")},
        Malformed{"header name is empty", entry(attribute(6, header_value(0, "v")), "body")},
        Malformed{"header name is longer than 256 bytes",
                  entry(attribute(6, header_value(257, text(300))), "body")},
        Malformed{"header ends inside its name",
                  entry(attribute(6, header_value(3, "ab")), "body")},
        Malformed{"key is given twice",
                  entry(attribute(1, "a") + attribute(6, header_value(1, "h")) + attribute(1, "a"),
                        "body")},
        Malformed{"group is given twice", entry(attribute(2, "a") + attribute(2, "b"), "")},
        Malformed{"dedup id is given twice", entry(attribute(3, "a") + attribute(3, "b"), "")},
        Malformed{"deliver-at is given twice",
                  entry(attribute(4, eight()) + attribute(4, eight()), "")},
        Malformed{"expires-at is given twice",
                  entry(attribute(5, eight()) + attribute(5, eight()), "")}));

TEST(SummarizeBatchTest, an_empty_batch_is_refused) {
  EXPECT_THAT(summarize_batch({}), HasCode(ErrorCode::kInvalidArgument));
  EXPECT_FALSE(is_batch_of_one({}));
}

TEST(SummarizeBatchTest, a_batch_over_its_limit_is_refused_unread) {
  const std::vector<std::byte> batch(kBatchEntriesBytesMax + 1);
  const Result<BatchSummary> summary = summarize_batch(batch);
  ASSERT_THAT(summary, HasCode(ErrorCode::kInvalidArgument));
  EXPECT_THAT(summary.error().message(), HasSubstr("261121 bytes, 261120 at most"));
}

TEST(DecodeAttributesTest, it_refuses_what_a_batch_is_refused_for) {
  const std::string bytes = attribute(1, text(1025));
  const Result<MessageAttributes> attributes = decode_attributes(as_bytes(bytes));
  ASSERT_THAT(attributes, HasCode(ErrorCode::kInvalidArgument));
  EXPECT_EQ(attributes.error().message(), "key is longer than 1024 bytes");
}

// Whatever a peer sends: the summary is an error, or every entry can be taken, decoded and encoded
// again. The batch lies in a vector of exactly its size, so that the address sanitizer sees a read
// past its end.
TEST(SummarizeBatchTest, mutated_batches_are_refused_or_wholly_usable) {
  Prng prng(20'260'102);
  int accepted = 0;
  for (int round = 0; round < 20'000; ++round) {
    std::vector<std::byte> batch;
    for (std::uint64_t i = prng.below(4) + 1; i > 0; --i) {
      if (prng.chance(0.5)) {
        append_entry(as_bytes(text(prng.below(20))), batch);
      } else {
        ASSERT_THAT(append_entry(prng.chance(0.5) ? rich_message()
                                                  : with_headers({{"a", text(prng.below(9))}}),
                                 batch),
                    IsOk());
      }
    }
    for (std::uint64_t i = prng.below(3); i > 0; --i) {
      std::byte& byte = batch[prng.below(batch.size())];
      byte = prng.chance(0.5) ? static_cast<std::byte>(prng.next())
                              : byte ^ static_cast<std::byte>(1U << prng.below(8));
    }
    if (prng.chance(0.3)) batch.resize(prng.below(batch.size()));
    batch.shrink_to_fit();

    const Result<BatchSummary> summary = summarize_batch(batch);
    ASSERT_EQ(is_batch_of_one(batch), summary.has_value() && summary->count == 1);
    if (!summary.has_value()) {
      ASSERT_EQ(summary.error().code(), ErrorCode::kInvalidArgument);
      continue;
    }
    ++accepted;
    std::uint32_t count = 0;
    std::uint64_t body_bytes = 0;
    std::vector<std::byte> again;
    for (ByteView rest = batch; !rest.empty(); ++count) {
      const MessageView view = take_entry(rest);
      body_bytes += view.body.size();
      ASSERT_THAT(append_entry(to_message(view), again), IsOk());
    }
    ASSERT_EQ(count, summary->count);
    ASSERT_EQ(body_bytes, summary->body_bytes);
    ASSERT_THAT(summarize_batch(again), IsOk());
    ASSERT_EQ(summarize_batch(again)->body_bytes, body_bytes);
  }
  EXPECT_GT(accepted, 1'000);
}

}  // namespace
}  // namespace sluice::base
