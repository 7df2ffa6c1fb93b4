#include "cli/cluster/support_bundle.h"

#include <array>
#include <cstdint>
#include <map>
#include <set>
#include <utility>

#include "cli/cluster/queue_access.h"
#include "cli/cluster/redaction.h"
#include "kube/json.h"

namespace sluice::cli::cluster {
namespace {

using kube::Json;

constexpr std::string_view kHttpPort = "7652";
constexpr std::string_view kOperatorLabel = "app.kubernetes.io/name=sluice-operator";
constexpr std::string_view kOperatorPort = "8080";

// What belongs to a broker, by its label.
constexpr std::array kOfBroker = {&kube::kStatefulSets,
                                  &kube::kPods,
                                  &kube::kServices,
                                  &kube::kConfigMaps,
                                  &kube::kSecrets,
                                  &kube::kPodDisruptionBudgets,
                                  &kube::kNetworkPolicies,
                                  &kube::kServiceAccounts,
                                  &kube::kPersistentVolumeClaims};

class Collector {
 public:
  Collector(const BundleOptions& options, const BundleSource& source)
      : options_(options), source_(source) {}

  base::Result<std::vector<ArchiveFile>> run() {
    std::vector<Json> queues;
    if (options_.queue.empty()) {
      ASSIGN_OR_RETURN(queues, list_queues(source_.api, options_.name_space));
    } else {
      ASSIGN_OR_RETURN(Json queue, find_queue(source_.api, options_.name_space, options_.queue));
      queues.push_back(std::move(queue));
    }
    std::map<std::string, std::string> brokers;  // and a Queue of each
    for (const Json& queue : queues) {
      add_object("queues/" + kube::name_of(queue) + ".json", queue);
      add_targets(queue);
      brokers.emplace(broker_of(queue), kube::name_of(queue));
    }
    for (const auto& [broker, queue] : brokers) {
      add_broker(broker);
      add_statistics("brokers/" + broker + "/statistics.json", queue);
    }
    add_list("events.json", kube::kEvents, options_.name_space, {});
    add_operator();
    if (!problems_.empty()) files_.push_back({"problems.txt", problems_});
    return std::move(files_);
  }

 private:
  void add_object(const std::string& name, const Json& object) {
    files_.push_back({name, redacted(object).dump(2) + "\n"});
  }

  void note(const std::string& name, const base::Error& error) {
    problems_ += name + ": " + error.to_string() + "\n";
  }

  // The list, for whoever wants to look into its items; null where it cannot be read.
  Json add_list(const std::string& name, const kube::ResourceType& type,
                const std::string& name_space, const kube::Selectors& selectors) {
    source_.progress(name);
    auto list = source_.api.list(type, name_space, selectors);
    if (!list) {
      note(name, list.error());
      return {};
    }
    // Items of a list say their kind only there, and what is redacted depends on it.
    for (Json& item : (*list)["items"]) {
      item["kind"] = type.kind;
      item["apiVersion"] = type.api_version();
    }
    add_object(name, *list);
    return std::move(*list);
  }

  void add_text(const std::string& name, const std::string& path) {
    source_.progress(name);
    auto text = source_.text(path);
    if (!text) return note(name, text.error());
    if (!text->empty()) files_.push_back({name, redacted_text(*text)});
  }

  void add_statistics(const std::string& name, const std::string& queue) {
    source_.progress(name);
    auto text = source_.statistics(queue);
    if (!text) return note(name, text.error());
    files_.push_back({name, redacted_text(*text)});
  }

  static std::string pod_path(const Json& pod) {
    return kube::object_path({&kube::kPods, kube::namespace_of(pod), kube::name_of(pod)});
  }

  void add_logs(const std::string& folder, const Json& pod) {
    const std::string lines = "&tailLines=" + std::to_string(options_.log_lines);
    for (const Json& container : kube::value_in(pod, {"spec", "containers"})) {
      const std::string name = kube::text_in(container, "name");
      const std::string file =
          std::string(folder).append("/").append(kube::name_of(pod)).append(".").append(name);
      const std::string path = pod_path(pod) + "/log?container=" + kube::percent_encode(name) +
                               lines + "&timestamps=true";
      add_text(file + ".log", path);
      if (restarted(pod, name)) add_text(file + ".previous.log", path + "&previous=true");
    }
  }

  static bool restarted(const Json& pod, const std::string& container) {
    for (const Json& one : kube::value_in(pod, {"status", "containerStatuses"})) {
      const Json& count = kube::value_in(one, {"restartCount"});
      if (kube::text_in(one, "name") == container && count.is_number_integer()) {
        return count.get<std::int64_t>() > 0;
      }
    }
    return false;
  }

  // The Deployments and such that a Queue's consumers are.
  void add_targets(const Json& queue) {
    const Json& spec = kube::value_in(queue, {"spec"});
    add_target(kube::value_in(spec, {"consumers", "scaleTargetRef"}));
    for (const Json& subscription : kube::value_in(spec, {"subscriptions"})) {
      add_target(kube::value_in(subscription, {"consumers", "scaleTargetRef"}));
    }
  }

  void add_target(const Json& ref) {
    const std::string name = kube::text_in(ref, "name");
    const kube::ResourceType* type =
        kube::find_resource_type(kube::text_in(ref, "apiVersion"), kube::text_in(ref, "kind"));
    if (name.empty() || type == nullptr) return;
    const std::string file = "targets/" + std::string(type->kind) + "-" + name + ".json";
    if (!targets_.insert(file).second) return;
    auto target = source_.api.get({type, options_.name_space, name});
    if (target) {
      add_object(file, *target);
    } else {
      note(file, target.error());
    }
  }

  void add_broker(const std::string& broker) {
    const std::string folder = "brokers/" + broker;
    const kube::Selectors mine{"sluice.dev/broker=" + broker, ""};
    Json pods;
    for (const kube::ResourceType* type : kOfBroker) {
      Json list = add_list(folder + "/" + std::string(type->plural) + ".json", *type,
                           options_.name_space, mine);
      if (type == &kube::kPods) pods = std::move(list);
    }
    for (const Json& pod : kube::value_in(pods, {"items"})) {
      add_logs(folder, pod);
      const std::string page = pod_path(pod) + ":" + std::string(kHttpPort) + "/proxy";
      const std::string file = folder + "/" + kube::name_of(pod);
      add_text(file + ".metrics.txt", page + "/metrics");
      add_text(file + ".ready.json", page + "/readyz");
    }
  }

  void add_operator() {
    const Json pods = add_list("operator/pods.json", kube::kPods, options_.operator_namespace,
                               {std::string(kOperatorLabel), ""});
    for (const Json& pod : kube::value_in(pods, {"items"})) {
      add_logs("operator", pod);
      add_text("operator/" + kube::name_of(pod) + ".metrics.txt",
               pod_path(pod) + ":" + std::string(kOperatorPort) + "/proxy/metrics");
    }
  }

  const BundleOptions& options_;
  const BundleSource& source_;
  std::vector<ArchiveFile> files_;
  std::set<std::string> targets_;
  std::string problems_;
};

}  // namespace

base::Result<std::vector<ArchiveFile>> collect_bundle(const BundleOptions& options,
                                                      const BundleSource& source) {
  return Collector(options, source).run();
}

}  // namespace sluice::cli::cluster
