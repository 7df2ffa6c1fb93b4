#include "operator/link/link_session.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <deque>

#include "wire/error_code.h"
#include "wire/frame_codec.h"

namespace sluice::link {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

// Keeps what is sent.
class FakePort final : public LinkPort {
 public:
  base::Status connect() override {
    ++connects;
    connected = true;
    sent.clear();
    return {};
  }
  void disconnect() override { connected = false; }
  bool send(base::ByteView frame) override {
    if (!connected) return false;
    sent.emplace_back(frame.begin(), frame.end());
    return true;
  }
  template <typename T>
  const T* last(std::uint64_t* request = nullptr) {
    frame_ = *wire::decode_frame(sent.back());
    if (request != nullptr) *request = frame_.header.request;
    return std::get_if<T>(&frame_.body);
  }

  int connects = 0;
  bool connected = false;
  std::vector<std::vector<std::byte>> sent;

 private:
  wire::Frame frame_;
};

class LinkSessionTest : public testing::Test {
 protected:
  LinkEvents events() {
    LinkEvents events;
    events.observed = [this](auto seen) { observed_.push_back(std::move(seen)); };
    events.status_changed = [this](const LinkStatus& status) { statuses_.push_back(status); };
    return events;
  }
  void after(base::Millis time) {
    const base::MonoTime end = now_ + base::Nanos(time);
    for (;;) {
      const base::MonoTime next = session_.step(now_);
      if (end < next) break;
      ASSERT_LT(now_, next);  // it does not spin
      now_ = next;
    }
    now_ = end;
    session_.step(now_);
  }
  void receive(const wire::Body& body, std::uint64_t request = 0) {
    std::vector<std::byte> bytes;
    wire::FrameHeader header;
    header.request = request;
    wire::encode_frame(header, body, bytes);
    session_.on_frame(now_, bytes);
  }
  // The broker welcomes, and hears the WATCH.
  void welcome() {
    after(base::Millis(100));
    ASSERT_NE(port_.last<wire::Hello>(), nullptr);
    wire::Welcome welcome;
    welcome.session = 5;
    welcome.session_epoch = 1;
    welcome.incarnation = 3;
    welcome.heartbeat_ms = 3'333;
    welcome.features = wire::kFeatureControl;
    welcome.software = "sluice/0.1.0";
    receive(welcome);
    watch_ = 0;
    for (const auto& bytes : port_.sent) {
      const auto frame = wire::decode_frame(bytes);
      if (std::holds_alternative<wire::Watch>(frame->body)) watch_ = frame->header.request;
    }
    ASSERT_NE(watch_, 0U);
  }
  void observe() {
    wire::Changes page;
    page.changes = {wire::QueueChange{.name = "orders", .messages = 4}};
    receive(page, watch_);
  }
  void cordon() {
    session_.call(
        now_,
        [](const auto& header, auto& out) {
          wire::encode_frame(header, wire::Cordon{7, 30'000, "pod-0"}, out);
        },
        [this](base::Result<const wire::Frame*> answer) {
          answers_.push_back(answer.has_value() ? "ok" : answer.error().to_string());
        });
  }

  base::MonoTime now_{1'000'000'000};
  FakePort port_;
  std::vector<std::shared_ptr<const BrokerObservation>> observed_;
  std::vector<LinkStatus> statuses_;
  std::vector<std::string> answers_;
  std::uint64_t watch_ = 0;
  LinkSession session_{{}, port_, events(), base::Prng(4)};
};

TEST_F(LinkSessionTest, ObservesOnceItIsWelcome) {
  welcome();
  EXPECT_FALSE(statuses_.back().connected);  // nothing is known yet
  observe();
  ASSERT_THAT(observed_, SizeIs(1));
  EXPECT_EQ(observed_[0]->received_at, now_);
  EXPECT_EQ(observed_[0]->version, "0.1.0");
  EXPECT_EQ(observed_[0]->incarnation, 3U);
  EXPECT_EQ(observed_[0]->queues.front().messages, 4U);
  EXPECT_TRUE(statuses_.back().connected);
}

TEST_F(LinkSessionTest, SilenceMakesItUnknownAndItConnectsAnew) {
  welcome();
  observe();
  const int connects = port_.connects;
  after(base::Millis(5'900));
  EXPECT_TRUE(statuses_.back().connected);
  after(base::Millis(200));
  EXPECT_FALSE(statuses_.back().connected);
  after(base::Millis(1'000));
  EXPECT_GT(port_.connects, connects);
}

TEST_F(LinkSessionTest, WhatWasKnownBeforeAReconnectIsForgotten) {
  welcome();
  observe();
  session_.on_lost(now_, "");
  EXPECT_EQ(statuses_.back().problem, "the connection was lost");
  welcome();
  wire::Changes page;
  page.changes = {wire::QueueChange{.name = "emails"}};
  receive(page, watch_);
  ASSERT_THAT(observed_.back()->queues, SizeIs(1));
  EXPECT_EQ(observed_.back()->queues[0].name, "emails");
}

TEST_F(LinkSessionTest, ACallIsAnsweredOnce) {
  welcome();
  cordon();
  std::uint64_t request = 0;
  ASSERT_NE(port_.last<wire::Cordon>(&request), nullptr);
  receive(wire::Cordoned{0, "", 3}, request);
  receive(wire::Cordoned{0, "", 3}, request);
  EXPECT_THAT(answers_, testing::ElementsAre("ok"));
}

TEST_F(LinkSessionTest, ACallWaitsForTheConnection) {
  cordon();
  welcome();
  std::uint64_t request = 0;
  ASSERT_NE(port_.last<wire::Cordon>(&request), nullptr);
  receive(wire::Cordoned{}, request);
  EXPECT_THAT(answers_, testing::ElementsAre("ok"));
}

TEST_F(LinkSessionTest, ACallWithoutAConnectionSaysWhyThereIsNone) {
  cordon();
  after(base::Millis(9'900));
  EXPECT_THAT(answers_, IsEmpty());
  after(base::Millis(200));
  ASSERT_THAT(answers_, SizeIs(1));
  EXPECT_THAT(answers_[0], HasSubstr("Unavailable: no connection to the broker: nobody says"));
}

TEST_F(LinkSessionTest, ACallThatIsNotAnsweredEnds) {
  welcome();
  cordon();
  for (int i = 0; i < 6; ++i) {
    after(base::Millis(2'000));
    if (answers_.empty()) observe();
  }
  ASSERT_THAT(answers_, SizeIs(1));
  EXPECT_THAT(answers_[0], HasSubstr("DeadlineExceeded"));
}

TEST_F(LinkSessionTest, ALostConnectionEndsTheCallsThatWereSent) {
  welcome();
  cordon();
  session_.on_lost(now_, "");
  ASSERT_THAT(answers_, SizeIs(1));
  EXPECT_THAT(answers_[0], HasSubstr("Unavailable"));
  EXPECT_THAT(answers_[0], HasSubstr("unknown"));
}

TEST_F(LinkSessionTest, ARefusedKeyIsTriedAgainForEver) {
  for (int i = 0; i < 20; ++i) {
    after(base::Millis(6'000));
    if (!port_.connected) continue;
    receive(wire::ErrorFrame{static_cast<std::uint16_t>(wire::Code::kPermissionDenied), "key: no"});
  }
  EXPECT_GT(port_.connects, 10);
  EXPECT_THAT(statuses_, testing::Contains(
                             testing::Field(&LinkStatus::problem, HasSubstr("PermissionDenied"))));
}

TEST_F(LinkSessionTest, ABrokerWithoutTheControlPortIsToldApart) {
  after(base::Millis(100));
  wire::Welcome welcome;
  welcome.heartbeat_ms = 3'000;
  receive(welcome);
  EXPECT_THAT(statuses_.back().problem, HasSubstr("too old"));
}

TEST_F(LinkSessionTest, AnErrorToACallIsTheCalls) {
  welcome();
  cordon();
  std::uint64_t request = 0;
  ASSERT_NE(port_.last<wire::Cordon>(&request), nullptr);
  receive(wire::ErrorFrame{static_cast<std::uint16_t>(wire::Code::kPermissionDenied), "role"},
          request);
  ASSERT_THAT(answers_, SizeIs(1));
  EXPECT_THAT(answers_[0], HasSubstr("role"));
  EXPECT_TRUE(port_.connected);
}

}  // namespace
}  // namespace sluice::link
