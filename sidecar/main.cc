#include <malloc.h>

#include "sidecar/broker_app.h"
#include "sidecar/command_line.h"

int main(int argc, char** argv) {
  // Two heaps are enough for these threads; one a core would cost memory for nothing.
  mallopt(M_ARENA_MAX, 2);
  // Frames come and go by the thousand: their memory is not given back and asked for each time.
  mallopt(M_MMAP_THRESHOLD, 4 * 1024 * 1024);
  mallopt(M_TRIM_THRESHOLD, 32 * 1024 * 1024);
  const sluice::sidecar::CommandLine line =
      sluice::sidecar::parse_command_line(argc, argv, SLUICE_VERSION);
  if (!line.broker) return line.exit_code;
  return sluice::sidecar::run_broker(*line.broker);
}
