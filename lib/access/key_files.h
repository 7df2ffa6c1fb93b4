#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "access/key_ring.h"
#include "base/result.h"

// Folders of keys; docs/access.md describes the files. These functions read the disk.
namespace sluice::access {

// What a client needs to be let in.
struct Credentials {
  std::string broker_key;  // the broker's public key
  std::string secret_key;  // the client's
};

struct ClientKeys {
  std::string endpoint;  // empty = the folder does not say
  Credentials credentials;
};
// `endpoint`, `broker.pub` and `client.key`.
base::Result<ClientKeys> read_client_keys(const std::string& folder);

// The key that a broker is changing to, and where clients come with it: a socket speaks with one
// key only.
struct NextKey {
  std::string secret;   // next.key
  std::string listen;   // next.listen
  std::string control;  // next.control; empty = the control port keeps its key
  friend bool operator==(const NextKey&, const NextKey&) = default;
};

struct BrokerKeys {
  std::string secret;  // server.key
  KeyRing ring;        // authorized_keys
  // Where it is served, instead of what the flags say: a key and its port change together. Empty =
  // as the flags say.
  std::string listen;
  std::string control;
  std::optional<NextKey> next;
};
// InvalidArgument where a file is not as it should be or a secret is open to everybody, NotFound
// where one is missing.
base::Result<BrokerKeys> read_broker_keys(const std::string& folder);

// Whether a file may name it as a place to come to: "tcp://HOST:PORT". Not whether anybody is
// there.
bool is_endpoint_text(std::string_view text);

// The content of a key file without the white space around it; nullopt = there is no such file.
base::Result<std::optional<std::string>> read_key_file(const std::string& path, bool secret);
// Writes a new file; one that exists is left alone (AlreadyExists). `mode` as for open().
base::Status write_new_file(const std::string& path, std::string_view text, unsigned mode);

}  // namespace sluice::access
