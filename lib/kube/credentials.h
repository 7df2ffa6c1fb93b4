#pragma once

#include <functional>
#include <memory>
#include <string>

#include "base/result.h"

namespace sluice::kube {

// All in PEM.
struct TlsMaterial {
  std::string ca;  // the only authority that is trusted; empty = those of the system
  std::string client_certificate;  // empty = none
  std::string client_key;

  bool operator==(const TlsMaterial&) const = default;
};

// Who we are to the API server. Asked before each request, so that what rotates (tokens, the
// cluster's CA) is taken up without a restart. Safe on several threads.
class Credentials {
 public:
  virtual ~Credentials() = default;
  // Empty = none.
  virtual base::Result<std::string> bearer_token() = 0;
  virtual base::Result<TlsMaterial> tls() = 0;
  // The server refused what it was given: nothing kept is to be used again.
  virtual void forget() = 0;
};

// Where the API server is, and who we are there.
struct ClusterAccess {
  std::string server;      // "https://10.0.0.1:443", perhaps with a path
  std::string name_space;  // that of the pod, or of the kubeconfig's context
  std::unique_ptr<Credentials> credentials;
};

// NotFound where there is no such file.
using ReadFile = std::function<base::Result<std::string>(const std::string& path)>;
using GetEnv = std::function<std::string(const char* name)>;

}  // namespace sluice::kube
