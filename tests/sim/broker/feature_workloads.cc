#include "tests/sim/broker/feature_workloads.h"

#include "tests/sim/broker/clients.h"
#include "tests/sim/broker/drawing.h"
#include "tests/sim/broker/intruder.h"

namespace sluice::sim {

// Most are above what one frame holds.
void large(World& world, base::Prng& prng) {
  const broker::QueueConfig queue = plain_queue(prng, "large");
  add(world, queue);
  for (std::uint64_t i = 0; i < 2; ++i) {
    ProducerPlan plan = drawn_producer(prng, queue.name);
    plan.messages = 3 + prng.below(20);
    plan.batch_max = 1 + prng.below(3);
    plan.body_bytes_max = 900'000;
    world.add_client(numbered("producer", i), producer(world, plan));
  }
  ProducerPlan small = drawn_producer(prng, queue.name);
  small.messages /= 4;
  world.add_client("small", producer(world, small));
  add_consumers(world, prng, queue.name, 2);
  set_drain(world);
  world.set_check(check_taken);
}

void transfer(World& world, base::Prng& prng) {
  const broker::QueueConfig from = plain_queue(prng, "from");
  const broker::QueueConfig to = plain_queue(prng, "to");
  add(world, from);
  add(world, to);
  add_producers(world, prng, from.name, 1 + prng.below(2));
  if (prng.chance(0.5)) add_producers(world, prng, to.name, 1);
  ConsumerPlan failing = drawn_consumer(prng, from.name);
  failing.fail = 0.3 * prng.unit();
  failing.reject = 0.3 * prng.unit();
  world.add_client("consumer-from", consumer(world, failing));
  add_consumers(world, prng, to.name, 1);
  AdminPlan transfers;
  transfers.queue = from.name;
  transfers.transfer_to = to.name;
  transfers.redrives = prng.chance(0.3);
  world.add_client("admin", admin(world, transfers));
  set_drain(world);
  world.set_check(check_taken);
}

// The control port says what the queues are, and the broker has to know it through whatever comes.
void told(World& world, base::Prng& prng) {
  for (std::uint64_t i = 0; i < 1 + prng.below(3); ++i) {
    const broker::QueueConfig queue = plain_queue(prng, numbered("told", i));
    add(world, queue);
    add_producers(world, prng, queue.name, 1);
    add_consumers(world, prng, queue.name, 1);
  }
  set_drain(world);
  world.set_check(check_taken);
}

// Queues that go with all that they have, or because they have nothing, and come again.
void removal(World& world, base::Prng& prng) {
  for (std::uint64_t i = 0; i < 2; ++i) {
    broker::QueueConfig queue = plain_queue(prng, numbered("removal", i));
    if (prng.chance(0.3)) queue.fsync = broker::FsyncPolicy::kNever;
    add(world, queue);
    ProducerPlan plan = drawn_producer(prng, queue.name);
    plan.pause_ms_max = 1'000 + prng.below(10'000);
    world.add_client(numbered("producer", i), producer(world, plan));
    add_consumers(world, prng, queue.name, 1 + prng.below(2));
    if (i == 0 || prng.chance(0.5)) world.set_removals(queue.name);
  }
  set_drain(world);
}

// Everybody has a key of his own, and some try what theirs does not open.
void guarded(World& world, base::Prng& prng) {
  const broker::QueueConfig queue = plain_queue(prng, "guarded");
  add(world, queue);
  add_producers(world, prng, queue.name, 1 + prng.below(2));
  add_consumers(world, prng, queue.name, 1 + prng.below(2));
  world.add_client("nosy", intruder(world, queue.name));
  world.add_client("elsewhere", intruder(world, queue.name));
  AdminPlan redrives;
  redrives.queue = queue.name;
  if (prng.chance(0.5)) world.add_client("admin", admin(world, redrives));
  set_drain(world);
  world.set_check(check_taken);
}

void created(World& world, base::Prng& prng) {
  broker::QueueConfig queue = plain_queue(prng, "created");
  queue.created.allowed = true;
  queue.created.defaults = queue.subscriptions.front();
  queue.created.defaults.name.clear();
  QueueRules rules = rules_of(queue);
  rules.creates = true;
  world.add_queue(queue, rules);
  add_producers(world, prng, queue.name, 1 + prng.below(2));
  add_consumers(world, prng, queue.name, 1);
  for (std::uint64_t i = 0; i < 1 + prng.below(3); ++i) {
    ConsumerPlan plan = drawn_consumer(prng, queue.name);
    plan.subscription = numbered("made-", i);
    plan.pause_ms_first = prng.below(10'000);
    world.add_client("consumer-" + plan.subscription, consumer(world, plan));
    world.add_drained(queue.name, plan.subscription);
  }
  set_drain(world);
  world.set_check(check_taken);
}

}  // namespace sluice::sim
