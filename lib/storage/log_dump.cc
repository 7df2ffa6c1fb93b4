#include "storage/log_dump.h"

#include <string_view>
#include <utility>

#include "storage/extent_header.h"
#include "storage/fact_codec.h"
#include "storage/log_files.h"
#include "storage/segment_file.h"
#include "storage/segment_scanner.h"

namespace sluice::storage {

using base::ByteView;
using base::Result;
using base::Status;

namespace {

using Fields = std::vector<DumpField>;

void add(Fields& fields, std::string name, std::uint64_t value) {
  fields.push_back({std::move(name), std::to_string(value), true});
}
void add(Fields& fields, std::string name, base::WallTime value) {
  fields.push_back({std::move(name), std::to_string(value.value()), true});
}
void add(Fields& fields, std::string name, const std::string& value) {
  fields.push_back({std::move(name), value, false});
}
void add(Fields& fields, std::string name, const base::Id128& id) {
  fields.push_back({std::move(name), id.to_hex(), false});
}
void add(Fields& fields, const StreamId& stream) {
  add(fields, "queue", stream.queue);
  add(fields, "shard", std::uint64_t{stream.shard.value()});
}
void add(Fields& fields, const SubscriptionKey& key) {
  add(fields, key.stream);
  add(fields, "subscription", std::uint64_t{key.subscription.value()});
}
void add(Fields& fields, const std::vector<base::SequenceRange>& ranges) {
  std::string text;
  for (const base::SequenceRange& range : ranges) {
    if (!text.empty()) text += ',';
    text += std::to_string(range.first.value()) + '-' + std::to_string(range.last.value());
  }
  add(fields, "ranges", text);
}
template <typename Entry>
void add_entries(Fields& fields, const std::vector<Entry>& entries) {
  std::string text;
  for (const Entry& entry : entries) {
    if (!text.empty()) text += ',';
    text += std::to_string(entry.sequence.value()) + ":attempts=" + std::to_string(entry.attempts) +
            ":stalls=" + std::to_string(entry.stalls);
  }
  add(fields, "messages", text);
}
template <typename Enum>
std::uint64_t number(Enum value) {
  return static_cast<std::uint64_t>(value);
}

void describe(Fields& fields, const IncarnationFact& fact) {
  add(fields, "incarnation", std::uint64_t{fact.incarnation});
  add(fields, "unclean", std::uint64_t{fact.unclean});
  add(fields, "at", fact.at);
  add(fields, "sequence_jump", std::uint64_t{fact.sequence_jump});
  add(fields, "log_id", fact.log_id);
  add(fields, "software", fact.software);
}
void describe(Fields& fields, const FeatureLevelFact& fact) {
  add(fields, "level", std::uint64_t{fact.level});
}
void describe(Fields& fields, const QueueConfiguredFact& fact) {
  add(fields, "queue", fact.queue);
  add(fields, "name", fact.name);
  add(fields, "revision", fact.revision);
  add(fields, "config_bytes", std::uint64_t{fact.config.size()});
}
void describe(Fields& fields, const QueueDeletedFact& fact) { add(fields, "queue", fact.queue); }
void describe(Fields& fields, const DecodedMessages& decoded) {
  const MessagesFact& fact = decoded.fact;
  add(fields, fact.stream);
  add(fields, "first", fact.first.value());
  add(fields, "count", std::uint64_t{fact.count});
  add(fields, "accepted_at", fact.accepted_at);
  add(fields, "previous", fact.previous.value());
  add(fields, "producer", fact.producer);
  add(fields, "producer_epoch", std::uint64_t{fact.producer_epoch});
  add(fields, "producer_sequence", fact.producer_sequence);
  add(fields, "body_bytes", std::uint64_t{fact.body_bytes});
  add(fields, "flags", std::uint64_t{fact.flags});
  if ((fact.flags & kMessagesLarge) == 0) return;
  add(fields, "chunks", fact.chunks.value());
  add(fields, "entry_bytes", fact.entry_bytes);
}
void describe(Fields& fields, const DecodedChunk& decoded) {
  const MessageChunkFact& fact = decoded.fact;
  add(fields, fact.stream);
  add(fields, "sequence", fact.sequence.value());
  add(fields, "entry_bytes", fact.entry_bytes);
  add(fields, "offset", fact.offset);
}
void describe(Fields& fields, const LeasedFact& fact) {
  add(fields, fact.key);
  add(fields, "session", fact.session);
  add(fields, "epoch", fact.epoch.value());
  add(fields, "lease_ms", std::uint64_t{fact.lease_ms});
  add(fields, fact.ranges);
}
void describe(Fields& fields, const SettledFact& fact) {
  add(fields, fact.key);
  add(fields, fact.ranges);
}
void describe(Fields& fields, const ReleasedFact& fact) {
  add(fields, fact.key);
  add(fields, "cause", number(fact.cause));
  add(fields, fact.ranges);
}
void describe(Fields& fields, const RemovedFact& fact) {
  add(fields, fact.key);
  add(fields, "cause", number(fact.cause));
  add(fields, fact.ranges);
}
void describe(Fields& fields, const FailedFact& fact) {
  add(fields, fact.key);
  add(fields, "error", fact.error);
  add(fields, "consumer", fact.consumer);
  add(fields, "at", fact.at);
  add_entries(fields, fact.entries);
}
void describe(Fields& fields, const StalledFact& fact) {
  add(fields, fact.key);
  add(fields, "consumer", fact.consumer);
  add(fields, "at", fact.at);
  add_entries(fields, fact.entries);
}
void describe(Fields& fields, const DeadFact& fact) {
  add(fields, fact.key);
  add(fields, "reason", std::string(to_string(fact.reason)));
  if (fact.keeps_deliver_at) add(fields, "keeps_deliver_at", std::uint64_t{1});
  add(fields, "error", fact.error);
  add(fields, "consumer", fact.consumer);
  add(fields, "at", fact.at);
  add_entries(fields, fact.entries);
}
void describe(Fields& fields, const RedrivenFact& fact) {
  add(fields, fact.key);
  add(fields, "task", fact.task);
  add(fields, fact.ranges);
}
void describe(Fields& fields, const DamagedFact& fact) {
  add(fields, fact.key);
  add(fields, "event", std::string(to_string(fact.event)));
  add(fields, "begin", fact.begin.value());
  add(fields, "end", fact.end.value());
  add(fields, "at", fact.at);
  add(fields, fact.ranges);
}
void describe(Fields& fields, const RewoundFact& fact) {
  add(fields, fact.key);
  add(fields, fact.ranges);
}
void describe(Fields& fields, const SubscriptionExpiredFact& fact) {
  add(fields, "queue", fact.queue);
  add(fields, "subscription", std::uint64_t{fact.subscription.value()});
  add(fields, "at", fact.at);
}
void describe(Fields& fields, const DroppedFact& fact) {
  add(fields, fact.stream);
  add(fields, "cause", number(fact.cause));
  add(fields, fact.ranges);
}
void describe(Fields& fields, const SessionFact& fact) {
  add(fields, "session", fact.session);
  add(fields, "event", number(fact.event));
  add(fields, "epoch", std::uint64_t{fact.epoch});
  add(fields, "client", fact.client);
}
void describe(Fields& fields, const TaskFact& fact) {
  add(fields, "task", fact.task);
  add(fields, "kind", number(fact.kind));
  add(fields, "state", number(fact.state));
  add(fields, fact.key);
  add(fields, "matched", fact.matched);
  add(fields, "done", fact.done);
  add(fields, "position", fact.position.value());
}
void describe(Fields& fields, const TransferFact& fact) {
  add(fields, "task", fact.task);
  add(fields, "kind", number(fact.kind));
  add(fields, "dead_letters", std::uint64_t{fact.dead_letters ? 1U : 0U});
  add(fields, fact.from);
  add(fields, fact.ranges);
  add(fields, "to_queue", fact.to.queue);
  add(fields, "to_shard", std::uint64_t{fact.to.shard.value()});
  add(fields, "first", fact.first.value());
  add(fields, "count", std::uint64_t{fact.count});
  add(fields, "matched", fact.matched);
  add(fields, "done", fact.done);
  add(fields, "position", fact.position.value());
}
void describe(Fields& fields, const ProducerFact& fact) {
  add(fields, "producer", fact.producer);
  add(fields, "epoch", std::uint64_t{fact.epoch});
}
void describe(Fields& fields, const SegmentsDroppedFact& fact) {
  std::string text;
  for (const std::uint64_t segment : fact.segments) {
    if (!text.empty()) text += ',';
    text += std::to_string(segment);
  }
  add(fields, "segments", text);
}

void describe(Fields& fields, const ExtentSwapFact& fact) {
  add(fields, "extent", fact.extent);
  add(fields, "uuid", fact.uuid);
  add(fields, "bytes", fact.bytes);
  std::string text;
  for (const std::uint64_t number : fact.replaced) {
    if (!text.empty()) text += ',';
    text += std::to_string(number);
  }
  add(fields, "replaced", text);
  std::uint64_t groups = 0;
  for (const ExtentSwapFact::Stream& stream : fact.streams) groups += stream.groups.size();
  add(fields, "streams", std::uint64_t{fact.streams.size()});
  add(fields, "groups", groups);
}

template <typename Fact>
Fields fields_of(const Result<Fact>& fact) {
  Fields fields;
  if (fact) describe(fields, *fact);
  return fields;
}

}  // namespace

std::vector<DumpField> describe_payload(RecordType type, ByteView payload) {
  switch (type) {
    case RecordType::kIncarnation:
      return fields_of(decode_incarnation(payload));
    case RecordType::kFeatureLevel:
      return fields_of(decode_feature_level(payload));
    case RecordType::kQueueConfigured:
      return fields_of(decode_queue_configured(payload));
    case RecordType::kQueueDeleted:
      return fields_of(decode_queue_deleted(payload));
    case RecordType::kMessages:
      return fields_of(decode_messages(payload));
    case RecordType::kLeased:
      return fields_of(decode_leased(payload));
    case RecordType::kSettled:
      return fields_of(decode_settled(payload));
    case RecordType::kReleased:
      return fields_of(decode_released(payload));
    case RecordType::kFailed:
      return fields_of(decode_failed(payload));
    case RecordType::kStalled:
      return fields_of(decode_stalled(payload));
    case RecordType::kDead:
      return fields_of(decode_dead(payload));
    case RecordType::kRedriven:
      return fields_of(decode_redriven(payload));
    case RecordType::kDamaged:
      return fields_of(decode_damaged(payload));
    case RecordType::kRewound:
      return fields_of(decode_rewound(payload));
    case RecordType::kTransfer:
      return fields_of(decode_transfer(payload));
    case RecordType::kSubscriptionExpired:
      return fields_of(decode_subscription_expired(payload));
    case RecordType::kDropped:
      return fields_of(decode_dropped(payload));
    case RecordType::kRemoved:
      return fields_of(decode_removed(payload));
    case RecordType::kSession:
      return fields_of(decode_session(payload));
    case RecordType::kTask:
      return fields_of(decode_task(payload));
    case RecordType::kProducer:
      return fields_of(decode_producer(payload));
    case RecordType::kMessageChunk:
      return fields_of(decode_message_chunk(payload));
    case RecordType::kSegmentsDropped:
      return fields_of(decode_segments_dropped(payload));
    case RecordType::kExtentSwap:
      return fields_of(decode_extent_swap(payload));
    default:
      return {};
  }
}

namespace {

DumpRecord to_dump(const ScanItem& item, const std::string& file) {
  DumpRecord record;
  record.file = file;
  record.lsn = item.begin;
  record.end = item.end;
  record.valid = item.kind != ScanItem::Kind::kBad;
  if (!record.valid) return record;
  record.type = item.header.type;
  record.durable = item.header.durable;
  record.payload_bytes = item.header.payload_bytes;
  record.bad_blocks = item.bad_blocks.size();
  // The head of a batch is good whatever became of its blocks.
  const bool readable = item.bad_blocks.empty() || record.type == RecordType::kMessages;
  if (readable) record.fields = describe_payload(record.type, item.payload);
  return record;
}

// Extents have positions behind those of all segments.
Status dump_extent(runtime::FileSystem& fs, const std::string& folder, std::uint64_t number,
                   const DumpOptions& options, const std::function<void(const DumpRecord&)>& show) {
  const std::string name = extent_name(number);
  const auto file = fs.open(segments_folder(folder) + "/" + name, runtime::OpenMode::kRead);
  if (!file && file.error().code() == base::ErrorCode::kNotFound) return {};  // deleted meanwhile
  if (!file) return file.error();
  const Result<ExtentHeader> header = read_extent_header(**file);
  if (!header && header.error().code() == base::ErrorCode::kCorruption) return {};
  if (!header) return header.error().with_prefix(name);
  const SegmentExtent extent{number, header->segment_bytes, header->uuid_prefix(), header->bytes};
  SegmentScanner scanner(**file, extent, extent.data_begin());
  while (const std::optional<ScanItem> item = scanner.next()) {
    if (item->begin >= extent.base() + extent.extent_bytes) break;
    const bool record = item->kind == ScanItem::Kind::kRecord;
    if (item->begin < options.from || !(record || options.padding_and_invalid)) continue;
    show(to_dump(*item, name));
  }
  return {};
}

}  // namespace

Status dump_log(runtime::FileSystem& fs, const std::string& folder, const DumpOptions& options,
                const std::function<void(const DumpRecord&)>& show) {
  ASSIGN_OR_RETURN(const LogFiles files, list_log_files(fs, folder));
  if (files.segments.empty()) return base::not_found(folder + ": no log here");
  for (const std::uint64_t number : files.segments) {
    const std::string name = segment_name(number);
    const auto file = fs.open(segments_folder(folder) + "/" + name, runtime::OpenMode::kRead);
    if (!file && file.error().code() == base::ErrorCode::kNotFound) continue;  // deleted meanwhile
    if (!file) return file.error();
    const Result<SegmentHeader> header = read_segment_header(**file);
    if (!header && header.error().code() == base::ErrorCode::kCorruption) continue;
    if (!header) return header.error().with_prefix(name);
    const SegmentExtent extent{number, header->segment_bytes, header->uuid_prefix()};
    if (extent.end() <= options.from) continue;
    SegmentScanner scanner(**file, extent, extent.data_begin());
    while (const std::optional<ScanItem> item = scanner.next()) {
      const bool record = item->kind == ScanItem::Kind::kRecord;
      if (item->begin < options.from || !(record || options.padding_and_invalid)) continue;
      show(to_dump(*item, name));
    }
  }
  for (const std::uint64_t number : files.extents) {
    RETURN_IF_ERROR(dump_extent(fs, folder, number, options, show));
  }
  return {};
}

}  // namespace sluice::storage
