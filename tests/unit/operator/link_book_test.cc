#include "operator/app/link_book.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "operator/reconcile/live_settings.h"
#include "tests/support/status_matchers.h"
#include "tests/unit/kube/script_transport.h"
#include "tests/unit/operator/fake_links.h"

namespace sluice::op {
namespace {

using base::ErrorCode;
using test::HasCode;
using test::IsOk;

class LinkBookTest : public testing::Test {
 protected:
  static link::BrokerObservation observation(std::uint64_t revision, std::uint64_t ready = 0) {
    link::BrokerObservation out;
    out.revision = revision;
    out.incarnation = 1;
    link::QueueObservation queue;
    queue.name = "orders";
    queue.revision = revision;
    link::SubscriptionObservation subscription;
    subscription.name = "default";
    subscription.ready = ready;
    queue.subscriptions.push_back(subscription);
    out.queues.push_back(queue);
    return out;
  }
  std::vector<std::string> take_news() { return std::exchange(news, {}); }

  FakeLinks links;
  std::vector<std::string> news;
  std::uint64_t met = 0;
  kube::TestClock clock;
  LinkBook book{links,
                clock,
                {[this](const std::string& broker, bool at_once) {
                   news.push_back((at_once ? "now " : "later ") + broker);
                 },
                 [this](std::uint64_t epoch) { met = epoch; },
                 {}}};
  const std::string key = "shop/orders";
};

TEST_F(LinkBookTest, it_follows_the_addresses_of_the_shards) {
  book.follow(key, {{"tcp://a", "", ""}, {}});
  EXPECT_EQ(links.opened, (std::vector<std::string>{"tcp://a"}));
  book.follow(key, {{"tcp://a", "", ""}, {"tcp://b", "", ""}});
  EXPECT_EQ(links.opened, (std::vector<std::string>{"tcp://a", "tcp://b"}));
  book.follow(key, {{"tcp://c", "", ""}, {"tcp://b", "", ""}});
  EXPECT_FALSE(links.live.contains("tcp://a"));
  EXPECT_EQ(links.live.size(), 2U);
  book.follow(key, {});
  EXPECT_TRUE(links.live.empty());
}

TEST_F(LinkBookTest, what_a_plan_depends_on_is_news_at_once_and_numbers_are_later) {
  book.follow(key, {{"tcp://a", "", ""}});
  take_news();
  links.connect("tcp://a");
  EXPECT_EQ(take_news(), (std::vector<std::string>{"now shop/orders"}));
  links.observe("tcp://a", observation(1));
  EXPECT_EQ(take_news(), (std::vector<std::string>{"now shop/orders"}));
  links.observe("tcp://a", observation(1, 7));
  EXPECT_EQ(take_news(), (std::vector<std::string>{"later shop/orders"}));
  links.observe("tcp://a", observation(1, 7));
  EXPECT_TRUE(take_news().empty());
  links.observe("tcp://a", observation(2, 7));
  EXPECT_EQ(take_news(), (std::vector<std::string>{"now shop/orders"}));
  EXPECT_TRUE(book.shards(key).at(0).connected);
  EXPECT_EQ(book.shards(key).at(0).observation->revision, 2U);
  EXPECT_EQ(book.counts().connected, 1U);
}

TEST_F(LinkBookTest, a_refused_manifest_is_kept_until_one_is_taken) {
  book.follow(key, {{"tcp://a", "", ""}});
  links.answer = [](const std::string&) { return base::invalid_argument("limits: no"); };
  EXPECT_THAT(book.configure(key, 0, 5, "orders", "{}"), IsOk());
  const auto refused = book.shards(key).at(0).refused;
  ASSERT_TRUE(refused.contains("orders"));
  EXPECT_EQ(refused.at("orders").message, "limits: no");
  EXPECT_EQ(refused.at("orders").revision, link::manifest_revision("{}"));
  links.answer = [](const std::string&) { return base::Status(); };
  EXPECT_THAT(book.configure(key, 0, 5, "orders", "{}"), IsOk());
  EXPECT_TRUE(book.shards(key).at(0).refused.empty());
  EXPECT_EQ(links.calls.back().epoch, 5U);
}

TEST_F(LinkBookTest,
       a_refusal_that_may_pass_is_asked_again_after_a_minute_and_a_wrong_manifest_never) {
  book.follow(key, {{"tcp://a", "", ""}});
  links.answer = [](const std::string&) { return base::invalid_argument("limits: no"); };
  EXPECT_THAT(book.configure(key, 0, 5, "orders", "{}"), IsOk());
  EXPECT_EQ(book.shards(key).at(0).refused.at("orders").ask_again, std::nullopt);
  links.answer = [](const std::string&) { return base::failed_precondition("has messages"); };
  EXPECT_THAT(book.configure(key, 0, 5, "orders", "{}"), IsOk());
  EXPECT_EQ(book.shards(key).at(0).refused.at("orders").ask_again,
            clock.mono + base::Nanos(std::chrono::minutes(1)));
}

// Else a Queue that is deleted right away counts as removed, and is not.
TEST_F(LinkBookTest, a_shard_has_what_it_was_told_to_make_before_it_says_so) {
  book.follow(key, {{"tcp://a", "", ""}});
  links.observe("tcp://a", observation(1));
  EXPECT_FALSE(reconcile::has_queue(book.shards(key).at(0), "emails"));
  for (const auto& answer : {base::Status(), base::Status(base::unavailable("lost"))}) {
    links.answer = [&answer](const std::string&) { return answer; };
    static_cast<void>(book.configure(key, 0, 5, "emails", "{}"));
    EXPECT_TRUE(reconcile::has_queue(book.shards(key).at(0), "emails"));
    take_news();
    links.observe("tcp://a", observation(1));
    EXPECT_FALSE(reconcile::has_queue(book.shards(key).at(0), "emails"));
    EXPECT_EQ(take_news(), (std::vector<std::string>{"now shop/orders"}));
  }
  links.answer = [](const std::string&) { return base::invalid_argument("no"); };
  static_cast<void>(book.configure(key, 0, 5, "emails", "{}"));
  EXPECT_FALSE(reconcile::has_queue(book.shards(key).at(0), "emails"));
}

TEST_F(LinkBookTest, a_shard_is_being_tried_until_something_is_known_of_it) {
  book.follow(key, {{}});
  EXPECT_EQ(book.shards(key).at(0).trying_since, std::nullopt);
  book.follow(key, {{"tcp://a", "", ""}});
  const base::MonoTime began = clock.mono;
  clock.advance(std::chrono::seconds(1));
  book.follow(key, {{"tcp://b", "", ""}});
  EXPECT_EQ(book.shards(key).at(0).trying_since, began);
  links.connect("tcp://b");
  EXPECT_EQ(book.shards(key).at(0).trying_since, began);
  links.observe("tcp://b", observation(1));
  EXPECT_EQ(book.shards(key).at(0).trying_since, std::nullopt);
  book.follow(key, {{"tcp://c", "", ""}});
  EXPECT_EQ(book.shards(key).at(0).trying_since, std::nullopt);
}

TEST_F(LinkBookTest, what_another_process_or_version_refused_is_asked_again) {
  book.follow(key, {{"tcp://a", "", ""}});
  links.answer = [](const std::string&) { return base::failed_precondition("has messages"); };
  link::BrokerObservation told = observation(1);
  links.observe("tcp://a", told);
  for (const bool upgrade : {false, true}) {
    EXPECT_THAT(book.configure(key, 0, 5, "orders", "{}"), IsOk());
    links.observe("tcp://a", told);
    EXPECT_TRUE(book.shards(key).at(0).refused.contains("orders"));
    if (upgrade) told.version = "2";
    if (!upgrade) told.incarnation = 2;
    links.observe("tcp://a", told);
    EXPECT_TRUE(book.shards(key).at(0).refused.empty());
  }
}

TEST_F(LinkBookTest, a_leader_of_before_is_an_error_and_no_refusal) {
  book.follow(key, {{"tcp://a", "", ""}});
  link::BrokerObservation other = observation(1);
  other.leader_epoch = 9;
  links.observe("tcp://a", other);
  EXPECT_EQ(met, 9U);
  links.answer = [](const std::string&) { return base::failed_precondition("epoch 5 < 9"); };
  EXPECT_THAT(book.configure(key, 0, 5, "orders", "{}"), HasCode(ErrorCode::kFailedPrecondition));
  EXPECT_TRUE(book.shards(key).at(0).refused.empty());
}

TEST_F(LinkBookTest, without_a_link_a_call_fails_and_may_be_repeated) {
  book.follow(key, {{}});
  EXPECT_THAT(book.configure(key, 0, 5, "orders", "{}"), HasCode(ErrorCode::kUnavailable));
  EXPECT_THAT(book.remove_queue(key, 3, 5, "orders", link::RemoveMode::kAlways),
              HasCode(ErrorCode::kUnavailable));
}

TEST_F(LinkBookTest, callbacks_that_come_late_find_nobody) {
  auto early = std::make_unique<LinkBook>(links, clock, LinkHooks{});
  early->follow(key, {{"tcp://a", "", ""}});
  const link::LinkEvents events = links.live.at("tcp://a");
  early->follow(key, {{"tcp://b", "", ""}});
  events.observed(std::make_shared<const link::BrokerObservation>(observation(1)));
  EXPECT_EQ(early->shards(key).at(0).observation, nullptr);
  early.reset();
  events.status_changed({true, ""});
}

}  // namespace
}  // namespace sluice::op
