#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "sluice/admin.h"
#include "sluice/consumer.h"
#include "sluice/producer.h"
#include "sluice/result.h"

namespace sluice {

/// Who a client is to the broker. Empty = nobody in particular, which is enough where no keys are
/// configured.
struct SLUICE_EXPORT Credentials {
  /// The broker's public key, 40 characters of Z85.
  std::string broker_key;
  /// The client's secret key, likewise.
  std::string secret_key;
  /// The folder that from_folder() was given. It is read again for every connection, so that keys
  /// and endpoint may change while the program runs.
  std::string folder;

  /// Files `broker.pub`, `client.key` and, if the folder has one, `endpoint` (which then wins over
  /// ClientOptions::endpoint), as a Kubernetes Secret is mounted.
  static Result<Credentials> from_folder(const std::string& folder);
  /// The folder in SLUICE_KEYS_DIR, else SLUICE_BROKER_KEY and SLUICE_CLIENT_KEY; where none is
  /// set, empty. These do not change while a program runs.
  static Result<Credentials> from_environment();
  /// True when nothing is set.
  bool empty() const { return broker_key.empty() && secret_key.empty() && folder.empty(); }
};

/// How much something matters.
enum class LogLevel : std::uint8_t { kInfo, kWarn, kError };
/// Told of what happens to the connection; called on the client's thread, must return soon.
using LogHook = std::function<void(LogLevel, std::string_view)>;

/// How a Client connects.
struct ClientOptions {
  /// The broker's client port. Several with commas between are ways to the same broker (a stand-by
  /// that takes over its data, say): when an attempt at one fails, the next one is tried.
  std::string endpoint = "tcp://127.0.0.1:7650";
  /// Who this is, for lags, leases, dead letters and scaling; empty = POD_NAME, else HOSTNAME (or
  /// the machine's name), then `/` and POD_UID or the process id. What stands before the first `/`
  /// is the pod that an operator may cordon before it is removed.
  std::string name{};
  /// Keys; see Credentials.
  Credentials credentials{};
  /// How long connect() waits for a broker.
  std::chrono::milliseconds connect_timeout{5'000};
  /// How long a request waits for its answer.
  std::chrono::milliseconds request_timeout{30'000};
  /// Pause before the n-th attempt to reconnect: doubles from here, with jitter ...
  std::chrono::milliseconds backoff_min{100};
  /// ... to here.
  std::chrono::milliseconds backoff_max{5'000};
  /// Nothing = silence.
  LogHook log{};
};

/// A connection to a broker, with one thread of its own that does all the network's work and calls
/// the callbacks of producers. Producers, consumers and admins share it, and keep it alive: the
/// handle may go before they do. It reconnects by itself, with backoff, for as long as it lives.
///
/// Thread-safe. When the last handle that uses it goes, it says goodbye to the broker.
class SLUICE_EXPORT Client {
 public:
  /// Returns when the broker has answered. kUnavailable or kDeadlineExceeded: nobody did.
  static Result<Client> connect(const ClientOptions& options = {});

  ~Client();
  /// Moves the handle.
  Client(Client&&) noexcept;
  /// Lets go of what it had, then moves the handle.
  Client& operator=(Client&&) noexcept;

  /// kNotFound: there is no such queue.
  Result<Producer> producer(ProducerOptions options);
  /// kNotFound: there is no such queue or subscription.
  Result<Consumer> consumer(ConsumerOptions options);
  /// Looks into queues and repairs them.
  Admin admin();
  /// How often the connection was lost and came back.
  std::uint64_t reconnects() const;

  /// The library's.
  class Core;

 private:
  explicit Client(std::shared_ptr<Core> core);

  std::shared_ptr<Core> core_;
};

}  // namespace sluice
