#include "operator/app/command_line.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "operator/app/exit_code.h"

namespace sluice::op {
namespace {

CommandLine parse(std::vector<const char*> arguments) {
  arguments.insert(arguments.begin(), "sluice-operator");
  return parse_command_line(static_cast<int>(arguments.size()), arguments.data(), "1.2.3");
}

TEST(OperatorCommandLineTest, nothing_is_needed_in_a_pod) {
  const CommandLine line = parse({});
  ASSERT_TRUE(line.options.has_value());
  EXPECT_EQ(line.options->name_space, "");
  EXPECT_TRUE(line.options->leader_elect);
  EXPECT_EQ(line.options->lease_name, "sluice-operator");
  EXPECT_EQ(line.options->broker_version, "1.2.3");
  EXPECT_EQ(line.options->listen_http, "0.0.0.0:8080");
  EXPECT_FALSE(line.options->identity.empty());
}

TEST(OperatorCommandLineTest, the_flags_of_the_chart_are_taken) {
  const CommandLine line = parse(
      {"--listen-http=127.0.0.1:0", "--leader-elect", "--lease-name=x", "--lease-namespace=sys",
       "--broker-image=r/sluice", "--broker-version=2", "--image-pull-policy=Never", "--workers=8",
       "--namespace=shop", "--log-level=debug", "--log-format=json", "--upgrade-brokers"});
  ASSERT_TRUE(line.options.has_value());
  EXPECT_EQ(line.options->lease_namespace, "sys");
  EXPECT_EQ(line.options->broker_image, "r/sluice");
  EXPECT_EQ(line.options->image_pull_policy, "Never");
  EXPECT_EQ(line.options->workers, 8U);
  EXPECT_TRUE(line.options->upgrade_brokers);
  EXPECT_FALSE(parse({"--no-leader-elect"}).options->leader_elect);
}

TEST(OperatorCommandLineTest, what_is_wrong_is_said_with_its_flag) {
  for (const std::vector<const char*>& arguments :
       std::vector<std::vector<const char*>>{{"--workers=0"},
                                             {"--image-pull-policy=Sometimes"},
                                             {"--listen-http=nowhere"},
                                             {"--kubeconfig=/no/such/file"},
                                             {"--context=a"},
                                             {"--no-such-flag"}}) {
    testing::internal::CaptureStderr();
    const CommandLine line = parse(arguments);
    const std::string said = testing::internal::GetCapturedStderr();
    EXPECT_FALSE(line.options.has_value());
    EXPECT_EQ(line.exit_code, kExitUsage);
    const std::string argument = arguments[0];
    EXPECT_NE(said.find(argument.substr(0, argument.find('='))), std::string::npos) << said;
  }
}

TEST(OperatorCommandLineTest, help_has_examples_and_exit_codes) {
  testing::internal::CaptureStdout();
  EXPECT_EQ(parse({"--help"}).exit_code, kExitOk);
  const std::string said = testing::internal::GetCapturedStdout();
  EXPECT_NE(said.find("Examples:"), std::string::npos);
  EXPECT_NE(said.find("Exit codes:"), std::string::npos);
}

}  // namespace
}  // namespace sluice::op
