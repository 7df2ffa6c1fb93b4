#include <array>
#include <cstdlib>
#include <fstream>
#include <string>
#include <utility>

#include "sluice/client.h"

namespace sluice {
namespace {

constexpr std::size_t kKeyCharacters = 40;

Result<Credentials> checked(Credentials credentials, const std::string& where) {
  for (const std::string* key :
       {&credentials.server_key, &credentials.public_key, &credentials.secret_key}) {
    if (key->size() == kKeyCharacters) continue;
    return Error(ErrorCode::kInvalidArgument,
                 where + ": a key has 40 characters of Z85, and all three are needed");
  }
  return credentials;
}

}  // namespace

Result<Credentials> Credentials::from_folder(const std::string& folder) {
  Credentials credentials;
  const std::array<std::pair<const char*, std::string*>, 3> files = {
      {{"server.pub", &credentials.server_key},
       {"client.pub", &credentials.public_key},
       {"client.key", &credentials.secret_key}}};
  for (const auto& [name, key] : files) {
    const std::string path = folder + "/" + name;
    std::ifstream file(path);
    if (!(file >> *key)) return Error(ErrorCode::kNotFound, path + ": there is no key to be read");
  }
  return checked(std::move(credentials), folder);
}

Result<Credentials> Credentials::from_environment() {
  const auto variable = [](const char* name) {
    const char* value = std::getenv(name);
    return std::string(value == nullptr ? "" : value);
  };
  Credentials credentials{variable("SLUICE_SERVER_KEY"), variable("SLUICE_PUBLIC_KEY"),
                          variable("SLUICE_SECRET_KEY")};
  if (credentials.empty()) return credentials;
  return checked(std::move(credentials), "SLUICE_SERVER_KEY, SLUICE_PUBLIC_KEY, SLUICE_SECRET_KEY");
}

}  // namespace sluice
