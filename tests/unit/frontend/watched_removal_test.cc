#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/prng.h"
#include "frontend/broker_host.h"
#include "frontend/frame_dispatch.h"
#include "runtime/memory_file_system.h"
#include "tests/unit/frontend/recording_commands.h"
#include "wire/frame_codec.h"

namespace sluice::frontend {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

class SteppedClock final : public runtime::Clock {
 public:
  base::MonoTime mono_now() const override { return now.mono; }
  base::WallTime wall_now() const override { return now.wall; }
  base::Now now{base::MonoTime(1'000'000'000), base::WallTime(1'000)};
};

// Does file work when it is submitted, or, while the disk is stalled, later.
class StallingWorkers final : public LogWorkers {
 public:
  explicit StallingWorkers(bool& stalled) : stalled_(stalled) {}
  void submit(Lane, std::shared_ptr<storage::LogWork> work) override {
    waiting_.push_back(std::move(work));
  }
  std::size_t run_completions() override {
    std::size_t done = 0;
    for (; !stalled_ && !waiting_.empty(); ++done) {
      const auto work = std::move(waiting_.front());
      waiting_.pop_front();
      work->finish(work->run());
    }
    return done;
  }
  void stop() override { waiting_.clear(); }

 private:
  bool& stalled_;
  std::deque<std::shared_ptr<storage::LogWork>> waiting_;
};

// A broker with a queue `orders`, and somebody who watches it. Time goes on with what the broker's
// loop does then.
class WatchedRemovalTest : public testing::Test {
 protected:
  WatchedRemovalTest() {
    start();
    broker::QueueConfig orders;
    orders.name = "orders";
    orders.subscriptions.emplace_back().name = "default";
    EXPECT_TRUE(host_->configure(clock_.now, orders).has_value());
    EXPECT_TRUE(host_->flush().has_value());
  }

  void start() {
    dispatch_.reset();
    sessions_.reset();
    host_.reset();
    HostOptions options;
    options.folder = "/data";
    options.log.owner = "the test";
    options.log.segment_bytes = 1U << 20;
    options.log.random_id = [this] { return prng_.id128(); };
    options.workers = [this](const std::function<void()>&) {
      return std::make_unique<StallingWorkers>(stalled_);
    };
    std::optional<HostError> error;
    host_ = BrokerHost::open(
        fs_, clock_, options, [] {}, error);
    ASSERT_FALSE(error.has_value()) << error->error.message();
    sessions_ = std::make_unique<SessionTable>(SessionOptions{base::Millis(3'600'000), 8},
                                               host_->incarnation(),
                                               [this] { return base::SessionId(prng_.id128()); });
    DispatchHooks hooks;
    hooks.random_id = [this] { return prng_.id128(); };
    hooks.picture = [this](base::Now now) {
      ++looks_;
      return host_->control_picture(now);
    };
    hooks.show_epoch = [this](std::uint64_t epoch) { return host_->leader_epoch().show(epoch); };
    dispatch_ = std::make_unique<FrameDispatch>(
        FrameDispatch::Parts{*sessions_, *host_, host_->gate(), host_->messages(), output_,
                             output_},
        hooks, DispatchOptions{host_->incarnation(), "sluice/test", nullptr});
  }

  static Peer peer(unsigned number) {
    const std::byte id[kRoutingIdBytes] = {std::byte{0}, std::byte{9}, std::byte{9}, std::byte{9},
                                           std::byte(number)};
    return make_peer(Port::kControl, id);
  }
  wire::FrameHeader open(Peer from) {
    std::vector<std::byte> bytes;
    wire::encode_frame({}, wire::Hello{}, bytes);
    dispatch_->receive(clock_.now, from, bytes);
    const auto welcome = output_.sent.back().body<wire::Welcome>();
    output_.sent.clear();
    wire::FrameHeader header;
    header.session = welcome.session;
    header.session_epoch = welcome.session_epoch;
    return header;
  }
  void receive(Peer from, wire::FrameHeader header, const wire::Body& body) {
    header.request = ++request_;
    std::vector<std::byte> bytes;
    wire::encode_frame(header, body, bytes);
    dispatch_->receive(clock_.now, from, bytes);
    round();
  }

  // As BrokerServer::round(). Returns whether there was something to do by the clock.
  bool round() {
    EXPECT_TRUE(host_->collect().has_value());
    const auto next = dispatch_->next_tick();
    const bool due = next && *next <= clock_.now.mono;
    if (due) dispatch_->tick(clock_.now);
    host_->tick(clock_.now);
    host_->hand_over();
    host_->release([&](Effect&& effect) { dispatch_->pass(clock_.now, std::move(effect)); });
    return due;
  }
  // Rounds in which the broker was woken by its clock.
  int wait_ms(int ms) {
    int woken = 0;
    for (int i = 0; i < ms; ++i) {
      clock_.now.mono = clock_.now.mono + base::Millis(1);
      woken += round() ? 1 : 0;
    }
    return woken;
  }
  // The names of queues that these changes tell of, "-NAME" where it is gone.
  std::vector<std::string> told(Peer to) const {
    std::vector<std::string> names;
    for (const RecordingOutput::Sent& sent : output_.sent) {
      const wire::Frame frame = sent.frame();
      const auto* page = std::get_if<wire::Changes>(&frame.body);
      if (page == nullptr || sent.peer != to) continue;
      for (const wire::Change& change : page->changes) {
        if (const auto* queue = std::get_if<wire::QueueChange>(&change)) {
          names.emplace_back(queue->name);
        } else if (const auto* gone = std::get_if<wire::GoneChange>(&change)) {
          names.emplace_back("-" + std::string(gone->name));
        }
      }
    }
    return names;
  }

  runtime::MemoryFileSystem fs_{{.folders = {"/data"}}};
  SteppedClock clock_;
  base::Prng prng_{3};
  bool stalled_ = false;
  int looks_ = 0;
  std::uint64_t request_ = 0;
  RecordingOutput output_;
  std::unique_ptr<BrokerHost> host_;
  std::unique_ptr<SessionTable> sessions_;
  std::unique_ptr<FrameDispatch> dispatch_;
  const Peer operator_ = peer(1);
  const Peer other_ = peer(2);
};

TEST_F(WatchedRemovalTest, ARemovalIsShownOnlyWhenNoLossOfPowerUndoesIt) {
  const wire::FrameHeader header = open(operator_);
  receive(operator_, header, wire::Watch{200});
  EXPECT_THAT(told(operator_), ElementsAre("orders"));
  output_.sent.clear();
  stalled_ = true;
  receive(operator_, header, wire::RemoveQueue{7, "orders", false});
  wait_ms(5'000);
  EXPECT_THAT(told(operator_), IsEmpty());
  // Nor is it kept from somebody who comes only now.
  receive(other_, open(other_), wire::Watch{200});
  wait_ms(5'000);
  EXPECT_THAT(output_.sent, IsEmpty());
  fs_.crash(runtime::CrashPlan::lose_unsynced());
  stalled_ = false;
  start();
  EXPECT_TRUE(host_->find_queue("orders").has_value());
}

TEST_F(WatchedRemovalTest, TheLoopSleepsUntilTheDiskHasIt) {
  const wire::FrameHeader header = open(operator_);
  receive(operator_, header, wire::Watch{200});
  wait_ms(1'000);
  stalled_ = true;
  receive(operator_, header, wire::RemoveQueue{7, "orders", false});
  looks_ = 0;
  EXPECT_EQ(wait_ms(60'000), 0);
  EXPECT_EQ(looks_, 0);
}

TEST_F(WatchedRemovalTest, ItIsShownAsSoonAsTheDiskHasIt) {
  const wire::FrameHeader header = open(operator_);
  receive(operator_, header, wire::Watch{200});
  stalled_ = true;
  receive(operator_, header, wire::RemoveQueue{7, "orders", false});
  wait_ms(5'000);
  output_.sent.clear();
  stalled_ = false;
  round();
  EXPECT_THAT(told(operator_), ElementsAre("-orders"));
}

}  // namespace
}  // namespace sluice::frontend
