#include <gtest/gtest.h>

#include <cstddef>
#include <memory>
#include <thread>
#include <vector>

#include "frontend/zmq_context.h"
#include "frontend/zmq_router.h"
#include "tests/integration/raw_client.h"

namespace sluice::test {
namespace {

TEST(SlowReader, HasSoManyBytesWaitingAndGetsAllOfThemWhenItReads) {
  constexpr std::size_t kMiB = 1U << 20;
  frontend::ZmqContext context;
  frontend::RouterOptions options;
  options.endpoint = "tcp://127.0.0.1:*";
  options.queue_bytes_max = 2 * kMiB;
  options.outbox_bytes_max = kMiB;
  const auto router = frontend::ZmqRouter::open(context, options);
  ASSERT_TRUE(router.has_value());
  RawClient client({.endpoint = (*router)->endpoint(), .broker_key = {}, .frames_max = 1});
  client.send("hello");
  frontend::Inbound hello;
  while (hello.kind == frontend::Inbound::Kind::kNone) {
    std::this_thread::yield();
    hello = (*router)->receive();
  }
  const frontend::Peer peer = hello.peer;

  const std::vector<std::byte> frame(kMiB / 4);
  std::size_t sent = 0;
  // The kernel's buffers take some MiB too, but never all of this.
  while (sent < 400 && (*router)->send(peer, frame) == frontend::SendResult::kSent) ++sent;
  EXPECT_LT(sent * frame.size(), 64 * kMiB);
  EXPECT_GE(sent * frame.size(), 3 * kMiB);

  std::size_t received = 0;
  while (received < sent) {
    EXPECT_TRUE((*router)->flush().empty());
    if (client.receive(std::chrono::milliseconds(10))) ++received;
  }
  EXPECT_EQ((*router)->send(peer, frame), frontend::SendResult::kSent);
}

}  // namespace
}  // namespace sluice::test
