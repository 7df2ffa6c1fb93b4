#include "tests/sim/broker/checkers.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <vector>

#include "base/message.h"
#include "tests/sim/broker/body.h"
#include "wire/frame_codec.h"

namespace sluice::sim {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr std::uint64_t kTag = 7;

base::Id128 id_of(std::uint8_t number) {
  base::Id128 id;
  id.bytes[15] = number;
  return id;
}

// A queue "q" with one message, published by one session; what consumers and the broker say next
// is the test's.
class Scene {
 public:
  explicit Scene(QueueRules rules = {}) {
    checkers.add_queue("q", rules);
    const std::uint64_t producer = open(1);
    given(producer, 1, wire::Resolve{"q"});
    wire::Resolved resolved;
    resolved.queue = queue;
    resolved.message_bytes_max = 1'000;
    resolved.map.runs = {{wire::kSlots, 0}};
    said(producer, 1, resolved);
    wire::OpenPublisher opening;
    opening.queue = queue;
    given(producer, 2, opening);
    wire::PublisherOpened opened;
    opened.publisher = 1;
    said(producer, 2, opened);
    base::Message message;
    message.body = make_body(kTag, 20);
    EXPECT_TRUE(base::append_entry(message, entries).has_value());
    publish(3, entries, false);
  }
  // A batch of one, and the answer: where it is stored, or that it was stored before.
  void publish(std::uint64_t request, const std::vector<std::byte>& batch, bool duplicate) {
    wire::Publish publish;
    publish.publisher = 1;
    publish.count = 1;
    publish.entries = batch;
    given(1, request, publish);
    wire::Published published;
    published.first = duplicate ? 0 : 1;
    published.duplicate = duplicate;
    said(1, request, published);
  }
  void publish_again(bool duplicate) { publish(4, entries, duplicate); }

  // A session of that number, on a connection of its own.
  std::uint64_t open(std::uint8_t number) {
    wire::Hello hello;
    hello.session_id = base::SessionId(id_of(number));
    given(number, 0, hello);
    wire::Welcome welcome;
    welcome.session_id = hello.session_id;
    welcome.session = number;
    said(number, 0, welcome);
    return number;
  }
  void attach(std::uint64_t session, std::string_view subscription = "") {
    wire::Attach attach;
    attach.queue = queue;
    attach.subscription = subscription;
    given(session, 10, attach);
    wire::Attached attached;
    attached.attachment = 1;
    said(session, 10, attached);
  }
  void deliver(std::uint64_t session, std::uint64_t epoch, std::uint16_t stalls = 0,
               std::uint16_t attempts = 0) {
    wire::Deliver deliver;
    deliver.attachment = 1;
    deliver.epoch = epoch;
    deliver.lease_ms = 30'000;
    wire::DeliverRun run;
    run.first = 1;
    run.count = 1;
    run.stalls = stalls;
    run.attempts = attempts;
    run.entries_bytes = static_cast<std::uint32_t>(entries.size());
    deliver.runs = {run};
    deliver.entries = entries;
    said(session, 0, deliver);
  }
  // An ack, and the answer that it is settled, or stale.
  void ack(std::uint64_t session, std::uint64_t epoch, bool stale) {
    settle_as(1, session, epoch, stale);
  }
  void fail(std::uint64_t session, std::uint64_t epoch) { settle_as(3, session, epoch, false); }
  void settle_as(std::uint8_t kind, std::uint64_t session, std::uint64_t epoch, bool stale) {
    wire::Settle settle;
    settle.attachment = 1;
    settle.kind = kind;
    settle.receipts = {{epoch, 1, 1, 0}};
    given(session, 11, settle);
    wire::Settled settled;
    settled.settled = stale ? 0 : 1;
    settled.stale = stale ? 1 : 0;
    said(session, 11, settled);
  }
  void lose_session(std::uint8_t number) {
    wire::Goodbye goodbye;
    given(number, 12, goodbye);
  }

  const base::QueueId queue{id_of(42)};
  Checkers checkers{base::Millis(10'000)};
  base::Now now{base::MonoTime(1'000'000'000), base::WallTime(1'700'000'000'000)};

 private:
  void given(std::uint64_t session, std::uint64_t request, const wire::Body& body) {
    checkers.received(now, frontend::Peer(session), frame(session, request, body));
  }
  void said(std::uint64_t session, std::uint64_t request, const wire::Body& body) {
    checkers.releasing(now, {base::Lsn(++lsn_), base::Lsn(lsn_), base::Lsn(lsn_)});
    checkers.sent(now, frontend::Peer(session), frame(session, request, body));
  }
  static std::vector<std::byte> frame(std::uint64_t session, std::uint64_t request,
                                      const wire::Body& body) {
    wire::FrameHeader header;
    const bool greets =
        std::holds_alternative<wire::Hello>(body) || std::holds_alternative<wire::Welcome>(body);
    header.session = greets ? 0 : session;
    header.request = request;
    std::vector<std::byte> bytes;
    wire::encode_frame(header, body, bytes);
    return bytes;
  }

  std::vector<std::byte> entries;
  std::uint64_t lsn_ = 1;
};

TEST(Checkers, takes_what_a_good_broker_does) {
  Scene scene;
  const auto consumer = scene.open(2);
  scene.attach(consumer);
  scene.deliver(consumer, 5);
  scene.ack(consumer, 5, false);
  scene.checkers.check_end(0);
  EXPECT_THAT(scene.checkers.complaints(), IsEmpty());
}

TEST(Checkers, misses_what_was_acknowledged_and_came_to_nobody) {
  Scene scene;
  scene.attach(scene.open(2));
  scene.checkers.check_end(0);
  EXPECT_THAT(scene.checkers.complaints(),
              ElementsAre(HasSubstr("1 acknowledged messages were lost")));
}

// To one session, which is lost, and then to another one.
void deliver_twice(Scene& scene) {
  const auto first = scene.open(2);
  scene.attach(first);
  scene.deliver(first, 5);
  scene.lose_session(2);
  const auto second = scene.open(3);
  scene.attach(second);
  scene.deliver(second, 6);
}

// The first one comes back, and its receipt is accepted.
void ack_the_first(Scene& scene) {
  const auto again = scene.open(2);
  scene.attach(again);
  scene.ack(again, 5, false);
}

TEST(Checkers, knows_a_stale_receipt) {
  Scene scene;
  deliver_twice(scene);
  ack_the_first(scene);
  EXPECT_THAT(scene.checkers.complaints(), ElementsAre(HasSubstr("a stale receipt was accepted")));
}

// Where less is promised, a power loss may take back the later delivery; then the older receipt is
// good again (seed 80027 of the workload "loose").
TEST(Checkers, an_older_receipt_is_good_again_where_a_power_loss_may_forget_deliveries) {
  for (const bool durable : {false, true}) {
    QueueRules rules;
    rules.durable = durable;
    Scene scene(rules);
    deliver_twice(scene);
    scene.checkers.broker_ended(scene.now.mono, true);
    ack_the_first(scene);
    EXPECT_THAT(scene.checkers.complaints(), testing::SizeIs(durable ? 1 : 0));
  }
}

// A fail is told of again when a power loss has taken it, and is one attempt all the same (seed 125
// of the workload "loose"). More attempts than fails there are none.
TEST(Checkers, a_fail_that_a_power_loss_took_counts_once) {
  for (const std::uint16_t attempts : std::vector<std::uint16_t>{0, 1, 2, 3}) {
    QueueRules rules;
    rules.durable = false;
    rules.max_attempts = 2;
    Scene scene(rules);
    const auto consumer = scene.open(2);
    scene.attach(consumer);
    scene.deliver(consumer, 5);
    scene.fail(consumer, 5);
    scene.checkers.broker_ended(scene.now.mono, true);
    scene.fail(consumer, 5);
    scene.deliver(consumer, 6, 0, attempts);
    EXPECT_EQ(scene.checkers.complaints().empty(), attempts == 1) << attempts;
  }
}

TEST(Checkers, who_sends_a_message_for_the_first_time_is_told_of_no_duplicate) {
  Scene scene;
  scene.publish_again(true);
  EXPECT_THAT(scene.checkers.complaints(), IsEmpty());
  base::Message other;
  other.body = make_body(kTag + 1, 20);
  std::vector<std::byte> batch;
  ASSERT_TRUE(base::append_entry(other, batch).has_value());
  scene.publish(5, batch, true);
  EXPECT_THAT(scene.checkers.complaints(),
              ElementsAre(HasSubstr("was sent once is called stored before")));
}

// A rotten record excuses what it was about, and nothing else.
TEST(Checkers, a_settle_whose_record_rots_may_be_forgotten) {
  for (const std::uint64_t rotten : {0U, 1U, 2U}) {
    Scene scene;
    const auto consumer = scene.open(2);
    scene.attach(consumer);
    scene.deliver(consumer, 5);
    scene.ack(consumer, 5, false);
    const base::Sequence at(rotten);
    if (rotten > 0) scene.checkers.facts_rotted(scene.queue, 0, {{at, at}});
    scene.deliver(consumer, 6);
    EXPECT_EQ(scene.checkers.complaints().empty(), rotten == 1) << rotten;
  }
}

TEST(Checkers, what_nobody_can_read_stays_only_where_something_rotted) {
  broker::BrokerStats stats;
  broker::QueueStats& queue = stats.queues.emplace_back();
  queue.subscriptions.emplace_back();
  queue.messages = queue.bytes = queue.subscriptions.front().dead_lettered = 1;
  for (const bool rotted : {true, false}) {
    Checkers checkers{base::Millis(10'000)};
    checkers.check_drained(stats, rotted);
    EXPECT_EQ(checkers.complaints().empty(), rotted);
    // And so many are counted as there are.
    queue.messages = 2;
    checkers.check_drained(stats, rotted);
    EXPECT_FALSE(checkers.complaints().empty());
    queue.messages = 1;
  }
}

TEST(Checkers, nothing_dies_that_nobody_got) {
  QueueRules rules;
  rules.max_stalls = 2;
  Scene scene(rules);
  const auto consumer = scene.open(2);
  scene.attach(consumer, "default/dlq");
  scene.deliver(consumer, 5, 2);
  EXPECT_THAT(scene.checkers.complaints(), ElementsAre(HasSubstr("dead without a reason")));
}

}  // namespace
}  // namespace sluice::sim
