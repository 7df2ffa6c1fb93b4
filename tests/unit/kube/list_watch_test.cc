#include "kube/list_watch.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "kube/cache.h"

namespace sluice::kube {
namespace {

using Kind = ListWatch::Kind;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

class ListWatchTest : public testing::Test {
 protected:
  ListWatchTest()
      : cache({.on_change =
                   [this](const ObjectPtr& before, const ObjectPtr& after) {
                     changes.push_back((before == nullptr  ? "+"
                                        : after == nullptr ? "-"
                                                           : "~") +
                                       name_of(after != nullptr ? *after : *before));
                   }}),
        core({&kPods, "shop", {"app=x", ""}}, 1) {}

  static std::string object(const std::string& name, const std::string& version) {
    return R"({"metadata":{"namespace":"shop","name":")" + name + R"(","resourceVersion":")" +
           version + "\"}}";
  }
  static std::string event(const std::string& type, const std::string& name,
                           const std::string& version) {
    return R"({"type":")" + type + R"(","object":)" + object(name, version) + "}";
  }
  std::string next_target(Kind kind) {
    const ListWatch::Step step = core.next(now);
    EXPECT_EQ(step.kind, kind);
    return step.target;
  }
  void answer_list(int status, const std::string& body, std::optional<base::Millis> retry = {}) {
    next_target(Kind::kList);
    core.listed(HttpResponse{status, body, retry}, cache, now);
  }
  void list(const std::string& items, const std::string& version) {
    answer_list(200,
                R"({"metadata":{"resourceVersion":")" + version + R"("},"items":[)" + items + "]}");
  }
  // Whether the last line was still wanted.
  bool watch(const std::vector<std::string>& lines, base::Nanos for_time = minutes(5)) {
    next_target(Kind::kWatch);
    core.watch_began(now);
    bool wanted = true;
    for (const std::string& line : lines) wanted = core.watch_line(line, cache, now);
    now = now + for_time;
    return wanted;
  }
  void end(base::Result<HttpResponse> response = HttpResponse{200, "", std::nullopt}) {
    core.watch_ended(response, now);
  }
  static bool has(const std::string& text, const std::string& part) {
    return text.find(part) != std::string::npos;
  }
  // Waits are waited for.
  base::Nanos pass_wait() {
    const ListWatch::Step step = core.next(now);
    if (step.kind != Kind::kWait) return base::Nanos(0);
    const base::Nanos waited(step.due - now);
    now = step.due;
    return waited;
  }

  std::vector<std::string> changes;
  Cache cache;
  ListWatch core;
  base::MonoTime now{1'000'000'000'000};
};

TEST_F(ListWatchTest, it_lists_in_pages_and_watches_from_there) {
  EXPECT_EQ(next_target(Kind::kList),
            "/api/v1/namespaces/shop/pods?limit=500&labelSelector=app%3Dx");
  core.listed(
      HttpResponse{200,
                   R"({"metadata":{"resourceVersion":"7","continue":"next page"},"items":[)" +
                       object("a", "3") + "]}",
                   std::nullopt},
      cache, now);
  EXPECT_FALSE(core.synced());
  EXPECT_EQ(cache.size(), 0U);
  EXPECT_TRUE(has(next_target(Kind::kList), "limit=500&continue=next%20page&labelSelector"));
  list(object("b", "4"), "7");
  EXPECT_TRUE(core.synced());
  EXPECT_EQ(changes, (std::vector<std::string>{"+a", "+b"}));
  EXPECT_EQ(text_in(*cache.get("shop", "b"), "kind"), "Pod");
  const std::string target = next_target(Kind::kWatch);
  EXPECT_TRUE(has(target, "watch=1&allowWatchBookmarks=true&timeoutSeconds="));
  EXPECT_TRUE(has(target, "&resourceVersion=7&labelSelector=app%3Dx"));
}

TEST_F(ListWatchTest, events_change_the_cache_and_carry_the_version_on) {
  list(object("a", "3"), "7");
  changes.clear();
  EXPECT_TRUE(
      watch({event("ADDED", "b", "8"), event("MODIFIED", "a", "9"), event("DELETED", "b", "10"),
             R"({"type":"BOOKMARK","object":{"metadata":{"resourceVersion":"20"}}})"}));
  end();
  EXPECT_EQ(changes, (std::vector<std::string>{"+b", "~a", "-b"}));
  EXPECT_TRUE(has(next_target(Kind::kWatch), "&resourceVersion=20&"));
  EXPECT_EQ(core.lists(), 1U);
}

TEST_F(ListWatchTest, what_vanished_while_nobody_watched_is_told) {
  list(object("a", "1") + "," + object("b", "2"), "7");
  changes.clear();
  watch({R"({"type":"ERROR","object":{"kind":"Status","code":410,"reason":"Expired"}})"});
  end();
  EXPECT_TRUE(has(next_target(Kind::kList), "resourceVersion=7"));  // at the last version first
  list(object("b", "2") + "," + object("c", "9"), "12");
  EXPECT_EQ(changes, (std::vector<std::string>{"-a", "+c"}));
}

TEST_F(ListWatchTest, an_expired_watch_is_known_in_every_shape) {
  for (const std::string line :
       {R"({"type":"ERROR","object":{"code":410}})", R"({"kind":"Status","code":410})",
        R"({"type":"ERROR","object":{"reason":"Expired"}})"}) {
    core = ListWatch({&kPods, "shop", {}}, 1);
    list("", "7");
    EXPECT_FALSE(watch({line}));
    end();
    EXPECT_TRUE(has(next_target(Kind::kList), "resourceVersion=7")) << line;
  }
  list("", "8");
  watch({});
  end(HttpResponse{410, "{}", std::nullopt});
  EXPECT_TRUE(has(next_target(Kind::kList), "resourceVersion=8"));
}

TEST_F(ListWatchTest, where_the_last_version_is_gone_the_newest_is_listed) {
  list("", "7");
  watch({});
  end(HttpResponse{410, "{}", std::nullopt});
  answer_list(410, "{}");
  EXPECT_FALSE(has(next_target(Kind::kList), "resourceVersion"));
}

TEST_F(ListWatchTest, a_server_that_is_behind_gets_a_second) {
  list("", "7");
  watch({});
  end(HttpResponse{410, "{}", std::nullopt});
  answer_list(504, R"({"message":"Too large resource version: 9, current: 5"})");
  EXPECT_GE(pass_wait(), seconds(1));
  next_target(Kind::kList);
}

TEST_F(ListWatchTest, being_turned_away_resumes_at_the_same_version) {
  list("", "7");
  watch({});
  end(HttpResponse{429, "{}", base::Millis(5'000)});
  EXPECT_FALSE(core.problem().empty());
  EXPECT_GE(pass_wait(), seconds(5));
  EXPECT_TRUE(has(next_target(Kind::kWatch), "resourceVersion=7"));
  watch({});
  end(base::unavailable("connection refused"));
  EXPECT_GT(pass_wait(), seconds(0));
  EXPECT_TRUE(has(next_target(Kind::kWatch), "resourceVersion=7"));
  EXPECT_EQ(core.lists(), 1U);
}

TEST_F(ListWatchTest, waits_grow_to_half_a_minute_and_shrink_after_two_quiet_ones) {
  list("", "7");
  base::Nanos last{0};
  for (int i = 0; i < 10; ++i) {
    watch({}, seconds(2));
    end(base::unavailable("down"));
    last = pass_wait();
    EXPECT_LE(last, seconds(30));
  }
  EXPECT_GE(last, seconds(15));
  watch({event("ADDED", "a", "8")}, minutes(5));
  end(base::unavailable("down"));
  EXPECT_LE(pass_wait(), milliseconds(400));
}

TEST_F(ListWatchTest, no_server_holds_a_watch_off_for_longer_than_half_a_minute) {
  list("", "7");
  watch({});
  end(HttpResponse{429, "{}", base::Millis(3'600'000)});
  EXPECT_EQ(pass_wait(), seconds(30));
}

// What kube-apiserver says while the storage of a custom resource is made anew, word for word.
constexpr const char* kStorageStarts =
    R"({"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure",)"
    R"("message":"storage is (re)initializing","reason":"TooManyRequests",)"
    R"("details":{"retryAfterSeconds":1},"code":429})";

TEST_F(ListWatchTest, a_storage_that_is_made_anew_is_asked_again_within_seconds) {
  list("", "7");
  // The waits had grown for another reason.
  for (int i = 0; i < 8; ++i) {
    watch({}, seconds(0));
    end(base::unavailable("down"));
    pass_wait();
  }
  for (int i = 0; i < 20; ++i) {
    watch({}, seconds(0));
    end(HttpResponse{429, kStorageStarts, base::Millis(1'000)});
    const base::Nanos waited = pass_wait();
    EXPECT_GE(waited, seconds(1));
    EXPECT_LE(waited, seconds(2));
  }
  watch({}, seconds(0));
  end(HttpResponse{429, kStorageStarts, base::Millis(60'000)});
  EXPECT_EQ(pass_wait(), seconds(3));
  watch({R"({"type":"ERROR","object":)" + std::string(kStorageStarts) + "}"}, seconds(0));
  end();
  EXPECT_LE(pass_wait(), seconds(2));
  EXPECT_TRUE(has(next_target(Kind::kWatch), "resourceVersion=7"));
  EXPECT_EQ(core.lists(), 1U);
}

TEST_F(ListWatchTest, a_list_that_is_too_long_is_asked_for_in_pages) {
  list("", "7");
  watch({});
  end(HttpResponse{410, "{}", std::nullopt});
  EXPECT_TRUE(has(next_target(Kind::kList), "resourceVersion=7"));
  core.listed(base::Error(base::ErrorCode::kResourceExhausted, "longer than 64 MiB"), cache, now);
  EXPECT_GT(pass_wait(), seconds(0));
  EXPECT_FALSE(has(next_target(Kind::kList), "resourceVersion"));
}

TEST_F(ListWatchTest, a_watch_that_ends_at_once_is_an_error) {
  list("", "7");
  watch({}, milliseconds(10));
  end();
  EXPECT_GT(pass_wait(), seconds(0));
  watch({event("ADDED", "a", "8")}, milliseconds(10));
  end();
  EXPECT_EQ(pass_wait(), seconds(0));
}

TEST_F(ListWatchTest, a_watch_that_fell_silent_is_begun_again) {
  list("", "7");
  watch({event("ADDED", "a", "8")});
  end(base::Error(base::ErrorCode::kDeadlineExceeded, "silent"));
  EXPECT_TRUE(has(next_target(Kind::kWatch), "resourceVersion=8"));
}

TEST_F(ListWatchTest, half_a_line_is_no_event) {
  list("", "7");
  EXPECT_FALSE(watch({event("ADDED", "a", "8"), R"({"type":"ADDED","obj)"}, seconds(0)));
  end();
  EXPECT_GT(pass_wait(), seconds(0));
  EXPECT_TRUE(has(next_target(Kind::kWatch), "resourceVersion=8"));
}

TEST_F(ListWatchTest, an_event_without_an_object_is_no_event) {
  list("", "7");
  for (const char* line : {R"({"type":"ADDED","object":"x"})", R"({"type":"DELETED","object":[1]})",
                           R"({"type":"MODIFIED","object":null})"}) {
    EXPECT_FALSE(watch({line}, seconds(0)));
    end();
    EXPECT_GT(pass_wait(), seconds(0));
  }
  EXPECT_TRUE(changes.empty());
  EXPECT_TRUE(has(next_target(Kind::kWatch), "resourceVersion=7"));
}

TEST(CacheTest, objects_are_found_by_their_keys) {
  Cache cache(
      {.prune = [](Json& object) { object["metadata"].erase("managedFields"); },
       .index_keys = [](const Json& object) { return std::vector{text_in(object, "broker")}; }});
  const auto pod = [](const char* name, const char* broker) {
    return Json{{"metadata", {{"name", name}, {"namespace", "n"}, {"managedFields", 1}}},
                {"broker", broker}};
  };
  cache.put(pod("a", "x"));
  cache.put(pod("b", "x"));
  EXPECT_EQ(cache.with_key("x").size(), 2U);
  cache.put(pod("a", "y"));
  ASSERT_EQ(cache.with_key("x").size(), 1U);
  EXPECT_EQ(name_of(*cache.with_key("x")[0]), "b");
  EXPECT_FALSE((*cache.get("n", "a"))["metadata"].contains("managedFields"));
  cache.erase(pod("b", "x"));
  EXPECT_TRUE(cache.with_key("x").empty());
  EXPECT_EQ(cache.get("n", "b"), nullptr);
  EXPECT_EQ(cache.all().size(), 1U);
}

}  // namespace
}  // namespace sluice::kube
