#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "base/time.h"
#include "kube/json.h"
#include "operator/reconcile/inputs.h"
#include "operator/reconcile/member.h"

namespace sluice::reconcile {

struct MessageNumbers {
  std::uint64_t ready = 0;
  std::uint64_t in_flight = 0;
  std::uint64_t delayed = 0;
  std::uint64_t dead = 0;
  std::optional<base::Millis> oldest_age;

  bool none() const { return ready + in_flight + delayed + dead == 0; }
};

// What a queue holds, over all shards.
struct QueueNumbers {
  MessageNumbers all;
  std::uint64_t messages = 0;
  std::uint64_t retained = 0;
  std::uint64_t bytes = 0;
  std::uint64_t damaged = 0;
  std::map<std::string, MessageNumbers> subscriptions;

  bool is_empty() const { return all.none() && messages + retained + damaged == 0; }
};

// nullopt unless every shard is connected and knows the queue: unknown is not zero.
std::optional<QueueNumbers> add_up(const std::vector<ShardState>& shards, std::size_t shard_count,
                                   const std::string& queue);

// The fields of the status that hold numbers: messages, subscriptions, consumers, rates. Where the
// numbers are not known, those of `live` (the status that is there) stay.
kube::Json numbers_json(const Inputs& inputs, const Member& member,
                        const std::optional<QueueNumbers>& numbers, const kube::Json& live);

// Whether the change is one that people want to see: another zero, at least a tenth more or less,
// another word.
bool is_material(const kube::Json& wanted, const kube::Json& live);

// An age as a status shows it: coarser the older, so that it does not change all the time.
std::string rounded_age(base::Millis age);
// "18Mi": less than 10,240 of its unit.
std::string rounded_bytes(std::uint64_t bytes);

}  // namespace sluice::reconcile
