// lib/kube against a real API server: that of $KUBECONFIG. Run by tests/cluster.
#include <gtest/gtest.h>

#include <chrono>
#include <condition_variable>
#include <cstdlib>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <thread>

#include "kube/cache.h"
#include "kube/cpprest_transport.h"
#include "kube/elector.h"
#include "kube/event_recorder.h"
#include "kube/http_api.h"
#include "kube/kubeconfig.h"
#include "kube/reflector.h"
#include "kube/run_program.h"
#include "runtime/posix/random.h"
#include "runtime/posix/system_clock.h"
#include "tests/support/status_matchers.h"

namespace sluice::kube {
namespace {

using base::ErrorCode;
using std::chrono::seconds;
using test::HasCode;
using test::IsOk;

// Waits for what another thread tells.
class Signals {
 public:
  void add(const std::string& what) {
    const std::lock_guard lock(mutex_);
    seen_.insert(what);
    changed_.notify_all();
  }
  bool wait_for(const std::string& what) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, seconds(60), [&] { return seen_.contains(what); });
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::set<std::string> seen_;
};

class ApiServerTest : public testing::Test {
 protected:
  void SetUp() override {
    const char* kubeconfig = std::getenv("KUBECONFIG");
    ASSERT_NE(kubeconfig, nullptr) << "set KUBECONFIG, for instance by tests/cluster/with";
    auto access = kubeconfig_access(
        kubeconfig, "",
        {read_text_file, [](const Program& program) { return run_program(program, seconds(10)); },
         clock});
    ASSERT_THAT(access, IsOk());
    auto made = make_cpprest_transport(*std::move(access), {});
    ASSERT_THAT(made, IsOk());
    transport = *std::move(made);
    api = std::make_unique<HttpApi>(HttpApiSeams{*transport,
                                                 clock,
                                                 [](base::Millis time) {
                                                   std::this_thread::sleep_for(time);
                                                   return true;
                                                 },
                                                 {}});
    name_space = "kube-test-" + std::to_string(runtime::random_seed() % 1'000'000'000);
    ASSERT_THAT(
        api->create(
            {{"apiVersion", "v1"}, {"kind", "Namespace"}, {"metadata", {{"name", name_space}}}}),
        IsOk());
  }
  void TearDown() override {
    if (api != nullptr) {
      EXPECT_THAT(api->remove({&kNamespaces, "", name_space}, {}, Propagation::kBackground),
                  IsOk());
    }
  }

  Json config_map(const std::string& name, const Json& data) const {
    return {{"apiVersion", "v1"},
            {"kind", "ConfigMap"},
            {"metadata", {{"name", name}, {"namespace", name_space}, {"labels", {{"a", "b"}}}}},
            {"data", data}};
  }

  runtime::SystemClock clock;
  std::unique_ptr<HttpTransport> transport;
  std::unique_ptr<Api> api;
  std::string name_space;
};

TEST_F(ApiServerTest, objects_are_applied_read_patched_and_removed) {
  const ObjectRef ref{&kConfigMaps, name_space, "one"};
  EXPECT_THAT(api->get(ref), HasCode(ErrorCode::kNotFound));
  ASSERT_THAT(api->apply(config_map("one", {{"k", "a/b\"\\\u00e9\n"}, {"l", "2"}}), "m"), IsOk());
  // What is left out of the next one goes.
  const auto second = api->apply(config_map("one", {{"k", "3"}}), "m");
  ASSERT_THAT(second, IsOk());
  EXPECT_EQ((*second)["data"], (Json{{"k", "3"}}));
  const std::string version = resource_version_of(*second);
  const auto patched =
      api->merge_patch(ref, {{"metadata", {{"resourceVersion", version}}}, {"data", {{"p", "4"}}}});
  ASSERT_THAT(patched, IsOk());
  EXPECT_THAT(
      api->merge_patch(ref, {{"metadata", {{"resourceVersion", version}}}, {"data", {{"p", "5"}}}}),
      HasCode(ErrorCode::kConflict));
  EXPECT_THAT(api->remove(ref, {"another-uid", ""}, Propagation::kBackground),
              HasCode(ErrorCode::kConflict));
  EXPECT_THAT(api->remove(ref, {uid_of(*patched), ""}, Propagation::kBackground), IsOk());
  EXPECT_THAT(api->remove(ref, {}, Propagation::kBackground), IsOk());
}

TEST_F(ApiServerTest, errors_are_told_apart) {
  ASSERT_THAT(api->create(config_map("one", {{"k", "1"}})), IsOk());
  EXPECT_THAT(api->create(config_map("one", {{"k", "1"}})), IsOk());  // as if sent twice
  EXPECT_THAT(api->create(config_map("one", {{"k", "2"}})), HasCode(ErrorCode::kAlreadyExists));
  EXPECT_THAT(api->create(config_map("NO", {})), HasCode(ErrorCode::kInvalidArgument));
  EXPECT_THAT(api->list(kScaledObjects, name_space, {}), HasCode(ErrorCode::kNotFound));
}

TEST_F(ApiServerTest, a_long_list_comes_in_pages) {
  for (int i = 0; i < 520; ++i) {
    ASSERT_THAT(api->create(config_map("c" + std::to_string(i), {})), IsOk());
  }
  const auto all = api->list(kConfigMaps, name_space, {"a=b", ""});
  ASSERT_THAT(all, IsOk());
  EXPECT_EQ((*all)["items"].size(), 520U);
}

TEST_F(ApiServerTest, a_reflector_keeps_in_step) {
  Signals signals;
  Cache cache({{}, {}, [&signals](const ObjectPtr& before, const ObjectPtr& after) {
                 signals.add((before == nullptr  ? "+"
                              : after == nullptr ? "-"
                                                 : "~") +
                             name_of(after != nullptr ? *after : *before));
               }});
  ASSERT_THAT(api->apply(config_map("before", {}), "m"), IsOk());
  ListWatchOptions options{&kConfigMaps, name_space, {"a=b", ""}};
  ReflectorHooks hooks;
  hooks.on_synced = [&signals] { signals.add("synced"); };
  const Reflector reflector(*transport, options, cache, clock, 1, hooks);
  ASSERT_TRUE(signals.wait_for("synced"));
  EXPECT_TRUE(signals.wait_for("+before"));
  ASSERT_THAT(api->apply(config_map("after", {}), "m"), IsOk());
  EXPECT_TRUE(signals.wait_for("+after"));
  ASSERT_THAT(api->apply(config_map("after", {{"k", "1"}}), "m"), IsOk());
  EXPECT_TRUE(signals.wait_for("~after"));
  ASSERT_THAT(api->remove({&kConfigMaps, name_space, "before"}, {}, Propagation::kBackground),
              IsOk());
  EXPECT_TRUE(signals.wait_for("-before"));
}

TEST_F(ApiServerTest, a_lease_goes_from_one_to_the_next) {
  const auto options = [this](const char* identity) {
    ElectionOptions election;
    election.name_space = name_space;
    election.lease_name = "op";
    election.identity = identity;
    return election;
  };
  Signals signals;
  ElectorHooks hooks;
  hooks.on_leading = [&signals](std::uint64_t) { signals.add("first"); };
  auto first = std::make_unique<Elector>(*api, options("first"), clock, 1, hooks);
  ASSERT_TRUE(signals.wait_for("first"));
  const std::uint64_t epoch = first->epoch().value_or(0);
  EXPECT_THAT(first->may_write(), IsOk());
  hooks.on_leading = [&signals](std::uint64_t) { signals.add("second"); };
  Elector second(*api, options("second"), clock, 2, hooks);
  EXPECT_THAT(second.may_write(), HasCode(ErrorCode::kFailedPrecondition));
  first->release();
  ASSERT_TRUE(signals.wait_for("second"));
  EXPECT_EQ(second.epoch(), epoch + 1);
  second.release();
}

TEST_F(ApiServerTest, events_are_taken_and_become_a_series) {
  EventSeries series({"sluice.dev/test", "here"});
  ASSERT_THAT(api->apply(config_map("one", {}), "m"), IsOk());
  const auto object = api->get({&kConfigMaps, name_space, "one"});
  ASSERT_THAT(object, IsOk());
  const EventNote note{regarding(*object), EventType::kNormal, "Tested", "Test", "a note"};
  const auto first = series.add(note, clock.now());
  ASSERT_TRUE(first && first->create);
  EXPECT_THAT(api->create(*first->create), IsOk());
  const auto again = series.add(note, clock.now());
  ASSERT_TRUE(again && !again->create);
  const auto patched = api->merge_patch(again->ref, again->patch);
  ASSERT_THAT(patched, IsOk());
  EXPECT_EQ((*patched)["series"]["count"], 2);
}

}  // namespace
}  // namespace sluice::kube
