#include "operator/scaler/rivals.h"

#include <gtest/gtest.h>

#include <chrono>

#include "tests/support/status_matchers.h"
#include "tests/unit/scaler/fake_cluster.h"

namespace sluice::op {
namespace {

using namespace std::chrono_literals;

const TargetRef kWorker{"shop", "apps/v1", "Deployment", "worker"};

kube::Json hpa(const std::string& name, const std::string& target) {
  return {{"apiVersion", "autoscaling/v2"},
          {"kind", "HorizontalPodAutoscaler"},
          {"metadata", {{"name", name}, {"namespace", "shop"}}},
          {"spec",
           {{"scaleTargetRef",
             {{"apiVersion", "apps/v1"}, {"kind", "Deployment"}, {"name", target}}}}}};
}

struct RivalsTest : testing::Test {
  std::optional<std::string> rival(const TargetRef& target = kWorker) {
    const auto found = rivals.of(target, clock.mono);
    EXPECT_THAT(found, test::IsOk());
    return found.value_or(std::nullopt);
  }
  FakeKube kube;
  FakeClock clock;
  Rivals rivals{kube};
};

TEST_F(RivalsTest, NobodyAndSomebodyElsesTargetAreNone) {
  EXPECT_EQ(rival(), std::nullopt);
  kube.put(hpa("h", "other"));
  clock.advance(31s);
  EXPECT_EQ(rival(), std::nullopt);
}

TEST_F(RivalsTest, AnHpaOnTheTargetIsOne) {
  kube.put(hpa("h", "worker"));
  EXPECT_EQ(rival(), "HorizontalPodAutoscaler h");
  EXPECT_EQ(rival({"shop", "apps/v1", "StatefulSet", "worker"}), std::nullopt);
  EXPECT_EQ(rival({"shop", "other/v1", "Deployment", "worker"}), std::nullopt);
  EXPECT_EQ(rival({"mall", "apps/v1", "Deployment", "worker"}), std::nullopt);
}

TEST_F(RivalsTest, AScaledObjectWithItsDefaultsIsOne) {
  kube.absent_type.clear();
  kube.put({{"apiVersion", "keda.sh/v1alpha1"},
            {"kind", "ScaledObject"},
            {"metadata", {{"name", "s"}, {"namespace", "shop"}}},
            {"spec", {{"scaleTargetRef", {{"name", "worker"}}}}}});
  EXPECT_EQ(rival(), "ScaledObject s");
}

TEST_F(RivalsTest, TheApiServerIsAskedOnceInAWhile) {
  for (int i = 0; i < 100; ++i) rival();
  EXPECT_EQ(kube.count("list horizontalpodautoscalers"), 1U);
  clock.advance(31s);
  rival();
  EXPECT_EQ(kube.count("list horizontalpodautoscalers"), 2U);
  EXPECT_EQ(kube.count("list scaledobjects"), 1U);  // there is no such type
  clock.advance(300s);
  rival();
  EXPECT_EQ(kube.count("list scaledobjects"), 2U);
}

TEST_F(RivalsTest, WhereWeMayNotLookThereIsNobody) {
  kube.forbidden_type = "horizontalpodautoscalers";
  EXPECT_EQ(rival(), std::nullopt);
}

TEST_F(RivalsTest, AnErrorIsNotAnAnswer) {
  kube.fail_reads = base::unavailable("away");
  EXPECT_FALSE(rivals.of(kWorker, clock.mono).has_value());
  kube.fail_reads.reset();
  kube.put(hpa("h", "worker"));
  EXPECT_EQ(rival(), "HorizontalPodAutoscaler h");
}

}  // namespace
}  // namespace sluice::op
