#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "base/prng.h"
#include "tests/sim/operator/broker_field.h"
#include "tests/sim/operator/checks.h"
#include "tests/sim/operator/consumers_sim.h"

namespace sluice::sim {

// How often users do what; relative to each other.
struct Workload {
  std::string name;
  std::string about;
  unsigned create = 3;
  unsigned edit = 2;
  unsigned spoil = 1;  // a spec that is wrong
  unsigned remove = 1;
  unsigned publish = 6;
  unsigned pause = 1;
  unsigned adopt = 3;
  bool shared = true;     // several Queues a broker
  bool consumers = true;  // that are scaled
  double pace = 0.25;     // of those a second
  double discards = 0.3;  // deletionPolicy Delete; of the other two each as often
  unsigned rotate = 1;    // the broker's key
  unsigned grow = 1;      // the broker's volumes
};
const std::vector<Workload>& workloads();

// The people of a world: they make, change and delete Queues, publish, and (where the faults say
// so) lay hands on what is the operator's.
class UsersSim {
 public:
  UsersSim(Loop& loop, test::FakeApiServer& store, BrokerField& field, Checks& checks,
           const std::vector<QueueSlot>& slots, const Workload& workload, base::Prng prng)
      : loop_(loop),
        store_(store),
        field_(field),
        checks_(checks),
        slots_(slots),
        workload_(workload),
        prng_(prng) {}

  static std::vector<QueueSlot> draw_slots(const Workload& workload, base::Prng& prng);

  void create(const QueueSlot& slot, const std::string& policy);
  void remove(const QueueSlot& slot);
  void publish(const QueueSlot& slot, std::size_t shard, std::uint64_t count);
  // Another key for the broker.
  void rotate(const QueueSlot& slot);
  // Larger volumes: all Queues of the broker ask for them, one after the other.
  void grow(const QueueSlot& slot);
  // An HorizontalPodAutoscaler for what consumes the queue; without it, if there is one.
  void rival(const QueueSlot& slot);
  // What these autoscalers do.
  void rivals_scale();
  // Of the broker's volumes, as its Queues ask for it.
  std::uint64_t gigabytes(const std::string& broker) const;
  // The last token by which the Queue asks for another key; "" = it does not.
  std::string token(const QueueSlot& slot) const;
  const QueueSlot& any_slot() { return slots_[prng_.below(slots_.size())]; }
  // One thing that somebody does.
  void act();
  // One thing that nobody should do.
  void meddle();
  // Puts right what only people can. True if there was something.
  bool mend();

 private:
  const kube::Json* queue_of(const QueueSlot& slot) const;
  void edit(const QueueSlot& slot);
  void spoil(const QueueSlot& slot);
  std::string any_policy();
  bool delete_rests(const QueueSlot& slot);
  bool adopt(const QueueSlot& slot);
  void annotate(const QueueSlot& slot, std::string_view name, const kube::Json& value);
  void meddle_with_pods(const QueueSlot& slot);
  void meddle_with_objects(const QueueSlot& slot);
  void make_foreign(const QueueSlot& slot);

  Loop& loop_;
  test::FakeApiServer& store_;
  BrokerField& field_;
  Checks& checks_;
  const std::vector<QueueSlot>& slots_;
  const Workload& workload_;
  base::Prng prng_;
  std::map<std::string, std::uint64_t> gigabytes_;  // by broker, if not the first size
  std::uint64_t tokens_ = 0;
};

}  // namespace sluice::sim
