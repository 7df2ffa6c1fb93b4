#include "tests/unit/wire/sample_frames.h"

#include <algorithm>
#include <cctype>
#include <utility>

#include "base/message.h"
#include "wire/frame_codec.h"
#include "wire/frame_type.h"
#include "wire/shard_map.h"

namespace sluice::wire {
namespace {

template <typename Id>
Id id_from(std::uint8_t first) {
  Id id;
  for (std::uint8_t& byte : id.bytes) byte = first++;
  return id;
}

base::ByteView sample_entry() {
  static const std::vector<std::byte> entry = [] {
    std::vector<std::byte> out;
    base::Message message;
    message.body = "body";
    message.key = "order-1";
    message.priority = 7;
    message.headers = {{"trace", "abc"}};
    CHECK(base::append_entry(message, out).has_value());
    return out;
  }();
  return entry;
}

// Three entries; the first two of 12 bytes.
base::ByteView sample_batch() {
  static const std::vector<std::byte> batch = [] {
    std::vector<std::byte> out;
    base::append_entry(base::as_bytes("one!"), out);
    base::append_entry(base::as_bytes("two!"), out);
    base::append_entry(base::as_bytes("three"), out);
    return out;
  }();
  return batch;
}

Hello hello() {
  return {.version_min = 1,
          .version_max = 1,
          .session_id = id_from<base::SessionId>(0x10),
          .session_epoch = 3,
          .features = 5,
          .client = "worker-0/6f2a",
          .software = "sluice/0.1.0"};
}

Welcome welcome() {
  return {.version = 1,
          .session_id = id_from<base::SessionId>(0x10),
          .session = 0x1122334455667788,
          .session_epoch = 4,
          .incarnation = 9,
          .resumed = true,
          .leases_kept = 17,
          .heartbeat_ms = 3'000,
          .session_ttl_ms = 10'000,
          .frame_bytes_max = kFrameBytesMax,
          .features = 1,
          .software = "sluice/0.1.0"};
}

ShardMap shard_map() {
  ShardMap map = even_shard_map(3, 7);
  map.endpoints = {"", "tcp://orders-1.orders:7650", "tcp://orders-2.orders:7650"};
  return map;
}

WireSelector selector() {
  return {.reason = 2,
          .first = 100,
          .last = 199,
          .header_name = "tenant",
          .header_value = "acme",
          .dead_before_ms = 1'700'000'000'000};
}

std::vector<WireReceipt> receipts() {
  return {{0x0000000900000001, 1, 64, 0}, {0x900000002, 70, 70, 0}};
}

void add_sessions(std::vector<Body>& bodies) {
  bodies.insert(bodies.end(),
                {hello(), welcome(), Heartbeat{123'456'789}, HeartbeatReply{123'456'789}, Goodbye{},
                 GoodbyeReply{}, ErrorFrame{5, "queue 'ordres' does not exist"}});
}

void add_producing(std::vector<Body>& bodies) {
  const auto queue = id_from<base::QueueId>(0x40);
  bodies.push_back(Resolve{"orders"});
  bodies.push_back(Resolved{0, "", queue, 1 << 20, shard_map(), {"billing", "default"}});
  bodies.push_back(OpenPublisher{queue, 2, 7, id_from<base::ProducerId>(0x60), 12});
  bodies.push_back(PublisherOpened{0, "", 31, 13, 4'000, 262'144, 8 << 20, 1 << 20});
  bodies.push_back(Publish{31, 7, 4'001, 3, sample_batch()});
  bodies.push_back(Chunk{31, 7, 4'001, 300'000, 261'120, sample_batch()});
  bodies.push_back(Published{0, "", 31, 4'001, 0, 90'001, 3, true, 262'147, 8'388'645});
  bodies.push_back(PublishCredit{31, 300'000, 9'000'000});
}

void add_consuming(std::vector<Body>& bodies) {
  bodies.push_back(
      Attach{id_from<base::QueueId>(0x40), 2, 7, "billing", 65'536, 8 << 20, 0x900000001});
  bodies.push_back(
      AttachWith{{id_from<base::QueueId>(0x40), 2, 7, "billing", 65'536, 8 << 20, 0x900000001}, 1});
  bodies.push_back(Attached{0, "", 41, 30'000});
  bodies.push_back(Credit{41, 70'000, 9'000'000});
  bodies.push_back(
      Deliver{41,
              30'000,
              0x900000001,
              {{90'001, 2, 0, 0, 1'700'000'000'001, 24}, {90'007, 1, 2, 1, 1'700'000'000'002, 13}},
              sample_batch()});
  bodies.push_back(DeliverChunk{41, 30'000, 0x900000003, 90'009, 2, 1, 1'700'000'000'003, 300'000,
                                261'120, sample_batch()});
  bodies.push_back(ChunkCredit{41, 0x900000003, 90'009, 4'194'304});
  bodies.push_back(Settle{41, 3, true, 1'500, "payment service is away", receipts()});
  bodies.push_back(Settle{
      41, 1, false, 0, "", {{0x900000001, 1, 64, 0}, {0x900000002, 70, 133, 0xA000000000000005}}});
  bodies.push_back(Settled{0, "", 41, 64, 1});
  bodies.push_back(Extend{41, false, 60'000, receipts()});
  bodies.push_back(Extended{16, "no lease", 41, 0, 65});
  bodies.push_back(Detach{41});
  bodies.push_back(Detached{17, "attachment 41 is unknown"});
  bodies.push_back(AttachmentClosed{41, 5, "queue 'orders' was deleted"});
  bodies.push_back(shard_map());
}

Changes changes() {
  Changes frame{.observation = 3,
                .last = true,
                .revision = 7,
                .leader_epoch = 1'764'000'000,
                .now_ms = 1'764'000'123'456,
                .log_feature_level = 2,
                .disk_used_bytes = 128 << 20,
                .disk_free_bytes = 9ULL << 30,
                .disk_low = false,
                .server_keys = 2,
                .sessions_to_move = 5,
                .changes = {}};
  frame.changes.emplace_back(QueueChange{.name = "orders",
                                         .revision = 0x1122334455667788,
                                         .messages = 9,
                                         .bytes = 900,
                                         .retained = 20,
                                         .published = 1'000,
                                         .damaged = 1,
                                         .paused = true});
  frame.changes.emplace_back(SubscriptionChange{.name = "default",
                                                .ready = 4,
                                                .in_flight = 2,
                                                .delayed = 3,
                                                .due_delayed = 1,
                                                .dead = 6,
                                                .oldest_ms = 1'764'000'100'000,
                                                .settled = 991,
                                                .redelivered = 8});
  frame.changes.emplace_back(
      ConsumerChange{.name = "worker-0/6f2a", .in_flight = 2, .cordoned = true});
  frame.changes.emplace_back(GoneChange{ChangeKind::kConsumerGone, "worker-1/77"});
  frame.changes.emplace_back(GoneChange{ChangeKind::kSubscriptionGone, "audit"});
  frame.changes.emplace_back(GoneChange{ChangeKind::kQueueGone, "emails"});
  return frame;
}

void add_admin(std::vector<Body>& bodies) {
  const auto queue = id_from<base::QueueId>(0x40);
  const auto task = id_from<base::TaskId>(0x80);
  bodies.push_back(Peek{queue, "billing", true, 2, 90'001, 25});
  bodies.push_back(
      Peeked{0,
             "",
             90'012,
             {{90'001, 1'700'000'000'001, 5, 1, true, 2, 1'700'000'000'100, 1'700'000'009'000,
               "payment service is away", "worker-0/6f2a", sample_entry()},
              {90'002, 1'700'000'000'001, 0, 0, false, 0, 0, 0, "", "", sample_entry()}}});
  bodies.push_back(Seek{queue, "billing", 2, 1, 90'001});
  bodies.push_back(Seeked{0, "", 90'001});
  bodies.push_back(DiscardDamaged{queue, "billing", true});
  bodies.push_back(DamagedDiscarded{0, "", 17});
  bodies.push_back(Stat{"orders"});
  bodies.push_back(Stated{0, "", R"({"queues":[]})"});
  bodies.push_back(Redrive{queue, "billing", true, 500, selector()});
  bodies.push_back(Purge{queue, "billing", true, selector()});
  bodies.push_back(Task{0, "", task, 2, 100, 99});
  bodies.push_back(CancelTask{task});
  bodies.push_back(StartTask{.queue = queue,
                             .kind = 4,
                             .subscription = "billing",
                             .dead_letters = true,
                             .dry_run = true,
                             .rate_per_second_max = 500,
                             .samples_max = 5,
                             .target = id_from<base::QueueId>(0x70),
                             .reason = 2,
                             .before_ms = 1'700'000'000'000,
                             .not_before_ms = 1'600'000'000'000,
                             .header_name = "region",
                             .header_value = "eu",
                             .error = "time-out",
                             .ranges = {{1, 9}, {20, 20}}});
  bodies.push_back(StartShardTask{3, {.queue = queue, .kind = 1, .ranges = {{17, 17}}}});
  bodies.push_back(
      TaskStatus{0, "", task, 4, 1, 900, 450, "queue parked is full", {{0, 17}, {1, 4}}});
  bodies.push_back(DeleteQueue{queue});
  bodies.push_back(QueueDeleted{5, "no such queue"});
  bodies.push_back(Observe{1'000});
  bodies.push_back(Observation{77, R"({"ready":true})"});
  bodies.push_back(Configure{6, "kind: Queue\n"});
  bodies.push_back(Configured{18, "spec.shards: cannot change", queue});
  bodies.push_back(Cordon{6, 30'000, "worker-0"});
  bodies.push_back(Cordoned{0, "", 12});
  bodies.push_back(RemoveQueue{6, "orders", true});
  bodies.push_back(QueueRemoved{28, "orders: holds 9 messages", 9, 4, 2, 3, 1, 20});
  bodies.push_back(Watch{200});
  bodies.push_back(changes());
}

}  // namespace

std::vector<SampleFrame> sample_frames() {
  std::vector<Body> bodies;
  add_sessions(bodies);
  add_producing(bodies);
  add_consuming(bodies);
  add_admin(bodies);
  std::vector<SampleFrame> samples;
  for (Body& body : bodies) {
    std::string name(to_string(type_of(body)));
    std::transform(name.begin(), name.end(), name.begin(),
                   [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    const auto* const settle = std::get_if<Settle>(&body);
    if (settle != nullptr && settle->receipts.back().bits != 0) name += "_words";
    FrameHeader header;
    header.type = type_of(body);
    if (header.type != FrameType::kHello) {
      header.session_epoch = 4;
      header.session = 0x1122334455667788;
    }
    header.request = 0x0001000000000002;
    samples.push_back({std::move(name), {header, std::move(body)}});
  }
  return samples;
}

std::vector<std::byte> encoded(const Frame& frame) {
  std::vector<std::byte> out;
  encode_frame(frame.header, frame.body, out);
  return out;
}

}  // namespace sluice::wire
