#include "client/api/client_core.h"

#include <string>
#include <utility>

#include "client/api/admin_core.h"
#include "client/api/consumer_core.h"
#include "client/api/convert.h"
#include "client/api/producer_core.h"

namespace sluice {
namespace {

client::ConnectionOptions to_connection_options(const ClientOptions& options) {
  client::ConnectionOptions out;
  out.endpoint = options.endpoint;
  out.client_name = options.name;
  const Credentials& keys = options.credentials;
  if (!keys.folder.empty()) {
    out.keys_folder = keys.folder;
  } else if (!keys.empty()) {
    out.credentials = access::Credentials{keys.broker_key, keys.secret_key};
  }
  out.connect_timeout = options.connect_timeout;
  out.request_timeout = options.request_timeout;
  out.backoff_min = options.backoff_min;
  out.backoff_max = options.backoff_max;
  return out;
}

// Tells the log hook of sessions that come and go. Attends the loop as long as the loop lives, and
// hangs on the connection until the loop lets go of it.
class SessionReporter final : public client::ConnectionUser, public api::Attendant {
 public:
  SessionReporter(client::Connection& connection, LogHook log)
      : connection_(connection), log_(std::move(log)) {
    connection_.add_user(this);
  }
  ~SessionReporter() override { connection_.remove_user(this); }

  void on_session(bool resumed) override {
    if (!log_) return;
    log_(LogLevel::kInfo,
         resumed ? "connected again: the session goes on" : "connected: a session has begun");
  }
  void on_session_lost() override {
    if (log_) log_(LogLevel::kWarn, "the connection was lost; trying to connect again");
  }
  bool on_frame(wire::Frame& /*frame*/, client::InboundFrame& /*inbound*/) override {
    return false;
  }
  std::optional<base::MonoTime> on_round(base::MonoTime /*now*/) override { return std::nullopt; }

  std::optional<base::MonoTime> turn(base::MonoTime /*now*/) override { return std::nullopt; }
  void on_dead(const base::Error& error) override {
    if (log_) log_(LogLevel::kError, error.to_string());
  }

 private:
  client::Connection& connection_;
  LogHook log_;
};

}  // namespace

base::Result<std::shared_ptr<Client::Core>> Client::Core::connect(const ClientOptions& options) {
  client::ConnectionOptions connection_options = to_connection_options(options);
  ASSIGN_OR_RETURN(auto connection, client::Connection::open(connection_options));
  auto reporter = std::make_shared<SessionReporter>(*connection, options.log);
  auto loop = std::make_shared<api::IoLoop>(std::move(connection));
  loop->attend(std::move(reporter));
  loop->start();
  return std::make_shared<Core>(std::move(connection_options), std::move(loop));
}

Client::Core::Core(client::ConnectionOptions options, std::shared_ptr<api::IoLoop> loop)
    : connection_options_(std::move(options)), loop_(std::move(loop)) {}

Client::Core::~Core() { loop_->stop(); }

// --- The handle.

Result<Client> Client::connect(const ClientOptions& options) {
  base::Result<std::shared_ptr<Core>> core = Core::connect(options);
  if (!core.has_value()) return api::to_public(core.error());
  return Client(std::move(*core));
}

Client::Client(std::shared_ptr<Core> core) : core_(std::move(core)) {}
Client::~Client() = default;
Client::Client(Client&&) noexcept = default;
Client& Client::operator=(Client&&) noexcept = default;

Result<Producer> Client::producer(ProducerOptions options) {
  base::Result<std::shared_ptr<Producer::Core>> core =
      Producer::Core::open(core_, std::move(options));
  if (!core.has_value()) return api::to_public(core.error());
  return Producer(std::move(*core));
}

Result<Consumer> Client::consumer(ConsumerOptions options) {
  base::Result<std::shared_ptr<Consumer::Core>> core =
      Consumer::Core::open(core_, std::move(options));
  if (!core.has_value()) return api::to_public(core.error());
  return Consumer(std::move(*core));
}

Admin Client::admin() { return Admin(std::make_shared<Admin::Core>(core_->connection_options())); }

std::uint64_t Client::reconnects() const { return core_->loop().reconnects(); }

}  // namespace sluice
