#include "cli/cluster/port_forward.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>
#include <functional>
#include <string>

#include "runtime/posix/system_clock.h"

namespace sluice::cli::cluster {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

constexpr base::Millis kLong{30'000};

TEST(Forwarding, CallsKubectlForAServiceOnALoopbackAddress) {
  ForwardTarget target;
  target.name_space = "shop";
  target.object = "service/orders";
  target.port = 7650;
  EXPECT_THAT(forward_command(target, 0),
              ElementsAre("kubectl", "--namespace=shop", "port-forward", "--address=127.0.0.1",
                          "service/orders", ":7650"));
  target.kubeconfig = "/etc/kube";
  target.context = "prod";
  EXPECT_THAT(forward_command(target, 4711),
              ElementsAre("kubectl", "--kubeconfig=/etc/kube", "--context=prod", "--namespace=shop",
                          "port-forward", "--address=127.0.0.1", "service/orders", "4711:7650"));
}

TEST(Forwarding, ReadsThePortOnceAllOfItIsThere) {
  EXPECT_EQ(forwarded_port(""), std::nullopt);
  EXPECT_EQ(forwarded_port("Forwarding from 127.0.0.1:401"), std::nullopt);
  EXPECT_EQ(forwarded_port("Forwarding from 127.0.0.1:40123 -> 7650\n"), 40'123);
  EXPECT_EQ(forwarded_port("warning: slow\nForwarding from 127.0.0.1:1 -> 7650\n"), 1);
  EXPECT_EQ(forwarded_port("Forwarding from 127.0.0.1:99999 -> 7650\n"), std::nullopt);
  EXPECT_EQ(forwarded_port("Forwarding from 127.0.0.1:0 -> 7650\n"), std::nullopt);
}

// A program in kubectl's place, and the process ids that it has had, one a line.
class PortForwardTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = testing::TempDir() + "sluice-forward-XXXXXX";
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    folder_ = pattern;
  }
  void TearDown() override {
    for (const char* name : {"/kubectl", "/pids", "/arguments"}) unlink((folder_ + name).c_str());
    rmdir(folder_.c_str());
  }

  ForwardTarget target_of(const std::string& script) {
    std::ofstream(folder_ + "/kubectl") << "#!/bin/sh\necho $$ >> " << folder_
                                        << "/pids\necho \"$@\" >> " << folder_ << "/arguments\n"
                                        << script;
    chmod((folder_ + "/kubectl").c_str(), 0700);
    ForwardTarget target;
    target.program = folder_ + "/kubectl";
    target.name_space = "shop";
    target.object = "service/orders";
    target.port = 7650;
    return target;
  }

  std::vector<std::string> lines_of(const std::string& name) const {
    std::ifstream in(folder_ + "/" + name);
    std::vector<std::string> lines;
    for (std::string line; std::getline(in, line);) lines.push_back(line);
    return lines;
  }

  static bool wait_for(const std::function<bool()>& condition) {
    const runtime::SystemClock clock;
    const base::MonoTime until = clock.mono_now() + kLong;
    while (!condition()) {
      if (clock.mono_now() > until) return false;
      usleep(5'000);
    }
    return true;
  }

  std::string folder_;
};

constexpr char kForwards[] =
    "echo 'Forwarding from 127.0.0.1:40123 -> 7650'\n"
    "exec sleep 600\n";

TEST_F(PortForwardTest, EndsWithItsOwner) {
  auto forward = PortForward::open(target_of(kForwards), kLong);
  ASSERT_TRUE(forward.has_value()) << forward.error().message();
  EXPECT_EQ((*forward)->port(), 40'123);
  const pid_t pid = std::stoi(lines_of("pids").at(0));
  EXPECT_EQ(kill(pid, 0), 0);
  EXPECT_EQ(getpgid(pid), pid) << "^C of a terminal must not reach it";
  forward->reset();
  EXPECT_EQ(kill(pid, 0), -1);
}

TEST_F(PortForwardTest, BeginsAnewOnTheSamePortWhenItsPodIsGone) {
  auto forward = PortForward::open(target_of(kForwards), kLong);
  ASSERT_TRUE(forward.has_value()) << forward.error().message();
  ASSERT_EQ(kill(std::stoi(lines_of("pids").at(0)), SIGKILL), 0);
  ASSERT_TRUE(wait_for([&] { return lines_of("arguments").size() == 2; }));
  EXPECT_THAT(lines_of("arguments").at(0), HasSubstr("service/orders :7650"));
  EXPECT_THAT(lines_of("arguments").at(1), HasSubstr("service/orders 40123:7650"));
  const pid_t second = std::stoi(lines_of("pids").at(1));
  forward->reset();
  EXPECT_EQ(kill(second, 0), -1);
}

// Forwards to pods orders-0 to orders-8; as each has a port of its own, it is taken from the name.
constexpr char kForwardsToPods[] =
    "for word; do case $word in pod/orders-9) echo 'no such pod' >&2; exit 1;;\n"
    "pod/*) n=${word#pod/orders-}; echo \"Forwarding from 127.0.0.1:4012$n -> 7650\";;\n"
    "esac; done\nexec sleep 600\n";

TEST_F(PortForwardTest, OpensSeveralAtOnce) {
  std::vector<ForwardTarget> targets(2, target_of(kForwardsToPods));
  targets[0].object = "pod/orders-0";
  targets[1].object = "pod/orders-1";
  const auto forwards = PortForward::open_all(targets, kLong);
  ASSERT_TRUE(forwards.has_value()) << forwards.error().message();
  ASSERT_EQ(forwards->size(), 2U);
  EXPECT_EQ((*forwards)[0]->port(), 40'120);
  EXPECT_EQ((*forwards)[1]->port(), 40'121);
  EXPECT_EQ((*forwards)[1]->problem(), std::nullopt);
}

TEST_F(PortForwardTest, GoesOnTryingWhereAPodIsMissing) {
  std::vector<ForwardTarget> targets(2, target_of(kForwardsToPods));
  targets[0].object = "pod/orders-9";
  targets[1].object = "pod/orders-1";
  auto forwards = PortForward::open_all(targets, kLong);
  ASSERT_TRUE(forwards.has_value()) << forwards.error().message();
  ASSERT_TRUE((*forwards)[0]->problem().has_value());
  EXPECT_THAT((*forwards)[0]->problem()->message(), HasSubstr("pod/orders-9"));
  EXPECT_THAT((*forwards)[0]->problem()->message(), HasSubstr("no such pod"));
  EXPECT_EQ((*forwards)[1]->problem(), std::nullopt);
  const std::string again = "pod/orders-9 " + std::to_string((*forwards)[0]->port()) + ":7650";
  EXPECT_TRUE(wait_for([&] { return lines_of("arguments").size() > 2; }));
  EXPECT_THAT(lines_of("arguments").at(2), HasSubstr(again));
  forwards->clear();
  for (const std::string& pid : lines_of("pids")) EXPECT_EQ(kill(std::stoi(pid), 0), -1);
}

TEST_F(PortForwardTest, FailsWhereNoneOfThemOpens) {
  std::vector<ForwardTarget> targets(2, target_of(kForwardsToPods));
  targets[0].object = "pod/orders-9";
  targets[1].object = "pod/orders-9";
  const auto failed = PortForward::open_all(targets, kLong);
  ASSERT_FALSE(failed.has_value());
  EXPECT_THAT(failed.error().message(), HasSubstr("pod/orders-9"));
  EXPECT_THAT(failed.error().message(), HasSubstr("no such pod"));
  for (const std::string& pid : lines_of("pids")) EXPECT_EQ(kill(std::stoi(pid), 0), -1);
}

TEST_F(PortForwardTest, SaysWhatKubectlSaid) {
  const auto forward = PortForward::open(
      target_of("echo 'error: services \"orders\" is forbidden' >&2\nexit 1\n"), kLong);
  ASSERT_FALSE(forward.has_value());
  EXPECT_EQ(forward.error().code(), base::ErrorCode::kUnavailable);
  EXPECT_THAT(forward.error().message(), HasSubstr("services \"orders\" is forbidden"));
}

TEST_F(PortForwardTest, SaysThatThereIsNoKubectl) {
  ForwardTarget target = target_of("");
  target.program = folder_ + "/nothing";
  const auto forward = PortForward::open(target, kLong);
  ASSERT_FALSE(forward.has_value());
  EXPECT_THAT(forward.error().message(), HasSubstr("is kubectl installed?"));
}

TEST_F(PortForwardTest, WaitsNoLongerThanItMay) {
  const auto forward = PortForward::open(target_of("exec sleep 600\n"), base::Millis(50));
  ASSERT_FALSE(forward.has_value());
  EXPECT_EQ(forward.error().code(), base::ErrorCode::kDeadlineExceeded);
  for (const std::string& pid : lines_of("pids")) EXPECT_EQ(kill(std::stoi(pid), 0), -1);
}

}  // namespace
}  // namespace sluice::cli::cluster
