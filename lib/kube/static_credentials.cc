#include "kube/static_credentials.h"

#include <mutex>
#include <string_view>
#include <utility>

namespace sluice::kube {
namespace {

constexpr base::Millis kReadAgain{60'000};
constexpr std::string_view kAccount = "/var/run/secrets/kubernetes.io/serviceaccount/";

std::string trimmed(std::string_view text) {
  constexpr std::string_view kSpace = " \t\r\n";
  const std::size_t begin = text.find_first_not_of(kSpace);
  if (begin == std::string_view::npos) return "";
  return std::string(text.substr(begin, text.find_last_not_of(kSpace) - begin + 1));
}

// One source with what it gave last.
class Kept {
 public:
  explicit Kept(TextSource source) : source_(std::move(source)) {}

  base::Result<std::string> get(const ReadFile& read_file, base::MonoTime now) {
    if (source_.path.empty()) return source_.text;
    if (good_until_ && now < *good_until_) return text_;
    base::Result<std::string> read = read_file(source_.path);
    if (read.has_value()) {
      text_ = *std::move(read);
    } else if (text_.empty()) {
      return read.error();
    }
    good_until_ = now + kReadAgain;
    return text_;
  }
  void forget() { good_until_.reset(); }

 private:
  TextSource source_;
  std::string text_;
  std::optional<base::MonoTime> good_until_;
};

class StaticCredentials final : public Credentials {
 public:
  StaticCredentials(CredentialSources sources, ReadFile read_file, const runtime::Clock& clock)
      : token_(std::move(sources.token)),
        ca_(std::move(sources.ca)),
        certificate_(std::move(sources.client_certificate)),
        key_(std::move(sources.client_key)),
        read_file_(std::move(read_file)),
        clock_(clock) {}

  base::Result<std::string> bearer_token() override {
    const std::lock_guard lock(mutex_);
    ASSIGN_OR_RETURN(const std::string token, token_.get(read_file_, clock_.mono_now()));
    return trimmed(token);
  }

  base::Result<TlsMaterial> tls() override {
    const std::lock_guard lock(mutex_);
    const base::MonoTime now = clock_.mono_now();
    TlsMaterial tls;
    ASSIGN_OR_RETURN(tls.ca, ca_.get(read_file_, now));
    ASSIGN_OR_RETURN(tls.client_certificate, certificate_.get(read_file_, now));
    ASSIGN_OR_RETURN(tls.client_key, key_.get(read_file_, now));
    return tls;
  }

  void forget() override {
    const std::lock_guard lock(mutex_);
    for (Kept* kept : {&token_, &ca_, &certificate_, &key_}) kept->forget();
  }

 private:
  std::mutex mutex_;  // guards the four
  Kept token_;
  Kept ca_;
  Kept certificate_;
  Kept key_;
  ReadFile read_file_;
  const runtime::Clock& clock_;
};

}  // namespace

std::unique_ptr<Credentials> make_credentials(CredentialSources sources, ReadFile read_file,
                                              const runtime::Clock& clock) {
  return std::make_unique<StaticCredentials>(std::move(sources), std::move(read_file), clock);
}

base::Result<ClusterAccess> in_cluster_access(const GetEnv& getenv, const ReadFile& read_file,
                                              const runtime::Clock& clock) {
  std::string host = getenv("KUBERNETES_SERVICE_HOST");
  const std::string port = getenv("KUBERNETES_SERVICE_PORT");
  if (host.empty() || port.empty()) {
    return base::not_found(
        "this is no pod (KUBERNETES_SERVICE_HOST and _PORT are not set): give --kubeconfig FILE");
  }
  // The HTTP library cannot check a certificate against an IPv6 address; this name is always in it.
  if (host.find(':') != std::string::npos) host = "kubernetes.default.svc";
  const std::string folder(kAccount);
  CredentialSources sources;
  sources.token.path = folder + "token";
  sources.ca.path = folder + "ca.crt";
  ClusterAccess access;
  access.server = "https://" + host + ":" + port;
  ASSIGN_OR_RETURN(const std::string name_space, read_file(folder + "namespace"));
  access.name_space = trimmed(name_space);
  access.credentials = make_credentials(std::move(sources), read_file, clock);
  RETURN_IF_ERROR([&]() -> base::Status {
    ASSIGN_OR_RETURN(const std::string token, access.credentials->bearer_token());
    if (token.empty()) return base::invalid_argument(folder + "token: is empty");
    return {};
  }());
  return access;
}

}  // namespace sluice::kube
