#include <malloc.h>

#include "operator/app/command_line.h"
#include "operator/app/operator_app.h"

int main(int argc, char** argv) {
  // Two heaps are enough for these threads; one a core would cost memory for nothing.
  mallopt(M_ARENA_MAX, 2);
  sluice::op::CommandLine line = sluice::op::parse_command_line(argc, argv, SLUICE_VERSION);
  if (!line.options) return line.exit_code;
  line.options->revision = SLUICE_REVISION;
  return sluice::op::run_operator(*line.options);
}
