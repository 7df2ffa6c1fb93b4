#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <string>
#include <vector>

#include "base/base64.h"
#include "kube/exec_plugin.h"
#include "kube/kubeconfig.h"
#include "kube/run_program.h"
#include "kube/static_credentials.h"
#include "tests/support/status_matchers.h"
#include "tests/unit/kube/script_transport.h"

namespace sluice::kube {
namespace {

using base::ErrorCode;
using std::chrono::seconds;
using test::HasCode;
using test::IsOk;
using test::IsOkAndHolds;

class CredentialsTest : public testing::Test {
 protected:
  ReadFile reader() {
    return [this](const std::string& path) -> base::Result<std::string> {
      const auto found = files.find(path);
      if (found == files.end()) return base::not_found("reading " + path);
      return found->second;
    };
  }
  base::Result<ClusterAccess> kubeconfig(const std::string& text, const std::string& context = "") {
    files["/home/u/config"] = text;
    return kubeconfig_access("/home/u/config", context,
                             {reader(),
                              [this](const Program& program) -> base::Result<std::string> {
                                programs.push_back(program);
                                return output;
                              },
                              clock});
  }
  std::string refusal(const std::string& text) {
    const auto access = kubeconfig(text);
    EXPECT_THAT(access, HasCode(ErrorCode::kInvalidArgument));
    return access.has_value() ? "" : access.error().message();
  }

  std::map<std::string, std::string> files;
  std::vector<Program> programs;
  std::string output;
  TestClock clock;
};

constexpr const char* kConfig = R"(
apiVersion: v1
kind: Config
current-context: here
contexts:
- {name: here, context: {cluster: c1, user: u1, namespace: shop}}
- {name: there, context: {cluster: c1, user: u2}}
- {name: exec, context: {cluster: c1, user: u3}}
clusters:
- {name: c1, cluster: {server: "https://127.0.0.1:6443", certificate-authority: ca.crt}}
users:
- {name: u1, user: {client-certificate-data: Q0VSVA==, client-key-data: S0VZ}}
- {name: u2, user: {tokenFile: /run/token, token: ignored}}
- name: u3
  user:
    exec:
      apiVersion: client.authentication.k8s.io/v1
      command: ./login
      args: [--for, cluster]
      env: [{name: MODE, value: quiet}]
      installHint: get it from the shop
      provideClusterInfo: true
      interactiveMode: IfAvailable
)";

TEST_F(CredentialsTest, a_kubeconfig_gives_what_kubectl_would_use) {
  files["/home/u/ca.crt"] = "CA";
  const auto access = kubeconfig(kConfig);
  ASSERT_THAT(access, IsOk());
  EXPECT_EQ(access->server, "https://127.0.0.1:6443");
  EXPECT_EQ(access->name_space, "shop");
  EXPECT_THAT(access->credentials->tls(), IsOkAndHolds(TlsMaterial{"CA", "CERT", "KEY"}));
  EXPECT_THAT(access->credentials->bearer_token(), IsOkAndHolds(std::string()));
}

TEST_F(CredentialsTest, a_token_file_is_read_again_after_a_minute_or_a_refusal) {
  files["/run/token"] = "one\n";
  const auto access = kubeconfig(kConfig, "there");
  ASSERT_THAT(access, IsOk());
  EXPECT_EQ(access->name_space, "default");
  EXPECT_THAT(access->credentials->bearer_token(), IsOkAndHolds(std::string("one")));
  files["/run/token"] = "two";
  EXPECT_THAT(access->credentials->bearer_token(), IsOkAndHolds(std::string("one")));
  clock.advance(seconds(61));
  EXPECT_THAT(access->credentials->bearer_token(), IsOkAndHolds(std::string("two")));
  files["/run/token"] = "three";
  access->credentials->forget();
  EXPECT_THAT(access->credentials->bearer_token(), IsOkAndHolds(std::string("three")));
  files.erase("/run/token");
  clock.advance(seconds(61));
  EXPECT_THAT(access->credentials->bearer_token(), IsOkAndHolds(std::string("three")));
}

TEST_F(CredentialsTest, a_plugin_runs_when_its_credential_is_over) {
  files["/home/u/ca.crt"] = "CA";
  output = R"({"apiVersion":"client.authentication.k8s.io/v1","kind":"ExecCredential",)"
           R"("status":{"token":"t1","expirationTimestamp":"2026-09-21T14:14:20Z"}})";
  const auto access = kubeconfig(kConfig, "exec");
  ASSERT_THAT(access, IsOk());
  EXPECT_TRUE(programs.empty());
  EXPECT_THAT(access->credentials->bearer_token(), IsOkAndHolds(std::string("t1")));
  EXPECT_THAT(access->credentials->tls(), IsOkAndHolds(TlsMaterial{"CA", "", ""}));
  ASSERT_EQ(programs.size(), 1U);
  EXPECT_EQ(programs[0].path, "/home/u/./login");
  EXPECT_EQ(programs[0].arguments, (std::vector<std::string>{"--for", "cluster"}));
  EXPECT_EQ(programs[0].environment[0], (std::pair<std::string, std::string>("MODE", "quiet")));
  EXPECT_EQ(programs[0].environment[1].first, "KUBERNETES_EXEC_INFO");
  const Json info = Json::parse(programs[0].environment[1].second);
  EXPECT_EQ(info["apiVersion"], "client.authentication.k8s.io/v1");
  EXPECT_EQ(info["spec"]["cluster"]["server"], "https://127.0.0.1:6443");
  clock.advance(seconds(45));
  EXPECT_THAT(access->credentials->bearer_token(), IsOk());
  EXPECT_EQ(programs.size(), 1U);
  clock.advance(seconds(6));  // nine seconds before the end
  EXPECT_THAT(access->credentials->bearer_token(), IsOk());
  EXPECT_EQ(programs.size(), 2U);
  access->credentials->forget();
  EXPECT_THAT(access->credentials->bearer_token(), IsOk());
  EXPECT_GE(programs.size(), 3U);
}

TEST_F(CredentialsTest, what_a_plugin_must_write_is_said) {
  const auto access = kubeconfig(kConfig, "exec");
  ASSERT_THAT(access, IsOk());
  for (const char* text : {"", "{}", R"({"kind":"ExecCredential","apiVersion":"v1","status":{}})",
                           R"({"kind":"ExecCredential",)"
                           R"("apiVersion":"client.authentication.k8s.io/v1","status":{}})"}) {
    output = text;
    const auto token = access->credentials->bearer_token();
    EXPECT_THAT(token, HasCode(ErrorCode::kPermissionDenied)) << text;
    EXPECT_TRUE(token.error().message().starts_with("credential plugin '/home/u/./login': "));
  }
}

TEST_F(CredentialsTest, a_server_that_is_no_utf8_is_told_to_the_plugin_as_far_as_it_is) {
  std::string text = kConfig;
  text.replace(text.find("127.0.0.1"), 9, "h\xff");
  output = "{}";
  const auto access = kubeconfig(text, "exec");
  ASSERT_THAT(access, IsOk());
  EXPECT_THAT(access->credentials->bearer_token(), HasCode(ErrorCode::kPermissionDenied));
  ASSERT_EQ(programs.size(), 1U);
  EXPECT_THAT(programs[0].environment.back().second, testing::HasSubstr("https://h\xEF\xBF\xBD"));
}

TEST_F(CredentialsTest, aliases_that_stand_for_millions_are_refused) {
  std::string text = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n";
  for (int i = 1; i < 9; ++i) {
    const std::string below = "*a" + std::to_string(i - 1);
    text += "a" + std::to_string(i) + ": &a" + std::to_string(i) + " [" + below;
    for (int repeat = 1; repeat < 10; ++repeat) text += ", " + below;
    text += "]\n";
  }
  EXPECT_THAT(refusal(text + kConfig), testing::HasSubstr("more than 200,000 values"));
}

TEST_F(CredentialsTest, what_is_not_supported_is_refused_by_its_name) {
  const std::string config = kConfig;
  const auto with = [&](const std::string& from, const std::string& to) {
    std::string text = config;
    text.replace(text.find(from), from.size(), to);
    return refusal(text);
  };
  EXPECT_EQ(with("current-context: here", "current-context: away"),
            "/home/u/config: contexts: there is no 'away'");
  EXPECT_EQ(with("certificate-authority: ca.crt", "insecure-skip-tls-verify: true"),
            "/home/u/config: clusters[c1].insecure-skip-tls-verify: is not supported");
  EXPECT_EQ(with("client-key-data: S0VZ", "username: me"),
            "/home/u/config: users[u1].username: is not supported");
  EXPECT_EQ(with(", client-key-data: S0VZ", ""),
            "/home/u/config: users[u1]: client-certificate and client-key go together");
  EXPECT_EQ(with("Q0VSVA==", "Q0VSVA"),
            "/home/u/config: users[u1].client-certificate-data: no base64: its length is no "
            "multiple of 4");
  EXPECT_EQ(with("https://127.0.0.1:6443", "127.0.0.1:6443"),
            "/home/u/config: clusters[c1].server: https://HOST:PORT expected");
  EXPECT_THAT(refusal("]"), testing::StartsWith("/home/u/config: line 1: "));
}

TEST_F(CredentialsTest, a_pod_has_its_service_account) {
  const std::string folder = "/var/run/secrets/kubernetes.io/serviceaccount/";
  std::map<std::string, std::string> env;
  const GetEnv getenv = [&env](const char* name) { return env[name]; };
  EXPECT_THAT(in_cluster_access(getenv, reader(), clock), HasCode(ErrorCode::kNotFound));
  env = {{"KUBERNETES_SERVICE_HOST", "10.0.0.1"}, {"KUBERNETES_SERVICE_PORT", "443"}};
  files = {{folder + "token", "t"}, {folder + "ca.crt", "CA"}, {folder + "namespace", "sys\n"}};
  const auto access = in_cluster_access(getenv, reader(), clock);
  ASSERT_THAT(access, IsOk());
  EXPECT_EQ(access->server, "https://10.0.0.1:443");
  EXPECT_EQ(access->name_space, "sys");
  EXPECT_THAT(access->credentials->bearer_token(), IsOkAndHolds(std::string("t")));
  env["KUBERNETES_SERVICE_HOST"] = "fd00::1";
  EXPECT_EQ(in_cluster_access(getenv, reader(), clock)->server,
            "https://kubernetes.default.svc:443");
}

TEST(RunProgramTest, it_gives_what_the_program_wrote) {
  const auto sh = [](const std::string& script, base::Millis timeout) {
    return run_program({"sh", {"-c", script}, {{"WORD", "hello"}}}, timeout);
  };
  EXPECT_THAT(sh("printf %s \"$WORD\"", seconds(30)), IsOkAndHolds(std::string("hello")));
  EXPECT_THAT(sh("exit 3", seconds(30)), HasCode(ErrorCode::kUnavailable));
  EXPECT_THAT(sh("exec tail -f /dev/null", base::Millis(20)),
              HasCode(ErrorCode::kDeadlineExceeded));
  EXPECT_THAT(sh("yes", seconds(30)), HasCode(ErrorCode::kResourceExhausted));
  EXPECT_THAT(run_program({"/no/such/program", {}, {}}, seconds(30)),
              HasCode(ErrorCode::kNotFound));
}

}  // namespace
}  // namespace sluice::kube
