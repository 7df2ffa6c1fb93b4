#include "tests/unit/storage/log_harness.h"

#include <gtest/gtest.h>

#include "base/check.h"
#include "base/message.h"
#include "storage/fact_codec.h"
#include "storage/segment_header.h"

namespace sluice::storage::test {

using base::ByteView;
using base::Sequence;
using base::Status;

StreamId stream_number(unsigned number) {
  StreamId stream;
  stream.queue.bytes[0] = static_cast<std::uint8_t>(number);
  stream.queue.bytes[15] = 0x51;
  return stream;
}

std::vector<std::byte> bytes_of(std::string_view text) {
  const ByteView bytes = base::as_bytes(text);
  return {bytes.begin(), bytes.end()};
}

std::string body_of(std::uint64_t sequence, std::size_t body_bytes) {
  std::string body = "message " + std::to_string(sequence) + ' ';
  const char fill = static_cast<char>('a' + sequence % 26);
  if (body.size() < body_bytes) body.append(body_bytes - body.size(), fill);
  return body;
}

std::vector<std::byte> batch_from(std::uint64_t first, std::uint32_t count,
                                  std::size_t body_bytes) {
  std::vector<std::byte> entries;
  for (std::uint64_t sequence = first; sequence < first + count; ++sequence) {
    base::append_entry(base::as_bytes(body_of(sequence, body_bytes)), entries);
  }
  return entries;
}

std::vector<std::byte> large_entry(std::uint64_t sequence, std::size_t body_bytes) {
  base::Message message;
  message.key = "k" + std::to_string(sequence);
  message.body = body_of(sequence, body_bytes);
  std::vector<std::byte> entry;
  CHECK(base::append_entry(message, entry).has_value());
  return entry;
}

LogHarness::LogHarness(std::uint64_t segment_bytes, std::uint64_t seed)
    : segment_bytes_(segment_bytes),
      prng_(seed),
      fs_(std::make_unique<runtime::MemoryFileSystem>()) {}

LogOptions LogHarness::options() {
  LogOptions options;
  options.segment_bytes = segment_bytes_;
  options.feature_level = feature_level;
  options.feature_level_supported = feature_level_supported;
  options.reserve_segments_max = reserve_segments_max;
  options.snapshot_every_changes = snapshot_every_changes;
  options.owner = "pid 1 on test";
  options.random_id = [this] { return prng_.id128(); };
  return options;
}

std::vector<std::string> LogHarness::names_in(const std::string& folder) {
  auto names = fs_->list(folder);
  return names ? std::move(names).value() : std::vector<std::string>();
}

void LogHarness::use(std::unique_ptr<runtime::MemoryFileSystem> fs) {
  close();
  fs_ = std::move(fs);
}

Status LogHarness::open() {
  log_.reset();
  replayed_.clear();
  ASSIGN_OR_RETURN(log_, open_log(*fs_, kFolder, options()));
  return log_->replay([this](const RecordView& view) -> Status {
    Replayed& copy = replayed_.emplace_back();
    copy.begin = view.begin;
    copy.type = view.type;
    copy.payload.assign(view.payload.begin(), view.payload.end());
    copy.damaged = view.damaged;
    for (const ReadableEntries& part : view.readable) {
      copy.readable.push_back({part.first, part.count, {part.entries.begin(), part.entries.end()}});
    }
    return {};
  });
}

Appended LogHarness::append_fact(std::uint64_t number, bool needs_sync) {
  QueueDeletedFact fact;
  base::store(std::as_writable_bytes(std::span(fact.queue.bytes)).data(), number);
  std::vector<std::byte> head;
  encode(fact, head);
  return log().append(RecordType::kQueueDeleted, head, {}, needs_sync);
}

std::vector<std::uint64_t> LogHarness::replayed_facts() const {
  std::vector<std::uint64_t> numbers;
  for (const Replayed& record : replayed_) {
    if (record.type != RecordType::kQueueDeleted) continue;
    numbers.push_back(base::load<std::uint64_t>(record.payload.data()));
  }
  return numbers;
}

Appended LogHarness::publish(const StreamId& stream, std::uint64_t first, std::uint32_t count,
                             std::size_t body_bytes, bool needs_sync) {
  const std::vector<std::byte> entries = batch_from(first, count, body_bytes);
  MessagesFact fact;
  fact.stream = stream;
  fact.first = Sequence(first);
  fact.count = count;
  fact.accepted_at = base::WallTime(1'000 + static_cast<std::int64_t>(first));
  fact.body_bytes = static_cast<std::uint32_t>(entries.size() - count * base::kEntryHeaderBytes);
  return messages().append(fact, entries, needs_sync);
}

Appended LogHarness::publish_large(const StreamId& stream, std::uint64_t sequence,
                                   std::size_t body_bytes) {
  const std::vector<std::byte> entry = large_entry(sequence, body_bytes);
  MessagesFact fact;
  fact.stream = stream;
  fact.first = base::Sequence(sequence);
  fact.count = 1;
  fact.accepted_at = base::WallTime(1'000);
  fact.body_bytes = static_cast<std::uint32_t>(body_bytes);
  return messages().append_large(fact, entry, true);
}

std::vector<LogHarness::Seen> LogHarness::consume(const StreamId& stream, std::uint64_t first,
                                                  std::uint64_t last, std::uint32_t bytes_max) {
  std::vector<Seen> seen;
  for (std::uint64_t next = first; next <= last;) {
    const auto batch = messages().locate(stream, Sequence(next));
    EXPECT_TRUE(batch) << batch.error().to_string();
    if (!batch || !*batch || (*batch)->first.value() > last) break;
    const Sequence from = std::max((*batch)->first, Sequence(next));
    const Sequence to = std::min((*batch)->last(), Sequence(last));
    const auto slice = messages().slice(**batch, from, to, bytes_max);
    EXPECT_TRUE(slice) << slice.error().to_string();
    if (!slice) break;
    EXPECT_EQ(slice->first, from);
    EXPECT_GE(slice->count, 1U);
    next = from.value() + slice->count;
    if (slice->damaged) {
      for (std::uint64_t i = from.value(); i < next; ++i) seen.push_back({i, "", true});
      continue;
    }
    const auto entries = messages().read(*slice);
    EXPECT_TRUE(entries) << entries.error().to_string();
    if (!entries) break;
    ByteView left = *entries;
    for (std::uint64_t i = from.value(); i < next; ++i) {
      const base::MessageView message = base::take_entry(left);
      seen.push_back({i, std::string(base::as_text(message.body)), false});
    }
    EXPECT_TRUE(left.empty());
  }
  return seen;
}

void LogHarness::fill_to_segment(std::uint64_t number) {
  for (std::uint64_t i = 1'000'000; log().active_segment() < number; ++i) append_fact(i);
  EXPECT_TRUE(log().flush());
}

Status LogHarness::snapshot(std::string_view state, bool clean) {
  if (clean) {
    housekeeper().mark_clean(bytes_of(state));
  } else {
    housekeeper().begin_snapshot(bytes_of(state));
  }
  RETURN_IF_ERROR(housekeeper().run_inline());
  return housekeeper().snapshot_status();
}

std::string LogHarness::segment_path(std::uint64_t number) {
  return segments_folder(kFolder) + "/" + segment_name(number);
}

}  // namespace sluice::storage::test
