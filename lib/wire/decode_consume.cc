#include <bit>

#include "wire/decode_body.h"
#include "wire/frame_codec.h"

namespace sluice::wire {
namespace {

constexpr std::size_t kReceiptBytes = 24;
constexpr std::uint8_t kSettleKindMax = 4;
// One entry's header; base/message.h.
constexpr std::uint64_t kEntryBytesMin = 8;
constexpr std::size_t kDeliverEntriesBytesMax = 256 * 1024;

// `at` has kReceiptBytes.
WireReceipt decode_receipt(FieldReader& reader, const std::byte* at) {
  WireReceipt receipt;
  receipt.epoch = base::load<std::uint64_t>(at);
  receipt.first = base::load<std::uint64_t>(at + 8);
  receipt.last = base::load<std::uint64_t>(at + 16);
  if ((receipt.first & kWordFlag) == 0) {
    if (receipt.last < receipt.first) reader.fail("receipt last", "is before first");
    return receipt;
  }
  receipt.first &= ~kWordFlag;
  receipt.bits = receipt.last;
  if ((receipt.bits & 1) == 0) reader.fail("receipt word", "lacks its first message");
  receipt.last = receipt.first + static_cast<std::uint64_t>(std::bit_width(receipt.bits) - 1);
  return receipt;
}

std::vector<WireReceipt> decode_receipts(FieldReader& reader) {
  const std::size_t count =
      reader.count("receipts", reader.u32("receipts"), kReceiptsMax, kReceiptBytes);
  const std::byte* at = reader.raw(count * kReceiptBytes).data();
  std::vector<WireReceipt> receipts(count);
  std::size_t words = 0;
  for (WireReceipt& receipt : receipts) {
    receipt = decode_receipt(reader, at);
    at += kReceiptBytes;
    if (receipt.bits != 0) ++words;
  }
  if (words > kReceiptWordsMax) reader.fail("receipts", "have more than 512 words");
  return receipts;
}

// `at` has kDeliverRunBytes.
DeliverRun decode_run(FieldReader& reader, const std::byte* at) {
  DeliverRun run;
  run.first = base::load<std::uint64_t>(at);
  run.count = base::load<std::uint32_t>(at + 8);
  run.attempts = base::load<std::uint16_t>(at + 12);
  run.stalls = base::load<std::uint16_t>(at + 14);
  run.accepted_at_ms = base::load<std::int64_t>(at + 16);
  run.entries_bytes = base::load<std::uint32_t>(at + 24);
  if (run.first == 0) reader.fail("run first", "is 0");
  if (run.count == 0) reader.fail("run count", "is 0");
  if (run.first + run.count < run.first) reader.fail("run count", "is out of range");
  if (run.count * kEntryBytesMin > run.entries_bytes) {
    reader.fail("run entries bytes", "are too few for the messages");
  }
  return run;
}

}  // namespace

void decode_body(FieldReader& reader, Attach& body) {
  body.queue = reader.id<base::QueueId>("queue");
  body.shard = reader.u16("shard");
  body.map_version = reader.u32("map version");
  body.subscription = reader.text("subscription", kNameBytesMax);
  body.messages_limit = reader.u64("messages limit");
  body.bytes_limit = reader.u64("bytes limit");
  body.last_epoch = reader.u64("last epoch");
}

void decode_body(FieldReader& reader, AttachWith& body) {
  decode_body(reader, body.attach);
  body.mode = reader.u8("mode");
  if (body.mode > 1) reader.fail("mode", "is unknown");
}

void decode_body(FieldReader& reader, Attached& body) {
  body.code = reader.u16("code");
  body.message = reader.text("message", kErrorTextBytesMax);
  body.attachment = reader.u32("attachment");
  body.lease_ms = reader.u32("lease ms");
}

void decode_body(FieldReader& reader, Credit& body) {
  body.attachment = reader.u32("attachment");
  body.messages_limit = reader.u64("messages limit");
  body.bytes_limit = reader.u64("bytes limit");
}

void decode_body(FieldReader& reader, Deliver& body) {
  body.attachment = reader.u32("attachment");
  body.lease_ms = reader.u32("lease ms");
  body.epoch = reader.u64("epoch");
  const std::size_t count =
      reader.count("runs", reader.u32("runs"), kDeliverRunsMax, kDeliverRunBytes);
  if (count == 0) reader.fail("runs", "are missing");
  const std::byte* const runs = reader.raw(count * kDeliverRunBytes).data();
  body.runs.reserve(count);
  std::uint64_t entries_bytes = 0;
  for (std::size_t i = 0; i < count; ++i) {
    body.runs.push_back(decode_run(reader, runs + i * kDeliverRunBytes));
    entries_bytes += body.runs.back().entries_bytes;
  }
  body.entries = reader.rest();
  if (body.entries.size() > kDeliverEntriesBytesMax) reader.fail("entries", "are too long");
  if (body.entries.size() != entries_bytes) {
    reader.fail("entries", "are not as long as the runs say");
  }
}

void decode_body(FieldReader& reader, Settle& body) {
  body.attachment = reader.u32("attachment");
  body.kind = reader.u8_upto("kind", kSettleKindMax);
  if (body.kind == 0) reader.fail("kind", "is out of range");
  body.has_delay = reader.boolean("has delay");
  body.delay_ms = reader.u32("delay ms");
  if (!body.has_delay && body.delay_ms != 0) reader.fail("delay ms", "is given without has delay");
  body.error = reader.text("error", kErrorTextBytesMax);
  body.receipts = decode_receipts(reader);
  if (body.receipts.empty()) reader.fail("receipts", "are missing");
}

void decode_body(FieldReader& reader, Settled& body) {
  body.code = reader.u16("code");
  body.message = reader.text("message", kErrorTextBytesMax);
  body.attachment = reader.u32("attachment");
  body.settled = reader.u64("settled");
  body.stale = reader.u64("stale");
}

void decode_body(FieldReader& reader, Extend& body) {
  body.attachment = reader.u32("attachment");
  body.all = reader.boolean("all");
  body.duration_ms = reader.u32("duration ms");
  body.receipts = decode_receipts(reader);
  if (body.all != body.receipts.empty()) {
    reader.fail("receipts", body.all ? "are given with all" : "are missing");
  }
}

void decode_body(FieldReader& reader, Extended& body) {
  body.code = reader.u16("code");
  body.message = reader.text("message", kErrorTextBytesMax);
  body.attachment = reader.u32("attachment");
  body.extended = reader.u64("extended");
  body.stale = reader.u64("stale");
}

void decode_body(FieldReader& reader, Detach& body) { body.attachment = reader.u32("attachment"); }

void decode_body(FieldReader& reader, Detached& body) {
  body.code = reader.u16("code");
  body.message = reader.text("message", kErrorTextBytesMax);
}

void decode_body(FieldReader& reader, AttachmentClosed& body) {
  body.attachment = reader.u32("attachment");
  body.code = reader.u16("code");
  body.message = reader.text("message", kErrorTextBytesMax);
}

}  // namespace sluice::wire
