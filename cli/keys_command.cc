#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cerrno>
#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>

#include "access/key_files.h"
#include "cli/commands.h"
#include "cli/exit_code.h"
#include "client/zmq_keys.h"

namespace sluice::cli {
namespace {

constexpr unsigned kSecretMode = 0600;
constexpr unsigned kPublicMode = 0644;

struct KeysOptions {
  std::string broker;
  std::string client;
  std::string id;
  std::string roles = "produce,consume";
  std::string queues = "*";
  std::string endpoint;
  std::string listen;
  std::string control;
  bool finish = false;
  bool json = false;
};

base::Status make_folder(const std::string& path) {
  if (mkdir(path.c_str(), 0700) == 0 || errno == EEXIST) return {};
  return base::io_error("making " + path, errno);
}

base::Status append_line(const std::string& path, const std::string& line) {
  const int fd = open(path.c_str(), O_WRONLY | O_APPEND | O_CLOEXEC);
  if (fd < 0) return base::io_error("writing " + path, errno);
  const ssize_t put = write(fd, line.data(), line.size());
  const int code = errno;
  close(fd);
  if (put == static_cast<ssize_t>(line.size())) return {};
  return base::io_error("writing " + path, put < 0 ? code : EIO);
}

// The broker's folder with a key of its own and nobody authorized, unless it is there.
base::Result<std::string> broker_key(const std::string& folder) {
  RETURN_IF_ERROR(make_folder(folder));
  const std::string path = folder + "/server.key";
  ASSIGN_OR_RETURN(const std::optional<std::string> secret, access::read_key_file(path, true));
  if (secret) return client::public_key_of(*secret);
  ASSIGN_OR_RETURN(const client::KeyPair pair, client::make_key_pair());
  RETURN_IF_ERROR(access::write_new_file(path, pair.secret_key + "\n", kSecretMode));
  RETURN_IF_ERROR(access::write_new_file(folder + "/authorized_keys",
                                         "# KEY-ID PUBLIC-KEY ROLES QUEUES\n", kPublicMode));
  return pair.public_key;
}

base::Result<access::Grant> generate(const KeysOptions& options) {
  ASSIGN_OR_RETURN(const client::KeyPair pair, client::make_key_pair());
  ASSIGN_OR_RETURN(access::Grant grant,
                   access::parse_grant(options.id, pair.public_key, options.roles, options.queues));
  ASSIGN_OR_RETURN(const std::string server, broker_key(options.broker));
  ASSIGN_OR_RETURN(const access::BrokerKeys known, access::read_broker_keys(options.broker));
  for (const auto& [key, other] : known.ring.grants()) {
    if (other->id == grant.id) {
      return base::Error(base::ErrorCode::kAlreadyExists,
                         "--id: the broker has a key " + grant.id + " already");
    }
  }
  RETURN_IF_ERROR(make_folder(options.client));
  RETURN_IF_ERROR(
      access::write_new_file(options.client + "/client.key", pair.secret_key + "\n", kSecretMode));
  RETURN_IF_ERROR(
      access::write_new_file(options.client + "/broker.pub", server + "\n", kPublicMode));
  if (!options.endpoint.empty()) {
    RETURN_IF_ERROR(
        access::write_new_file(options.client + "/endpoint", options.endpoint + "\n", kPublicMode));
  }
  // Last: whoever is authorized has its key.
  RETURN_IF_ERROR(append_line(options.broker + "/authorized_keys", access::to_line(grant) + "\n"));
  return grant;
}

nlohmann::json to_json(const access::Grant& grant) {
  return {{"id", grant.id},
          {"publicKey", grant.public_key},
          {"roles", access::to_string(grant.roles)},
          {"queues", grant.queues}};
}

int run_generate(const KeysOptions& options) {
  const auto grant = generate(options);
  if (!grant.has_value()) return fail(grant.error());
  if (options.json) {
    std::printf("%s\n", to_json(*grant).dump().c_str());
  } else {
    std::printf("%s\n", access::to_line(*grant).c_str());
  }
  return kExitOk;
}

// Writes the next key and where it is served; its public half.
base::Result<std::string> begin_rotation(const KeysOptions& options) {
  ASSIGN_OR_RETURN(const access::BrokerKeys keys, access::read_broker_keys(options.broker));
  if (keys.next) {
    return base::Error(base::ErrorCode::kAlreadyExists,
                       options.broker + "/next.key: a rotation is under way; --finish ends it");
  }
  ASSIGN_OR_RETURN(const client::KeyPair pair, client::make_key_pair());
  RETURN_IF_ERROR(
      access::write_new_file(options.broker + "/next.listen", options.listen + "\n", kPublicMode));
  if (!options.control.empty()) {
    RETURN_IF_ERROR(access::write_new_file(options.broker + "/next.control", options.control + "\n",
                                           kPublicMode));
  }
  // Last: without it there is no rotation.
  RETURN_IF_ERROR(
      access::write_new_file(options.broker + "/next.key", pair.secret_key + "\n", kSecretMode));
  return pair.public_key;
}

// The next key is the key.
base::Result<std::string> finish_rotation(const KeysOptions& options) {
  ASSIGN_OR_RETURN(const access::BrokerKeys keys, access::read_broker_keys(options.broker));
  if (!keys.next) {
    return base::not_found(options.broker + "/next.key: no such file; no rotation is under way");
  }
  const std::string next = options.broker + "/next.key";
  const std::string key = options.broker + "/server.key";
  if (std::rename(next.c_str(), key.c_str()) != 0) {
    return base::io_error("renaming " + next, errno);
  }
  for (const char* name : {"/next.listen", "/next.control"}) {
    const std::string path = options.broker + name;
    if (unlink(path.c_str()) != 0 && errno != ENOENT) {
      return base::io_error("removing " + path, errno);
    }
  }
  return client::public_key_of(keys.next->secret);
}

int run_rotate(const KeysOptions& options) {
  if (options.finish == !options.listen.empty()) {
    print_error("--listen begins a rotation, --finish ends it: one of them is needed");
    return kExitUsage;
  }
  const auto key = options.finish ? finish_rotation(options) : begin_rotation(options);
  if (!key.has_value()) return fail(key.error());
  std::printf("%s\n", key->c_str());
  return kExitOk;
}

int run_show(const KeysOptions& options) {
  const auto keys = access::read_broker_keys(options.broker);
  if (!keys.has_value()) return fail(keys.error());
  const auto server = client::public_key_of(keys->secret);
  if (!server.has_value()) return fail(server.error());
  std::string next;
  if (keys->next) {
    const auto key = client::public_key_of(keys->next->secret);
    if (!key.has_value()) return fail(key.error());
    next = *key;
  }
  if (options.json) {
    nlohmann::json all = nlohmann::json::array();
    for (const auto& [key, grant] : keys->ring.grants()) all.push_back(to_json(*grant));
    nlohmann::json document = {{"brokerKey", *server}, {"keys", all}};
    if (keys->next) {
      document["next"] = {
          {"brokerKey", next}, {"listen", keys->next->listen}, {"control", keys->next->control}};
    }
    std::printf("%s\n", document.dump().c_str());
    return kExitOk;
  }
  std::printf("broker %s\n", server->c_str());
  if (keys->next) std::printf("next %s %s\n", next.c_str(), keys->next->listen.c_str());
  for (const auto& [key, grant] : keys->ring.grants()) {
    std::printf("%s\n", access::to_line(*grant).c_str());
  }
  return kExitOk;
}

}  // namespace

void add_keys_commands(CLI::App& app, Context& /*context*/, int& exit_code) {
  auto options = std::make_shared<KeysOptions>();
  CLI::App* keys = app.add_subcommand("keys", "Who may do what with a broker");
  keys->require_subcommand(1);
  // Whoever reads the files of keys refuses all of them where one is no endpoint.
  const CLI::Validator is_endpoint(
      [](const std::string& text) {
        return access::is_endpoint_text(text) ? "" : "tcp://HOST:PORT expected, not " + text;
      },
      "", "endpoint");
  CLI::App* make = keys->add_subcommand("generate", "Make a client's key and authorize it");
  make->add_option("--broker", options->broker, "The broker's folder of keys; made if missing")
      ->required()
      ->type_name("DIR");
  make->add_option("--client", options->client, "The new client's folder")
      ->required()
      ->type_name("DIR");
  make->add_option("--id", options->id, "Who it is, for logs and errors")->required();
  make->add_option("--role", options->roles, "Of produce, consume, inspect, admin, operator")
      ->capture_default_str();
  make->add_option("--queues", options->queues, "Names, or their beginnings and *")
      ->capture_default_str();
  make->add_option("--write-endpoint", options->endpoint, "What to write to the file `endpoint`")
      ->check(is_endpoint)
      ->type_name("tcp://HOST:PORT");
  make->add_flag("--json", options->json, "One JSON object");
  make->footer(
      "Examples:\n"
      "  sluice keys generate --broker ./broker-keys --client ./worker-keys --id worker \\\n"
      "      --role produce,consume --queues 'orders,emails-*'\n"
      "  sluice up -f queues/ --keys ./broker-keys\n"
      "  sluice --keys ./worker-keys sub orders");
  make->callback([options, &exit_code] { exit_code = run_generate(*options); });
  CLI::App* rotate = keys->add_subcommand(
      "rotate",
      "Give the broker another key, served beside its present one; prints its public half");
  rotate->add_option("--broker", options->broker, "The broker's folder of keys")
      ->required()
      ->type_name("DIR");
  rotate->add_option("--listen", options->listen, "Where clients come with the next key")
      ->check(is_endpoint)
      ->type_name("tcp://HOST:PORT");
  rotate->add_option("--control", options->control, "Where the operator comes with it")
      ->check(is_endpoint)
      ->type_name("tcp://HOST:PORT");
  rotate->add_flag("--finish", options->finish,
                   "Make the next key the key; what still uses the older one is cut off");
  rotate->footer(
      "Examples:\n"
      "  sluice keys rotate --broker ./broker-keys --listen tcp://0.0.0.0:7660\n"
      "  sluice keys rotate --broker ./broker-keys --finish");
  rotate->callback([options, &exit_code] { exit_code = run_rotate(*options); });
  CLI::App* show = keys->add_subcommand("show", "The broker's public key and whom it knows");
  show->add_option("--broker", options->broker, "The broker's folder of keys")
      ->required()
      ->type_name("DIR");
  show->add_flag("--json", options->json, "One JSON object");
  show->footer("Example:\n  sluice keys show --broker ./broker-keys");
  show->callback([options, &exit_code] { exit_code = run_show(*options); });
}

}  // namespace sluice::cli
