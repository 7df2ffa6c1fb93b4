#include <cstddef>
#include <cstdint>
#include <string>

#include "base/check.h"
#include "kube/kubeconfig.h"
#include "tests/unit/kube/script_transport.h"

namespace {

constexpr const char* kPath = "/home/u/config";

}  // namespace

// A kubeconfig is used or refused by its name; whatever it names is asked for by the seams only,
// and what these give is used or refused too. The exec plugin's answer and the files hold the same
// bytes as the kubeconfig.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  sluice::kube::TestClock clock;
  const auto access = sluice::kube::kubeconfig_access(
      kPath, "",
      {[&text](const std::string& path) -> sluice::base::Result<std::string> {
         if (path.ends_with("missing")) return sluice::base::not_found("reading " + path);
         return text;
       },
       [&text](const sluice::kube::Program& program) -> sluice::base::Result<std::string> {
         CHECK(!program.path.empty());
         return text.substr(text.find('\n') + 1);
       },
       clock});
  if (!access.has_value()) {
    CHECK(access.error().message().starts_with(kPath));
    return 0;
  }
  CHECK(access->server.starts_with("https://") || access->server.starts_with("http://"));
  for (int round = 0; round < 2; ++round) {
    const auto token = access->credentials->bearer_token();
    const auto tls = access->credentials->tls();
    CHECK(token.has_value() || !token.error().message().empty());
    CHECK(tls.has_value() || !tls.error().message().empty());
    access->credentials->forget();
    clock.advance(std::chrono::minutes(2));
  }
  return 0;
}
