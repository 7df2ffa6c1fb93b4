#include "kube/event_series.h"

#include <gtest/gtest.h>

#include <string>

namespace sluice::kube {
namespace {

using std::chrono::minutes;
using std::chrono::seconds;

class EventSeriesTest : public testing::Test {
 protected:
  EventNote note(const std::string& text, const std::string& reason = "Scaled") {
    return {regarding({{"apiVersion", "sluice.dev/v1alpha1"},
                       {"kind", "Queue"},
                       {"metadata", {{"name", queue}, {"namespace", "shop"}, {"uid", "u1"}}}}),
            EventType::kNormal, reason, "Scale", text};
  }
  base::Now now() const { return {mono, wall}; }
  void advance(base::Nanos time) {
    mono = mono + time;
    wall = wall + std::chrono::duration_cast<base::Millis>(time).count();
  }

  std::string queue = "orders";
  EventSeries events{{"sluice.dev/operator", "pod-1"}};
  base::MonoTime mono{1'000'000'000};
  base::WallTime wall{1'790'000'000'000};
};

TEST_F(EventSeriesTest, an_event_has_what_the_api_server_asks_for) {
  const auto write = events.add(note("from 1 to 3"), now());
  ASSERT_TRUE(write && write->create);
  const Json& event = *write->create;
  EXPECT_EQ(event["metadata"]["namespace"], "shop");
  EXPECT_TRUE(event["metadata"]["name"].get<std::string>().starts_with("orders."));
  EXPECT_EQ(event["regarding"]["uid"], "u1");
  EXPECT_EQ(event["type"], "Normal");
  EXPECT_EQ(event["reason"], "Scaled");
  EXPECT_EQ(event["action"], "Scale");
  EXPECT_EQ(event["note"], "from 1 to 3");
  EXPECT_EQ(event["reportingController"], "sluice.dev/operator");
  EXPECT_EQ(event["reportingInstance"], "pod-1");
  EXPECT_EQ(event["eventTime"], "2026-09-21T14:13:20.000000Z");
}

TEST_F(EventSeriesTest, the_same_again_is_a_series) {
  const auto first = events.add(note("x"), now());
  advance(minutes(5));
  const auto second = events.add(note("x"), now());
  ASSERT_TRUE(second && !second->create);
  EXPECT_EQ(second->ref.name, name_of(*first->create));
  EXPECT_EQ(second->patch["series"]["count"], 2);
  advance(minutes(7));
  EXPECT_TRUE(events.add(note("x"), now())->create.has_value());
}

TEST_F(EventSeriesTest, many_that_differ_in_their_text_only_become_one) {
  for (int i = 0; i < 10; ++i) {
    EXPECT_TRUE(events.add(note("number " + std::to_string(i)), now())->create) << i;
  }
  const auto combined = events.add(note("number 10"), now());
  ASSERT_TRUE(combined && combined->create);
  EXPECT_EQ((*combined->create)["note"], "(combined from similar events) number 10");
  const auto more = events.add(note("number 11"), now());
  ASSERT_TRUE(more);
  EXPECT_FALSE(more->create);
}

TEST_F(EventSeriesTest, an_object_has_its_share_and_takes_none_of_the_others) {
  int written = 0;
  for (int i = 0; i < 100; ++i) {
    written += events.add(note("x", "Reason" + std::to_string(i)), now()) ? 1 : 0;
  }
  EXPECT_EQ(written, 25);
  queue = "other";
  EXPECT_TRUE(events.add(note("x"), now()).has_value());
  queue = "orders";
  advance(seconds(301));
  EXPECT_TRUE(events.add(note("x", "Later"), now()).has_value());
  EXPECT_FALSE(events.add(note("x", "Again"), now()).has_value());
}

TEST_F(EventSeriesTest, a_long_note_is_cut_between_characters) {
  std::string text(999, 'a');
  text += "\xc3\xa4";
  const auto write = events.add(note(text), now());
  EXPECT_EQ((*write->create)["note"], std::string(999, 'a'));
}

TEST_F(EventSeriesTest, what_is_too_long_ago_to_matter_is_forgotten) {
  for (int i = 0; i < 100; ++i) {
    queue = "q" + std::to_string(i);
    events.add(note("made"), now());
    events.add(note("deleted"), now());
    advance(seconds(1));
  }
  EXPECT_EQ(events.size(), 400U);  // two series, one kind of note and one bucket each
  advance(minutes(5));
  events.forget(mono);
  EXPECT_GT(events.size(), 200U);
  advance(minutes(10));
  events.forget(mono);
  EXPECT_EQ(events.size(), 0U);
  // The first one begins anew.
  queue = "q0";
  EXPECT_TRUE(events.add(note("made"), now())->create.has_value());
}

TEST_F(EventSeriesTest, what_is_remembered_is_bounded) {
  for (int i = 0; i < 10'000; ++i) {
    queue = "q" + std::to_string(i);
    EXPECT_TRUE(events.add(note("x"), now()).has_value());
  }
}

}  // namespace
}  // namespace sluice::kube
