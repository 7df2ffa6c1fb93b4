#include "tests/unit/broker/world.h"

// `traceparent` and `tracestate` belong to the application: nothing that happens to a message may
// change a byte of them, nor of any other part of its entry.
namespace sluice::broker {
namespace {

using testing::ElementsAreArray;
using testing::SizeIs;

class TraceHeadersTest : public testing::Test {
 protected:
  TraceHeadersTest() {
    // Odd on purpose: an upper-case name, blanks and a repeated name are passed on as they came.
    message.headers = {
        {"traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"},
        {"tracestate", "rojo=00f067aa0ba902b7, congo=t61rcWkgMzE "},
        {"tracestate", ""},
        {"TraceParent", "not-a-trace"},
    };
    CHECK(base::append_entry(message, entry).has_value());
    queue = world.make(plain_queue());
    world.send(queue, {message});
    attach();
  }

  void attach() { attachment = world.attach(world.open(1), queue).attachment; }

  // The last delivery's entries, as a consumer gets them.
  std::vector<std::byte> delivered() {
    if (world.sink.delivers.empty()) return {};
    const Deliver& last = world.sink.delivers.back().effect;
    const base::ByteView bytes = *world.store.read(last.runs.at(0).slice);
    return {bytes.begin(), bytes.end()};
  }

  World world;
  base::Message message = with_body("body");
  std::vector<std::byte> entry;
  base::QueueId queue;
  AttachmentHandle attachment;
};

TEST_F(TraceHeadersTest, a_delivery_has_the_bytes_that_were_published) {
  EXPECT_THAT(delivered(), ElementsAreArray(entry));
}

TEST_F(TraceHeadersTest, a_redelivery_has_them_after_a_failure_a_stall_and_a_restart) {
  world.settle(SettleKind::kFail, world.take().at(0), "oh");
  world.sleep(60s);
  EXPECT_THAT(delivered(), ElementsAreArray(entry));
  EXPECT_EQ(world.take().at(0).attempts, 1);
  world.lose(world.sink.delivers.back().effect.session);
  world.restart(true);
  world.sleep(60s);
  attach();
  EXPECT_EQ(world.take().at(0).stalls, 1);
  EXPECT_THAT(delivered(), ElementsAreArray(entry));
}

TEST_F(TraceHeadersTest, a_dead_letter_has_them_and_so_has_its_redrive) {
  world.settle(SettleKind::kReject, world.take().at(0), "no");
  const PeekReply dead = world.peek(queue, true);
  ASSERT_THAT(dead.messages, SizeIs(1));
  EXPECT_THAT(dead.messages[0].entry, ElementsAreArray(entry));
  world.redrive(queue);
  world.tick();
  ASSERT_THAT(world.sink.delivers, SizeIs(2));
  EXPECT_THAT(delivered(), ElementsAreArray(entry));
}

}  // namespace
}  // namespace sluice::broker
