#include "access/key_files.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <string_view>
#include <utility>

#include "access/key_text.h"

namespace sluice::access {
namespace {

constexpr std::string_view kSpace = " \t\r\n";

class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int get() const { return fd_; }

 private:
  int fd_;
};

base::Result<std::optional<std::string>> read_file(const std::string& path, bool secret) {
  const Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (file.get() < 0) {
    if (errno == ENOENT) return std::optional<std::string>();
    return base::io_error("reading " + path, errno);
  }
  struct stat status {};
  if (::fstat(file.get(), &status) != 0) return base::io_error("reading " + path, errno);
  if (!S_ISREG(status.st_mode)) return base::invalid_argument(path + ": is no file");
  if (secret && (status.st_mode & (S_IRWXO | S_IWGRP)) != 0) {
    return base::invalid_argument(path + ": a secret key that others may read: chmod 0600 " + path);
  }
  std::string text;
  char buffer[16 * 1024];
  while (text.size() <= KeyRing::kTextBytesMax) {
    const ssize_t got = ::read(file.get(), buffer, sizeof buffer);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return base::io_error("reading " + path, errno);
    if (got == 0) return std::optional(std::move(text));
    text.append(buffer, static_cast<std::size_t>(got));
  }
  return base::invalid_argument(path + ": at most 4 MiB");
}

base::Result<std::string> need_key(const std::string& path, bool secret) {
  ASSIGN_OR_RETURN(std::optional<std::string> key, read_key_file(path, secret));
  if (!key) return base::not_found(path + ": no such file");
  if (!is_key_text(*key)) {
    return base::invalid_argument(path + ": a key of 40 characters (Z85) expected");
  }
  return *std::move(key);
}

base::Result<std::string> need_endpoint(const std::string& path) {
  ASSIGN_OR_RETURN(std::optional<std::string> endpoint, read_key_file(path, false));
  if (!endpoint) return base::not_found(path + ": no such file");
  if (!is_endpoint_text(*endpoint)) {
    return base::invalid_argument(path + ": tcp://HOST:PORT expected");
  }
  return *std::move(endpoint);
}

// Empty = there is no such file.
base::Result<std::string> endpoint_if_any(const std::string& path) {
  ASSIGN_OR_RETURN(const std::optional<std::string> there, read_key_file(path, false));
  if (!there) return std::string();
  return need_endpoint(path);
}

base::Result<std::optional<NextKey>> read_next_key(const std::string& folder) {
  ASSIGN_OR_RETURN(const std::optional<std::string> there,
                   read_key_file(folder + "/next.key", true));
  if (!there) return std::optional<NextKey>();
  NextKey next;
  ASSIGN_OR_RETURN(next.secret, need_key(folder + "/next.key", true));
  ASSIGN_OR_RETURN(next.listen, need_endpoint(folder + "/next.listen"));
  ASSIGN_OR_RETURN(next.control, endpoint_if_any(folder + "/next.control"));
  return std::optional(std::move(next));
}

}  // namespace

bool is_endpoint_text(std::string_view text) { return text.starts_with("tcp://"); }

base::Result<std::optional<std::string>> read_key_file(const std::string& path, bool secret) {
  ASSIGN_OR_RETURN(std::optional<std::string> text, read_file(path, secret));
  if (!text) return text;
  const std::size_t begin = text->find_first_not_of(kSpace);
  if (begin == std::string::npos) return std::optional<std::string>("");
  return std::optional(text->substr(begin, text->find_last_not_of(kSpace) - begin + 1));
}

base::Result<ClientKeys> read_client_keys(const std::string& folder) {
  ClientKeys keys;
  ASSIGN_OR_RETURN(const std::optional<std::string> endpoint,
                   read_key_file(folder + "/endpoint", false));
  keys.endpoint = endpoint.value_or("");
  ASSIGN_OR_RETURN(keys.credentials.broker_key, need_key(folder + "/broker.pub", false));
  ASSIGN_OR_RETURN(keys.credentials.secret_key, need_key(folder + "/client.key", true));
  return keys;
}

base::Result<BrokerKeys> read_broker_keys(const std::string& folder) {
  BrokerKeys keys;
  ASSIGN_OR_RETURN(keys.secret, need_key(folder + "/server.key", true));
  const std::string path = folder + "/authorized_keys";
  ASSIGN_OR_RETURN(const std::optional<std::string> text, read_file(path, false));
  if (!text) return base::not_found(path + ": no such file");
  auto ring = KeyRing::parse(*text);
  if (!ring.has_value()) return ring.error().with_prefix(path);
  keys.ring = *std::move(ring);
  ASSIGN_OR_RETURN(keys.listen, endpoint_if_any(folder + "/listen"));
  ASSIGN_OR_RETURN(keys.control, endpoint_if_any(folder + "/control"));
  ASSIGN_OR_RETURN(keys.next, read_next_key(folder));
  return keys;
}

base::Status write_new_file(const std::string& path, std::string_view text, unsigned mode) {
  const Descriptor file(::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode));
  if (file.get() < 0) return base::io_error("writing " + path, errno);
  while (!text.empty()) {
    const ssize_t put = ::write(file.get(), text.data(), text.size());
    if (put < 0 && errno == EINTR) continue;
    if (put < 0) return base::io_error("writing " + path, errno);
    text.remove_prefix(static_cast<std::size_t>(put));
  }
  return {};
}

}  // namespace sluice::access
