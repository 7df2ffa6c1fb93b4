#pragma once

#include "base/prng.h"
#include "tests/sim/broker/world.h"

// Workloads of single features; workloads.h has the table.
namespace sluice::sim {

void large(World& world, base::Prng& prng);
void transfer(World& world, base::Prng& prng);
void created(World& world, base::Prng& prng);
void guarded(World& world, base::Prng& prng);
void removal(World& world, base::Prng& prng);
void told(World& world, base::Prng& prng);

}  // namespace sluice::sim
