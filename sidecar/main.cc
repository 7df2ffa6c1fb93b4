#include <malloc.h>

#include "runtime/posix/frame_memory.h"
#include "sidecar/broker_app.h"
#include "sidecar/command_line.h"

int main(int argc, char** argv) {
  // Two heaps are enough for these threads; one a core would cost memory for nothing.
  mallopt(M_ARENA_MAX, 2);
  sluice::runtime::keep_memory_of_frames();
  sluice::sidecar::CommandLine line =
      sluice::sidecar::parse_command_line(argc, argv, SLUICE_VERSION);
  if (!line.broker) return line.exit_code;
  line.broker->revision = SLUICE_REVISION;
  return sluice::sidecar::run_broker(*line.broker);
}
