#include <fcntl.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cerrno>
#include <memory>
#include <string>

#include "base/wall_text.h"
#include "cli/cluster/cluster.h"
#include "cli/cluster/queue_access.h"
#include "cli/cluster/queue_text.h"
#include "cli/cluster/redaction.h"
#include "cli/cluster/support_bundle.h"
#include "cli/commands.h"
#include "cli/exit_code.h"
#include "cli/output.h"
#include "cli/session.h"
#include "cli/stat_document.h"
#include "cli/terminal.h"
#include "kube/json.h"
#include "runtime/posix/file_descriptor.h"
#include "runtime/posix/system_clock.h"

namespace sluice::cli {
namespace {

using kube::Json;

struct ClusterCommandFlags {
  std::string queue;
  std::string out;
  std::string operator_namespace;
  std::size_t log_lines = cluster::BundleOptions{}.log_lines;
  bool json = false;
  bool all_namespaces = false;
};

using ClusterAction = base::Status (*)(const Context&, cluster::Cluster&,
                                       const ClusterCommandFlags&);

base::WallTime wall_now() { return runtime::SystemClock().wall_now(); }

base::Status list_objects(const Context& /*context*/, cluster::Cluster& cluster,
                          const ClusterCommandFlags& flags) {
  const std::string name_space = flags.all_namespaces ? "" : cluster.name_space();
  ASSIGN_OR_RETURN(const std::vector<Json> queues, cluster::list_queues(cluster.api(), name_space));
  Output output;
  if (flags.json) {
    Json all = Json::array();
    for (const Json& queue : queues) all.push_back(cluster::redacted(queue));
    output << all.dump() << "\n";
  } else {
    output << cluster::render_queue_list(queues, flags.all_namespaces, wall_now());
  }
  return output.flush();
}

// Events about an object; none where they may not be read, since the rest is worth showing.
std::vector<Json> events_about(kube::Api& api, const Json& object) {
  const kube::Selectors selectors{"", "regarding.uid=" + kube::uid_of(object)};
  const auto list = api.list(kube::kEvents, kube::namespace_of(object), selectors);
  if (!list) {
    print_note("events cannot be read: " + list.error().message());
    return {};
  }
  const Json& items = kube::value_in(*list, {"items"});
  return {items.begin(), items.end()};
}

base::Status describe_object(const Context& /*context*/, cluster::Cluster& cluster,
                             const ClusterCommandFlags& flags) {
  ASSIGN_OR_RETURN(const Json queue,
                   cluster::find_queue(cluster.api(), cluster.name_space(), flags.queue));
  const std::vector<Json> events = events_about(cluster.api(), queue);
  Output output;
  if (flags.json) {
    Json document = {{"queue", cluster::redacted(queue)}, {"events", Json::array()}};
    for (const Json& event : events) document["events"].push_back(cluster::redacted(event));
    output << document.dump() << "\n";
  } else {
    output << cluster::render_queue_object(queue, events, wall_now());
  }
  return output.flush();
}

// Never over a file that is there, and for its owner's eyes.
base::Status write_bundle(const std::string& path, std::string_view bytes) {
  constexpr mode_t kOwner = 0600;
  const int fd = open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, kOwner);
  if (fd < 0 && errno == EEXIST) {
    return base::Error(base::ErrorCode::kAlreadyExists, path + " exists: name another --out");
  }
  if (fd < 0) return base::io_error("creating " + path, errno);
  const runtime::FileDescriptor file(fd);
  Output output({}, fd);
  output << bytes;
  return output.flush();
}

base::Status make_bundle(const Context& context, cluster::Cluster& cluster,
                         const ClusterCommandFlags& flags) {
  const auto text = [&](const std::string& path) { return cluster.text_at(path); };
  const auto statistics = [&](const std::string& queue) -> base::Result<std::string> {
    ASSIGN_OR_RETURN(const Session session, connect(context, queue));
    ASSIGN_OR_RETURN(StatDocument document, read_stat(*session, ""));
    return std::move(document.text);
  };
  const auto progress = [](const std::string& what) {
    if (stderr_is_terminal()) print_note("reading " + what);
  };
  const cluster::BundleOptions options{cluster.name_space(), flags.queue, flags.operator_namespace,
                                       flags.log_lines};
  ASSIGN_OR_RETURN(const std::vector<cluster::ArchiveFile> files,
                   cluster::collect_bundle(options, {cluster.api(), text, statistics, progress}));
  const base::WallTime now = wall_now();
  ASSIGN_OR_RETURN(const std::string archive, cluster::make_tar_gz(files, now));
  std::string path = flags.out;
  if (path.empty()) {
    std::string time = base::format_wall(now).substr(0, 19);
    for (char& c : time) c = c == ':' ? '-' : c;
    path = "sluice-" + cluster.name_space() + "-" + time + ".tar.gz";
  }
  RETURN_IF_ERROR(write_bundle(path, archive));
  for (const auto& file : files) {
    if (file.name == "problems.txt") print_note("could not be read:\n" + file.text);
  }
  Output output;
  output << (flags.json ? Json{{"file", path}, {"files", files.size()}}.dump() : path) << "\n";
  return output.flush();
}

int run(const Context& context, const ClusterCommandFlags& flags, ClusterAction action) {
  auto cluster = cluster::Cluster::open(context.cluster);
  if (!cluster) return fail(cluster.error());
  const base::Status status = action(context, **cluster, flags);
  return status.has_value() ? kExitOk : fail(status.error());
}

}  // namespace

void add_cluster_commands(CLI::App& app, Context& context, int& exit_code) {
  auto flags = std::make_shared<ClusterCommandFlags>();
  const auto runs = [flags, &context, &exit_code](CLI::App* command, ClusterAction action) {
    command->add_flag("--json", flags->json, "As JSON");
    command->callback(
        [flags, &context, &exit_code, action] { exit_code = run(context, *flags, action); });
  };

  CLI::App* list = app.add_subcommand("list", "The Queues of a cluster");
  list->add_flag("-A,--all-namespaces", flags->all_namespaces, "Of all namespaces");
  list->footer(
      "Examples:\n"
      "  kubectl sluice list\n"
      "  kubectl sluice list --all-namespaces --json | jq -r '.[].metadata.name'");
  runs(list, list_objects);

  CLI::App* describe = app.add_subcommand(
      "describe", "A Queue of a cluster: conditions, subscriptions, consumers, events");
  describe->add_option("queue", flags->queue, "Name of the queue")->required()->type_name("OBJECT");
  describe->footer(
      "What the broker itself says is told by `stat` and `queue describe`.\n"
      "\n"
      "Examples:\n"
      "  kubectl sluice --namespace shop describe orders");
  runs(describe, describe_object);

  CLI::App* bundle = app.add_subcommand(
      "support-bundle",
      "Everything about the Queues of a namespace in one archive, without secrets");
  bundle->add_option("queue", flags->queue, "Only this Queue and its broker")->type_name("OBJECT");
  bundle->add_option("--out", flags->out, "File (default: sluice-NAMESPACE-TIME.tar.gz)")
      ->type_name("FILE");
  bundle->add_option("--operator-namespace", flags->operator_namespace,
                     "Where the operator runs (default: looked for everywhere)");
  bundle->add_option("--log-lines", flags->log_lines, "The last ones of each container")
      ->check(CLI::Range(1, 1'000'000))
      ->capture_default_str();
  bundle->footer(
      "In it: Queues, the objects of their brokers, what they scale, events, statistics, metrics "
      "and\n"
      "logs of brokers and operator. Values of Secrets, and what looks like a key or a token, are\n"
      "removed; bodies of messages are in none of these. problems.txt names what could not be "
      "read.\n"
      "\n"
      "Examples:\n"
      "  kubectl sluice --namespace shop support-bundle\n"
      "  kubectl sluice --namespace shop support-bundle orders --out orders.tar.gz");
  runs(bundle, make_bundle);
}

}  // namespace sluice::cli
