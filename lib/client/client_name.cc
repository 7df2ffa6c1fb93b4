#include "client/client_name.h"

#include <unistd.h>

#include <cstdlib>

#include "runtime/posix/machine_name.h"

namespace sluice::client {
namespace {

// With the rest below what HELLO takes.
constexpr std::size_t kHostBytesMax = 200;
constexpr std::size_t kRestBytesMax = 40;

}  // namespace

std::string client_name_of(const std::function<std::string(const char*)>& variable,
                           std::string_view machine, std::string_view process) {
  std::string host = variable("POD_NAME");
  std::string rest(process);
  if (!host.empty()) {
    const std::string uid = variable("POD_UID");
    if (!uid.empty()) rest = uid;
  } else {
    host = variable("HOSTNAME");
    if (host.empty()) host = machine;
    if (host.empty()) host = "unknown";
  }
  return host.substr(0, kHostBytesMax) + "/" + rest.substr(0, kRestBytesMax);
}

std::string default_client_name() {
  const auto variable = [](const char* name) {
    const char* value = std::getenv(name);
    return std::string(value == nullptr ? "" : value);
  };
  return client_name_of(variable, runtime::machine_name(), std::to_string(getpid()));
}

}  // namespace sluice::client
