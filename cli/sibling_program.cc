#include "cli/sibling_program.h"

#include <unistd.h>

#include <array>
#include <cerrno>

namespace sluice::cli {

base::Result<std::string> own_program() {
  std::array<char, 4096> path{};
  const ssize_t length = readlink("/proc/self/exe", path.data(), path.size());
  if (length < 0) return base::io_error("reading /proc/self/exe", errno);
  return std::string(path.data(), static_cast<std::size_t>(length));
}

base::Result<std::string> sibling_program(const std::string& name) {
  ASSIGN_OR_RETURN(const std::string own, own_program());
  const std::string path = own.substr(0, own.rfind('/') + 1) + name;
  if (::access(path.c_str(), X_OK) != 0) {
    return base::not_found("no program " + path + ": install " + name + " beside sluice");
  }
  return path;
}

}  // namespace sluice::cli
