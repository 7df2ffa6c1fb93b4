#include "cli/cluster/cluster.h"

#include <poll.h>

#include <cstdlib>
#include <utility>

#include "cli/stop_signal.h"
#include "kube/api_error.h"
#include "kube/cpprest_transport.h"
#include "kube/credentials.h"
#include "kube/http_api.h"
#include "kube/kubeconfig.h"
#include "kube/run_program.h"
#include "kube/static_credentials.h"

namespace sluice::cli::cluster {
namespace {

constexpr base::Millis kWaitMax{2'000};
constexpr int kTriesMax = 4;
constexpr base::Millis kPluginMax{60'000};  // it may ask somebody to log in

std::string variable(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? std::string() : std::string(value);
}

// kubectl merges the files of a list; the first that exists is what this reads.
std::string kubeconfig_path(const ClusterFlags& flags) {
  if (!flags.kubeconfig.empty()) return flags.kubeconfig;
  std::string listed = variable("KUBECONFIG");
  if (!listed.empty()) return listed.substr(0, listed.find(':'));
  return variable("HOME") + "/.kube/config";
}

struct Found {
  kube::ClusterAccess access;
  bool inside = false;
};

base::Result<Found> find_cluster(const ClusterFlags& flags, const runtime::Clock& clock) {
  const bool named = !flags.kubeconfig.empty() || !flags.context.empty();
  if (!named && variable("KUBECONFIG").empty() && !variable("KUBERNETES_SERVICE_HOST").empty()) {
    ASSIGN_OR_RETURN(kube::ClusterAccess access,
                     kube::in_cluster_access(variable, kube::read_text_file, clock));
    return Found{std::move(access), true};
  }
  const auto run = [](const kube::Program& program) {
    return kube::run_program(program, kPluginMax);
  };
  const kube::KubeconfigSeams seams{kube::read_text_file, run, clock};
  ASSIGN_OR_RETURN(kube::ClusterAccess access,
                   kube::kubeconfig_access(kubeconfig_path(flags), flags.context, seams));
  return Found{std::move(access), false};
}

}  // namespace

base::Result<std::unique_ptr<Cluster>> Cluster::open(const ClusterFlags& flags) {
  std::unique_ptr<Cluster> cluster(new Cluster);
  ASSIGN_OR_RETURN(Found found, find_cluster(flags, cluster->clock_));
  cluster->inside_ = found.inside;
  cluster->name_space_ = !flags.name_space.empty()          ? flags.name_space
                         : !found.access.name_space.empty() ? found.access.name_space
                                                            : "default";
  ASSIGN_OR_RETURN(cluster->transport_,
                   kube::make_cpprest_transport(std::move(found.access), {.threads = 2}));
  // Waiting is short here: somebody sits before it.
  const auto wait = [](base::Millis time) {
    poll(nullptr, 0, static_cast<int>(time.count()));  // ends early with a signal
    return !stop_requested();
  };
  cluster->api_ = std::make_unique<kube::HttpApi>(
      kube::HttpApiSeams{*cluster->transport_, cluster->clock_, wait, {}},
      kube::RetryOptions{.tries_max = kTriesMax, .wait_max = kWaitMax});
  return cluster;
}

Cluster::~Cluster() = default;

base::Result<std::string> Cluster::text_at(const std::string& path) {
  kube::HttpRequest request;
  request.target = path;
  ASSIGN_OR_RETURN(kube::HttpResponse answer, transport_->send(request));
  constexpr int kRefused = 300;
  if (answer.status >= kRefused) return kube::error_of(answer.status, answer.body);
  return std::move(answer.body);
}

}  // namespace sluice::cli::cluster
