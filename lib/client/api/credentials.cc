#include <cstdlib>
#include <string>
#include <utility>

#include "access/key_files.h"
#include "client/api/convert.h"
#include "sluice/client.h"

namespace sluice {
namespace {

constexpr std::size_t kKeyCharacters = 40;

std::string variable(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

}  // namespace

Result<Credentials> Credentials::from_folder(const std::string& folder) {
  auto keys = access::read_client_keys(folder);
  if (!keys.has_value()) return api::to_public(keys.error());
  return Credentials{std::move(keys->credentials.broker_key),
                     std::move(keys->credentials.secret_key), folder};
}

Result<Credentials> Credentials::from_environment() {
  if (const std::string folder = variable("SLUICE_KEYS_DIR"); !folder.empty()) {
    return from_folder(folder);
  }
  Credentials credentials{variable("SLUICE_BROKER_KEY"), variable("SLUICE_CLIENT_KEY"), ""};
  if (credentials.empty()) return credentials;
  if (credentials.broker_key.empty() || credentials.secret_key.empty()) {
    return Error(ErrorCode::kInvalidArgument,
                 credentials.broker_key.empty()
                     ? "SLUICE_CLIENT_KEY is set and SLUICE_BROKER_KEY is not: both are needed"
                     : "SLUICE_BROKER_KEY is set and SLUICE_CLIENT_KEY is not: both are needed");
  }
  if (credentials.broker_key.size() != kKeyCharacters ||
      credentials.secret_key.size() != kKeyCharacters) {
    return Error(ErrorCode::kInvalidArgument,
                 "SLUICE_BROKER_KEY and SLUICE_CLIENT_KEY: a key has 40 characters of Z85");
  }
  return credentials;
}

}  // namespace sluice
