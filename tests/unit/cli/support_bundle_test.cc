#include "cli/cluster/support_bundle.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <set>

#include "tests/unit/cli/fake_api.h"

namespace sluice::cli::cluster {
namespace {

using kube::Json;
using test::FakeApi;
using testing::Contains;
using testing::HasSubstr;
using testing::Key;
using testing::Not;

constexpr char kSecret[] = "c2VjcmV0IG9mIG91cnM=";

Json pod(const std::string& name, const std::string& name_space, const Json& labels,
         int restarts = 0) {
  return {{"apiVersion", "v1"},
          {"kind", "Pod"},
          {"metadata", {{"name", name}, {"namespace", name_space}, {"labels", labels}}},
          {"spec",
           {{"containers",
             {{{"name", "main"}, {"env", {{{"name", "API_TOKEN"}, {"value", kSecret}}}}}}}}},
          {"status", {{"containerStatuses", {{{"name", "main"}, {"restartCount", restarts}}}}}}};
}

class SupportBundle : public testing::Test {
 protected:
  void SetUp() override {
    Json queue = test::queue_object("orders", "shared");
    queue["spec"]["consumers"]["scaleTargetRef"] = {
        {"apiVersion", "apps/v1"}, {"kind", "Deployment"}, {"name", "worker"}};
    api_.add(queue);
    api_.add(test::queue_object("emails"));
    api_.add({{"apiVersion", "apps/v1"},
              {"kind", "Deployment"},
              {"metadata", {{"name", "worker"}, {"namespace", "shop"}}}});
    Json secret = test::secret_object("shared-admin", {{"client.key", kSecret}});
    secret["metadata"]["labels"] = {{"sluice.dev/broker", "shared"}};
    api_.add(secret);
    api_.add(pod("shared-0", "shop", {{"sluice.dev/broker", "shared"}}, 1));
    api_.add(pod("operator-x", "system", {{"app.kubernetes.io/name", "sluice-operator"}}));
  }

  base::Result<std::vector<ArchiveFile>> collect(const BundleOptions& options) {
    const auto text = [this](const std::string& path) -> base::Result<std::string> {
      asked_.push_back(path);
      if (path.find("readyz") != std::string::npos) return base::unavailable("nobody answers");
      return "what stands at " + path + "\n";
    };
    const auto statistics = [](const std::string& queue) -> base::Result<std::string> {
      return "{\"of\":\"" + queue + "\"}";
    };
    return collect_bundle(options, {api_, text, statistics, [](const std::string&) {}});
  }

  static std::map<std::string, std::string> by_name(const std::vector<ArchiveFile>& files) {
    std::map<std::string, std::string> found;
    for (const ArchiveFile& file : files) {
      EXPECT_TRUE(found.emplace(file.name, file.text).second) << "twice: " << file.name;
    }
    return found;
  }

  FakeApi api_;
  std::vector<std::string> asked_;
};

TEST_F(SupportBundle, HasWhatSomebodyNeedsWhoWasNotThere) {
  const auto files = collect({.name_space = "shop"});
  ASSERT_TRUE(files.has_value());
  const auto found = by_name(*files);
  for (const char* name :
       {"queues/orders.json", "queues/emails.json", "targets/Deployment-worker.json",
        "brokers/shared/secrets.json", "brokers/shared/pods.json",
        "brokers/shared/shared-0.main.log", "brokers/shared/shared-0.main.previous.log",
        "brokers/shared/shared-0.metrics.txt", "brokers/shared/statistics.json",
        "brokers/emails/statistics.json", "events.json", "operator/pods.json",
        "operator/operator-x.main.log", "operator/operator-x.metrics.txt"}) {
    EXPECT_THAT(found, Contains(Key(name)));
  }
  EXPECT_THAT(found, Not(Contains(Key("operator/operator-x.main.previous.log"))));
  EXPECT_EQ(found.at("brokers/shared/statistics.json"), "{\"of\":\"orders\"}");
  EXPECT_THAT(asked_, Contains("/api/v1/namespaces/shop/pods/shared-0/log?container=main"
                               "&tailLines=5000&timestamps=true"));
  EXPECT_THAT(asked_, Contains("/api/v1/namespaces/shop/pods/shared-0:7652/proxy/metrics"));
  EXPECT_THAT(asked_, Contains("/api/v1/namespaces/system/pods/operator-x:8080/proxy/metrics"));
}

TEST_F(SupportBundle, HasNoSecret) {
  const auto files = collect({.name_space = "shop"});
  ASSERT_TRUE(files.has_value());
  for (const ArchiveFile& file : *files) {
    EXPECT_THAT(file.text, Not(HasSubstr(kSecret))) << file.name;
  }
  EXPECT_THAT(by_name(*files).at("brokers/shared/secrets.json"), HasSubstr("client.key"));
}

TEST_F(SupportBundle, TellsWhatCouldNotBeRead) {
  api_.deny("/api/v1/namespaces/shop/secrets");
  const auto files = collect({.name_space = "shop"});
  ASSERT_TRUE(files.has_value());
  const auto found = by_name(*files);
  EXPECT_THAT(found, Not(Contains(Key("brokers/shared/secrets.json"))));
  EXPECT_THAT(found.at("problems.txt"), HasSubstr("brokers/shared/secrets.json: "));
  EXPECT_THAT(found.at("problems.txt"),
              HasSubstr("brokers/shared/shared-0.ready.json: Unavailable: nobody answers"));
  EXPECT_THAT(found, Contains(Key("brokers/shared/pods.json")));
}

TEST_F(SupportBundle, OfOneQueueItHasItsBrokerOnly) {
  const auto files = collect({.name_space = "shop", .queue = "emails"});
  ASSERT_TRUE(files.has_value());
  const auto found = by_name(*files);
  EXPECT_THAT(found, Contains(Key("queues/emails.json")));
  EXPECT_THAT(found, Not(Contains(Key("queues/orders.json"))));
  EXPECT_THAT(found, Not(Contains(Key("brokers/shared/pods.json"))));
  EXPECT_EQ(collect({.name_space = "shop", .queue = "nobody"}).error().code(),
            base::ErrorCode::kNotFound);
}

}  // namespace
}  // namespace sluice::cli::cluster
