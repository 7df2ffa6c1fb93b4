#include "kube/exec_plugin.h"

#include <mutex>
#include <optional>

#include "base/wall_text.h"
#include "kube/json_reader.h"

namespace sluice::kube {
namespace {

constexpr std::string_view kVersion = "client.authentication.k8s.io/v1";
// A credential is not used in its last seconds: it could expire on the way.
constexpr std::int64_t kLeewayMs = 10'000;

struct Given {
  std::string token;
  std::string certificate;
  std::string key;
  std::optional<base::WallTime> expires_at;
};

base::Result<Given> parse_credential(const std::string& output) {
  ASSIGN_OR_RETURN(const Json json, read_json(output, {.bytes_max = 1 << 20}));
  if (!json.is_object() || text_in(json, "kind") != "ExecCredential" ||
      text_in(json, "apiVersion") != kVersion || !json.contains("status") ||
      !json["status"].is_object()) {
    return base::invalid_argument("it must write an ExecCredential of " + std::string(kVersion) +
                                  " with a status");
  }
  const Json& status = json["status"];
  Given given{text_in(status, "token"), text_in(status, "clientCertificateData"),
              text_in(status, "clientKeyData"), std::nullopt};
  if (given.certificate.empty() != given.key.empty()) {
    return base::invalid_argument("clientCertificateData and clientKeyData go together");
  }
  if (given.token.empty() && given.certificate.empty()) {
    return base::invalid_argument("it gave neither a token nor a certificate");
  }
  if (const std::string expiry = text_in(status, "expirationTimestamp"); !expiry.empty()) {
    ASSIGN_OR_RETURN(given.expires_at, base::parse_wall(expiry));
  }
  return given;
}

class ExecCredentials final : public Credentials {
 public:
  ExecCredentials(ExecPlugin plugin, std::unique_ptr<Credentials> cluster, RunProgram run,
                  const runtime::Clock& clock)
      : plugin_(std::move(plugin)),
        cluster_(std::move(cluster)),
        run_(std::move(run)),
        clock_(clock) {}

  base::Result<std::string> bearer_token() override {
    const std::lock_guard lock(mutex_);
    RETURN_IF_ERROR(renew());
    return given_->token;
  }

  base::Result<TlsMaterial> tls() override {
    const std::lock_guard lock(mutex_);
    RETURN_IF_ERROR(renew());
    ASSIGN_OR_RETURN(TlsMaterial tls, cluster_->tls());
    tls.client_certificate = given_->certificate;
    tls.client_key = given_->key;
    return tls;
  }

  void forget() override {
    const std::lock_guard lock(mutex_);
    given_.reset();
    cluster_->forget();
  }

 private:
  base::Status renew() {
    if (given_ && (!given_->expires_at ||
                   clock_.wall_now().value() + kLeewayMs < given_->expires_at->value())) {
      return {};
    }
    Json info = {
        {"apiVersion", kVersion}, {"kind", "ExecCredential"}, {"spec", {{"interactive", false}}}};
    if (!plugin_.cluster.is_null()) info["spec"]["cluster"] = plugin_.cluster;
    Program program{plugin_.command, plugin_.arguments, plugin_.environment};
    // What a kubeconfig says need not be UTF-8.
    program.environment.emplace_back("KUBERNETES_EXEC_INFO",
                                     info.dump(-1, ' ', false, Json::error_handler_t::replace));
    const auto refuse = [this](const base::Error& error) {
      std::string text = "credential plugin '" + plugin_.command + "': " + error.message();
      if (error.code() == base::ErrorCode::kNotFound && !plugin_.install_hint.empty()) {
        text += "\n" + plugin_.install_hint;
      }
      return base::Error(base::ErrorCode::kPermissionDenied, std::move(text));
    };
    const base::Result<std::string> output = run_(program);
    if (!output.has_value()) return refuse(output.error());
    base::Result<Given> given = parse_credential(*output);
    if (!given.has_value()) return refuse(given.error());
    given_ = *std::move(given);
    return {};
  }

  ExecPlugin plugin_;
  std::unique_ptr<Credentials> cluster_;
  RunProgram run_;
  const runtime::Clock& clock_;
  std::mutex mutex_;  // guards given_; who waits for the plugin waits with it held
  std::optional<Given> given_;
};

}  // namespace

std::unique_ptr<Credentials> make_exec_credentials(ExecPlugin plugin,
                                                   std::unique_ptr<Credentials> cluster,
                                                   RunProgram run, const runtime::Clock& clock) {
  return std::make_unique<ExecCredentials>(std::move(plugin), std::move(cluster), std::move(run),
                                           clock);
}

}  // namespace sluice::kube
