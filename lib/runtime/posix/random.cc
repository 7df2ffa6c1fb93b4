#include "runtime/posix/random.h"

#include <sys/random.h>

#include <cerrno>

#include "base/bytes.h"
#include "base/check.h"

namespace sluice::runtime {
namespace {

void fill(base::MutableByteView out) {
  while (!out.empty()) {
    const ssize_t count = ::getrandom(out.data(), out.size(), 0);
    CHECK(count > 0 || errno == EINTR);
    if (count > 0) out = out.subspan(static_cast<std::size_t>(count));
  }
}

}  // namespace

std::uint64_t random_seed() {
  std::uint64_t seed = 0;
  fill(std::as_writable_bytes(std::span(&seed, 1)));
  return seed;
}

base::Id128 random_id128() {
  base::Id128 id;
  fill(std::as_writable_bytes(std::span(id.bytes)));
  return id;
}

}  // namespace sluice::runtime
