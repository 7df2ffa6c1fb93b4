#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/bytes.h"
#include "base/ids.h"
#include "base/result.h"
#include "broker/command.h"
#include "storage/fact.h"

namespace sluice::broker {

class Queue;

// What a task was asked to do; TaskFact.selector holds it, so that it goes on after a restart as it
// began.
struct TaskPlan {
  Selector selector;
  bool dead_letters = false;
  bool all_subscriptions = false;
  std::uint32_t rate_per_second_max = 0;
  base::QueueId target;  // of a copy or move
  TaskNote note;         // kept from feature level 2 on
  // One a shard: messages from here on came after the command and are left alone.
  std::vector<base::Sequence> ends;
};

// A task on its way.
struct Task {
  base::TaskId id;
  storage::TaskKind kind = storage::TaskKind::kRedrive;
  storage::SubscriptionKey key;  // what it looks at now
  base::Sequence position;       // the next sequence there
  std::uint64_t matched = 0;
  std::uint64_t done = 0;
  base::Lsn started;  // its first record; what died after that is left alone
  TaskPlan plan;
};

// What the log may say of a task. The subscription may be gone.
bool is_possible(storage::TaskKind kind, const storage::SubscriptionKey& key, const TaskPlan& plan,
                 const Queue& queue);

// What only logs of feature level 2 can hold of it, apart from the note.
bool needs_level_2(storage::TaskKind kind, const Selector& selector);

// `with_note` only where the log is of feature level 2.
std::vector<std::byte> encode_plan(const TaskPlan& plan, bool with_note);
base::Result<TaskPlan> decode_plan(base::ByteView data);

}  // namespace sluice::broker
