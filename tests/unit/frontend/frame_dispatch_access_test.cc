#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/prng.h"
#include "frontend/frame_dispatch.h"
#include "tests/unit/frontend/recording_commands.h"
#include "wire/frame_codec.h"

namespace sluice::frontend {
namespace {

using broker::RefusalCode;
using testing::HasSubstr;

const std::string kWorker = "rq:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf7";
const std::string kAdmin = "Yne@$w-vo<fVvi]a<NY6T1ed:M$fCG*[IaLV{hID";

std::shared_ptr<const access::KeyRing> ring(const std::string& text) {
  auto parsed = access::KeyRing::parse(text);
  CHECK(parsed.has_value());
  return std::make_shared<const access::KeyRing>(*std::move(parsed));
}

Peer peer_of(std::uint8_t number, Port port = Port::kClient) {
  const std::byte id[kRoutingIdBytes] = {std::byte{0}, std::byte{9}, std::byte{9}, std::byte{9},
                                         std::byte{number}};
  return make_peer(port, id);
}

class DispatchAccessTest : public testing::Test {
 protected:
  DispatchAccessTest() {
    commands_.queue.name = "orders";
    commands_.queue_id = base::QueueId(prng_.id128());
  }
  DispatchHooks hooks() {
    DispatchHooks hooks;
    hooks.random_id = [this] { return prng_.id128(); };
    hooks.stat = [](base::Now, std::string_view) -> base::Result<std::string> {
      return std::string("{}");
    };
    hooks.observe = [](base::Now) { return DispatchHooks::Observation{}; };
    return hooks;
  }
  void receive(Peer peer, const std::string& user, const wire::FrameHeader& header,
               const wire::Body& body) {
    std::vector<std::byte> bytes;
    wire::encode_frame(header, body, bytes);
    dispatch_.receive(now_, peer, bytes, user);
  }
  // Says hello and returns the header for further frames, and the session's id.
  std::pair<wire::FrameHeader, base::SessionId> open(Peer peer, const std::string& user,
                                                     const wire::Hello& hello = {}) {
    wire::FrameHeader header;
    header.request = 7;
    receive(peer, user, header, hello);
    broker::SessionOpened opened;
    opened.origin.session = commands_.last<broker::OpenSession>()->session;
    gate_.emit({}, opened);
    gate_.release({base::Lsn(1), base::Lsn(1), base::Lsn(1)},
                  [&](Effect&& effect) { dispatch_.pass(now_, std::move(effect)); });
    const auto welcome = client_.sent.back().body<wire::Welcome>();
    header.session = welcome.session;
    header.session_epoch = welcome.session_epoch;
    return {header, welcome.session_id};
  }
  RefusalCode last_code() {
    return static_cast<RefusalCode>(client_.sent.back().body<wire::ErrorFrame>().code);
  }
  std::string last_text() {
    return std::string(client_.sent.back().body<wire::ErrorFrame>().message);
  }

  base::Prng prng_{3};
  base::Now now_{base::MonoTime(1'000'000'000), base::WallTime(1'000)};
  SessionTable sessions_{{.ttl = base::Millis(10'000), .sessions_max = 8}, 2, [this] {
                           return base::SessionId(prng_.id128());
                         }};
  EffectGate gate_;
  RecordingCommands commands_;
  FixedMessages messages_;
  RecordingOutput client_;
  RecordingOutput control_;
  const std::string lines_ = "worker " + kWorker + " produce orders\nroot " + kAdmin + " admin *";
  FrameDispatch dispatch_{{sessions_, commands_, gate_, messages_, client_, control_},
                          hooks(),
                          {2, "sluice/test", ring(lines_)}};
};

TEST_F(DispatchAccessTest, AKeyThatNobodyKnowsGetsNoSession) {
  receive(peer_of(1), "nobody", {}, wire::Hello{});
  EXPECT_EQ(last_code(), RefusalCode::kPermissionDenied);
  receive(peer_of(1), "", {}, wire::Hello{});
  EXPECT_EQ(last_code(), RefusalCode::kPermissionDenied);
  EXPECT_EQ(sessions_.size(), 0U);
}

TEST_F(DispatchAccessTest, ARoleThatIsNotHeldIsRefusedByName) {
  const auto [header, id] = open(peer_of(1), kWorker);
  wire::DeleteQueue frame;
  frame.queue = commands_.queue_id;
  receive(peer_of(1), kWorker, header, frame);
  EXPECT_EQ(last_code(), RefusalCode::kPermissionDenied);
  EXPECT_EQ(last_text(), "key worker: needs the role admin on queue \"orders\"");
  EXPECT_EQ(commands_.last<broker::DeleteQueue>(), nullptr);
  EXPECT_EQ(dispatch_.counters().denied_by_role.at("admin"), 1U);
}

TEST_F(DispatchAccessTest, ATaskIsCancelledWithTheRoleOnItsQueue) {
  dispatch_.set_keys(
      now_, ring("worker " + kWorker + " admin orders\nroot " + kAdmin + " admin elsewhere"));
  commands_.task_id = base::TaskId(prng_.id128());
  const auto [stranger, id_1] = open(peer_of(1), kAdmin);
  receive(peer_of(1), kAdmin, stranger, wire::CancelTask{commands_.task_id});
  EXPECT_EQ(last_text(), "key root: needs the role admin on queue \"orders\"");
  EXPECT_EQ(commands_.last<broker::CancelTask>(), nullptr);
  // That there is none of an id is the broker's to say.
  receive(peer_of(1), kAdmin, stranger, wire::CancelTask{base::TaskId(prng_.id128())});
  EXPECT_NE(commands_.last<broker::CancelTask>(), nullptr);
  const auto [owner, id_2] = open(peer_of(2), kWorker);
  receive(peer_of(2), kWorker, owner, wire::CancelTask{commands_.task_id});
  ASSERT_NE(commands_.last<broker::CancelTask>(), nullptr);
  EXPECT_EQ(commands_.last<broker::CancelTask>()->task, commands_.task_id);
}

TEST_F(DispatchAccessTest, ATaskOfOneShardNeedsTheRoleOnBothQueuesToo) {
  dispatch_.set_keys(
      now_, ring("worker " + kWorker + " admin orders\nroot " + kAdmin + " admin elsewhere"));
  wire::StartShardTask frame{3, {.queue = commands_.queue_id, .kind = 1}};
  const auto [stranger, id_1] = open(peer_of(1), kAdmin);
  receive(peer_of(1), kAdmin, stranger, frame);
  EXPECT_EQ(last_text(), "key root: needs the role admin on queue \"orders\"");
  EXPECT_EQ(commands_.last<broker::StartTask>(), nullptr);
  // Into a queue that it may not change, from one that is none.
  wire::StartShardTask into = frame;
  into.task.kind = 3;
  into.task.queue = base::QueueId(prng_.id128());
  into.task.target = commands_.queue_id;
  receive(peer_of(1), kAdmin, stranger, into);
  EXPECT_EQ(last_code(), RefusalCode::kPermissionDenied);
  receive(peer_of(1), kAdmin, stranger, into.task);
  EXPECT_EQ(last_code(), RefusalCode::kPermissionDenied);
  EXPECT_EQ(commands_.last<broker::StartTask>(), nullptr);
  const auto [owner, id_2] = open(peer_of(2), kWorker);
  receive(peer_of(2), kWorker, owner, frame);
  const auto* command = commands_.last<broker::StartTask>();
  ASSERT_NE(command, nullptr);
  EXPECT_EQ(command->selector.shard, base::ShardIndex(3));
  EXPECT_EQ(command->note.selector, "subscription= shard=3");
}

TEST_F(DispatchAccessTest, ATaskIsToldWithWhoAskedForItAndWhat) {
  const auto [header, id] = open(peer_of(1), kAdmin);
  wire::StartTask frame;
  frame.queue = commands_.queue_id;
  frame.kind = 4;
  frame.target = base::QueueId(prng_.id128());  // none of the broker's
  frame.dead_letters = true;
  frame.reason = 2;
  frame.ranges = {{1, 9}, {12, 12}};
  frame.error = "time-out";
  receive(peer_of(1), kAdmin, header, frame);
  const auto* command = commands_.last<broker::StartTask>();
  ASSERT_NE(command, nullptr);
  EXPECT_TRUE(command->detailed);
  EXPECT_EQ(command->note.key, "root");
  EXPECT_EQ(command->note.command, "move dead letters");
  EXPECT_EQ(command->note.selector,
            "subscription= reason=AttemptsExceeded sequence=1-9 and 1 ranges more error=time-out");
  EXPECT_EQ(command->selector.sequences.size(), 2U);

  broker::TaskReply reply;
  reply.origin = {command->origin.session, broker::RequestId(7)};
  reply.detailed = true;
  reply.task = command->task;
  reply.kind = storage::TaskKind::kMove;
  reply.state = storage::TaskState::kCompleted;
  reply.matched = 5;
  reply.samples = {{base::ShardIndex(1), base::Sequence(17)}};
  gate_.emit({}, reply);
  gate_.release({base::Lsn(1), base::Lsn(1), base::Lsn(1)},
                [&](Effect&& effect) { dispatch_.pass(now_, std::move(effect)); });
  const auto status = client_.sent.back().body<wire::TaskStatus>();
  EXPECT_EQ(status.task, reply.task);
  EXPECT_EQ(status.kind, 4);
  EXPECT_EQ(status.matched, 5U);
  ASSERT_EQ(status.samples.size(), 1U);
  EXPECT_EQ(status.samples[0].sequence, 17U);
}

TEST_F(DispatchAccessTest, ARoleHoldsForItsQueuesOnly) {
  const auto [header, id] = open(peer_of(1), kWorker);
  receive(peer_of(1), kWorker, header, wire::Resolve{"bills"});
  EXPECT_EQ(last_code(), RefusalCode::kPermissionDenied);
  EXPECT_THAT(last_text(), HasSubstr("\"bills\""));
  wire::OpenPublisher frame;
  frame.queue = commands_.queue_id;
  frame.map_version = 1;
  receive(peer_of(1), kWorker, header, frame);
  EXPECT_NE(commands_.last<broker::OpenPublisher>(), nullptr);
}

TEST_F(DispatchAccessTest, EveryWayOfAttachingLooksAtTheQueue) {
  dispatch_.set_keys(now_, ring("worker " + kWorker + " consume bills"));
  const auto [header, id] = open(peer_of(1), kWorker);
  wire::Attach attach;
  attach.queue = commands_.queue_id;
  attach.map_version = 1;
  receive(peer_of(1), kWorker, header, attach);
  EXPECT_EQ(last_code(), RefusalCode::kPermissionDenied);
  receive(peer_of(1), kWorker, header, wire::AttachWith{attach, 1});
  EXPECT_EQ(last_code(), RefusalCode::kPermissionDenied);
  EXPECT_EQ(last_text(), "key worker: needs the role consume on queue \"orders\"");
  EXPECT_EQ(commands_.last<broker::Attach>(), nullptr);
}

TEST_F(DispatchAccessTest, AFrameOfAnotherKeyIsNotTheSessions) {
  const auto [header, id] = open(peer_of(1), kWorker);
  receive(peer_of(1), kAdmin, header, wire::Heartbeat{1});
  EXPECT_EQ(last_code(), RefusalCode::kPermissionDenied);
}

TEST_F(DispatchAccessTest, ASessionIsResumedByItsKeyOnly) {
  const auto [header, id] = open(peer_of(1), kWorker);
  wire::Hello hello;
  hello.session_id = id;
  receive(peer_of(2), kAdmin, {}, hello);
  EXPECT_EQ(last_code(), RefusalCode::kNoSession);
  const auto [again, same] = open(peer_of(3), kWorker, hello);
  EXPECT_EQ(same, id);
  // Also when the broker has forgotten it.
  sessions_.remove(commands_.last<broker::OpenSession>()->session);
  receive(peer_of(4), kAdmin, {}, hello);
  EXPECT_EQ(last_code(), RefusalCode::kNoSession);
}

TEST_F(DispatchAccessTest, TheControlPortNeedsTheOperator) {
  receive(peer_of(1, Port::kControl), kAdmin, {}, wire::Hello{});
  const auto error = control_.sent.back().body<wire::ErrorFrame>();
  EXPECT_EQ(static_cast<RefusalCode>(error.code), RefusalCode::kPermissionDenied);
}

TEST_F(DispatchAccessTest, SessionsOfKeysThatChangeEnd) {
  open(peer_of(1), kWorker);
  open(peer_of(2), kAdmin);
  dispatch_.set_keys(now_, ring("root " + kAdmin + " admin *"));
  EXPECT_EQ(last_code(), RefusalCode::kPermissionDenied);
  EXPECT_EQ(sessions_.size(), 1U);
  dispatch_.set_keys(now_, ring("root " + kAdmin + " inspect *"));
  EXPECT_EQ(last_code(), RefusalCode::kNoSession);
  EXPECT_EQ(sessions_.size(), 0U);
}

TEST_F(DispatchAccessTest, StrangersAreToldAndCounted) {
  dispatch_.receive_stranger(peer_of(1));
  EXPECT_EQ(last_code(), RefusalCode::kPermissionDenied);
  EXPECT_EQ(dispatch_.counters().strangers, 1U);
}

}  // namespace
}  // namespace sluice::frontend
