#include "kube/kubeconfig.h"

#include <string_view>
#include <utility>

#include "base/base64.h"
#include "kube/static_credentials.h"
#include "kube/yaml_json.h"

namespace sluice::kube {
namespace {

// One map of the file, with the name by which errors call it.
struct Section {
  std::string where;
  Json values;

  std::string text(const char* key) const {
    const auto found = values.find(key);
    return found != values.end() && found->is_string() ? found->get<std::string>() : std::string();
  }
  bool has(const char* key) const {
    return values.contains(key) && !values[key].is_null() && text(key) != "false";
  }
};

// The entry `name` of "clusters", "users" or "contexts".
base::Result<Section> entry(const Json& file, const char* list, const char* kind,
                            const std::string& name) {
  if (file.contains(list) && file[list].is_array()) {
    for (const Json& item : file[list]) {
      if (!item.is_object() || item.value("name", Json()) != Json(name)) continue;
      Section section{std::string(list) + "[" + name + "]", Json::object()};
      if (item.contains(kind) && item[kind].is_object()) section.values = item[kind];
      return section;
    }
  }
  return base::invalid_argument(std::string(list) + ": there is no '" + name + "'");
}

base::Status refuse_unknown(const Section& section, std::initializer_list<const char*> keys) {
  for (const char* key : keys) {
    if (section.has(key)) {
      return base::invalid_argument(section.where + "." + key + ": is not supported");
    }
  }
  return {};
}

// `data` wins over the file, as in kubectl.
base::Result<TextSource> source(const Section& section, const std::string& folder,
                                const char* data_key, const char* file_key) {
  TextSource source;
  if (const std::string data = section.text(data_key); !data.empty()) {
    auto decoded = base::decode_base64(data);
    if (!decoded.has_value()) return decoded.error().with_prefix(section.where + "." + data_key);
    source.text = *std::move(decoded);
  } else if (const std::string file = section.text(file_key); !file.empty()) {
    source.path = file.front() == '/' ? file : folder + file;
  }
  return source;
}

base::Status check_server(const Section& cluster) {
  const std::string server = cluster.text("server");
  if (!server.starts_with("https://") && !server.starts_with("http://")) {
    return base::invalid_argument(cluster.where + ".server: https://HOST:PORT expected");
  }
  if (server.starts_with("https://[")) {
    return base::invalid_argument(cluster.where +
                                  ".server: an IPv6 address is not supported with TLS; give a name "
                                  "that the server's certificate has");
  }
  return {};
}

base::Result<ExecPlugin> exec_plugin(const Section& user, const Section& cluster,
                                     const std::string& folder) {
  const Section exec{user.where + ".exec", user.values["exec"]};
  if (exec.text("apiVersion") != "client.authentication.k8s.io/v1") {
    return base::invalid_argument(exec.where +
                                  ".apiVersion: client.authentication.k8s.io/v1 expected");
  }
  if (exec.text("interactiveMode") == "Always") {
    return base::invalid_argument(exec.where + ".interactiveMode: Always is not possible here");
  }
  ExecPlugin plugin;
  plugin.command = exec.text("command");
  if (plugin.command.empty()) return base::invalid_argument(exec.where + ".command: is missing");
  if (plugin.command.find('/') != std::string::npos && plugin.command.front() != '/') {
    plugin.command = folder + plugin.command;
  }
  plugin.install_hint = exec.text("installHint");
  if (exec.has("args") && exec.values["args"].is_array()) {
    for (const Json& argument : exec.values["args"]) {
      if (argument.is_string()) plugin.arguments.push_back(argument.get<std::string>());
    }
  }
  if (exec.has("env") && exec.values["env"].is_array()) {
    for (const Json& variable : exec.values["env"]) {
      const Section one{exec.where + ".env", variable};
      plugin.environment.emplace_back(one.text("name"), one.text("value"));
    }
  }
  if (exec.text("provideClusterInfo") == "true") {
    plugin.cluster = {{"server", cluster.text("server")}};
    if (cluster.has("certificate-authority-data")) {
      plugin.cluster["certificate-authority-data"] = cluster.text("certificate-authority-data");
    }
  }
  return plugin;
}

base::Result<ClusterAccess> read_access(const Json& file, const std::string& context_name,
                                        const std::string& folder, const KubeconfigSeams& seams) {
  const std::string name =
      context_name.empty() ? Section{"", file}.text("current-context") : context_name;
  if (name.empty()) return base::invalid_argument("current-context: is missing");
  ASSIGN_OR_RETURN(const Section context, entry(file, "contexts", "context", name));
  ASSIGN_OR_RETURN(const Section cluster,
                   entry(file, "clusters", "cluster", context.text("cluster")));
  Section user{"users", Json::object()};
  if (context.has("user")) {
    ASSIGN_OR_RETURN(user, entry(file, "users", "user", context.text("user")));
  }
  RETURN_IF_ERROR(check_server(cluster));
  RETURN_IF_ERROR(
      refuse_unknown(cluster, {"insecure-skip-tls-verify", "tls-server-name", "proxy-url"}));
  RETURN_IF_ERROR(refuse_unknown(user, {"username", "password", "auth-provider", "as"}));

  CredentialSources sources;
  ASSIGN_OR_RETURN(sources.ca,
                   source(cluster, folder, "certificate-authority-data", "certificate-authority"));
  ASSIGN_OR_RETURN(sources.client_certificate,
                   source(user, folder, "client-certificate-data", "client-certificate"));
  ASSIGN_OR_RETURN(sources.client_key, source(user, folder, "client-key-data", "client-key"));
  if (sources.client_certificate.empty() != sources.client_key.empty()) {
    return base::invalid_argument(user.where + ": client-certificate and client-key go together");
  }
  // As in kubectl, the file wins over the token beside it.
  ASSIGN_OR_RETURN(sources.token, source(user, folder, "", "tokenFile"));
  if (sources.token.empty()) sources.token.text = user.text("token");

  ClusterAccess access;
  access.server = cluster.text("server");
  access.name_space = context.has("namespace") ? context.text("namespace") : "default";
  access.credentials = make_credentials(std::move(sources), seams.read_file, seams.clock);
  if (user.has("exec") && user.values["exec"].is_object()) {
    ASSIGN_OR_RETURN(ExecPlugin plugin, exec_plugin(user, cluster, folder));
    access.credentials = make_exec_credentials(std::move(plugin), std::move(access.credentials),
                                               seams.run, seams.clock);
  }
  return access;
}

}  // namespace

base::Result<ClusterAccess> kubeconfig_access(const std::string& path, const std::string& context,
                                              const KubeconfigSeams& seams) {
  ASSIGN_OR_RETURN(const std::string text, seams.read_file(path));
  const std::size_t slash = path.rfind('/');
  const std::string folder = slash == std::string::npos ? "" : path.substr(0, slash + 1);
  auto file = read_yaml_texts(text);
  if (!file.has_value()) return file.error().with_prefix(path);
  if (!file->is_object()) return base::invalid_argument(path + ": is no kubeconfig");
  auto access = read_access(*file, context, folder, seams);
  if (!access.has_value()) return access.error().with_prefix(path);
  return access;
}

}  // namespace sluice::kube
