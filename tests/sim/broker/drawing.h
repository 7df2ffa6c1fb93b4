#pragma once

#include <cstdint>
#include <string>

#include "base/prng.h"
#include "broker/config.h"
#include "tests/sim/broker/clients.h"
#include "tests/sim/broker/world.h"

// What workloads draw, and what most of them have.
namespace sluice::sim {

broker::QueueConfig plain_queue(base::Prng& prng, std::string name);
// What it promises.
QueueRules rules_of(const broker::QueueConfig& queue);
void add(World& world, const broker::QueueConfig& queue);

ConsumerPlan drawn_consumer(base::Prng& prng, const std::string& queue);
ProducerPlan drawn_producer(base::Prng& prng, const std::string& queue);
std::string numbered(const std::string& name, std::uint64_t number);
void add_producers(World& world, base::Prng& prng, const std::string& queue, std::uint64_t count);
void add_consumers(World& world, base::Prng& prng, const std::string& queue, std::uint64_t count);

// Everything is taken in the liveness phase.
void set_drain(World& world);
// What a client was told is stored, somebody must have had in hand.
void check_taken(World& world);

}  // namespace sluice::sim
