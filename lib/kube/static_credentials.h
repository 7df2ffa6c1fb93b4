#pragma once

#include <memory>
#include <optional>
#include <string>

#include "base/time.h"
#include "kube/credentials.h"
#include "runtime/clock.h"

namespace sluice::kube {

// A text that is given, or stands in a file.
struct TextSource {
  std::string text;
  std::string path;  // wins, where it is not empty

  bool empty() const { return text.empty() && path.empty(); }
};

struct CredentialSources {
  TextSource token;
  TextSource ca;
  TextSource client_certificate;
  TextSource client_key;
};

// Credentials of texts and files. Files are read again once a minute, as tokens rotate long before
// they end, and after the server refused what they gave; one that cannot be read then leaves
// what it gave before. `clock` must outlive it.
std::unique_ptr<Credentials> make_credentials(CredentialSources sources, ReadFile read_file,
                                              const runtime::Clock& clock);

// The service account of this pod. NotFound where this is no pod.
base::Result<ClusterAccess> in_cluster_access(const GetEnv& getenv, const ReadFile& read_file,
                                              const runtime::Clock& clock);

}  // namespace sluice::kube
