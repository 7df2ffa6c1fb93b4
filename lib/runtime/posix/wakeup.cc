#include "runtime/posix/wakeup.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include <cerrno>

#include "base/check.h"

namespace sluice::runtime {

base::Result<std::unique_ptr<Wakeup>> Wakeup::create() {
  FileDescriptor fd(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!fd.valid()) return base::io_error("eventfd", errno);
  return std::unique_ptr<Wakeup>(new Wakeup(std::move(fd)));
}

void Wakeup::notify() {
  const int errno_of_interrupted_code = errno;
  int result = 0;
  do {
    result = ::eventfd_write(fd_.get(), 1);
  } while (result != 0 && errno == EINTR);
  // The counter cannot be full in practice, and full it is readable as well.
  CHECK(result == 0 || errno == EAGAIN);
  errno = errno_of_interrupted_code;
}

void Wakeup::clear() {
  eventfd_t count = 0;
  int result = 0;
  do {
    result = ::eventfd_read(fd_.get(), &count);
  } while (result != 0 && errno == EINTR);
  CHECK(result == 0 || errno == EAGAIN);
}

}  // namespace sluice::runtime
