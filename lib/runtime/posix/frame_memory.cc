#include "runtime/posix/frame_memory.h"

#include <malloc.h>

namespace sluice::runtime {

void keep_memory_of_frames() {
  mallopt(M_MMAP_THRESHOLD, 4 * 1024 * 1024);
  mallopt(M_TRIM_THRESHOLD, 32 * 1024 * 1024);
}

}  // namespace sluice::runtime
