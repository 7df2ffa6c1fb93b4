#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "kube/json.h"
#include "operator/reconcile/inputs.h"
#include "operator/reconcile/member.h"

namespace sluice::reconcile {

// A queue in the log of a broker whose Queue was deleted under the policy Retain.
struct RetainedQueue {
  std::string uid;  // of that Queue
  kube::Json spec;  // its settings; null where they were too long to note
};

// What is on the volumes of a broker.
struct RetainedData {
  std::map<std::string, RetainedQueue> queues;  // by name
  std::size_t volumes = 0;                      // claims that exist and stay
  bool some_unreadable = false;                 // more is noted on a claim than can be read
  bool some_going = false;                      // a claim is being removed
  std::string first_volume_uid;                 // of the lowest shard that has one
};

RetainedData read_retained(const Inputs& inputs);

// The claims of the broker's shards. Others may carry its label as well: copies, backups, whatever
// somebody labelled by hand; none of them is ours to count, to change or to remove.
std::vector<const kube::Json*> claims_of(const LiveObjects& live, const std::string& broker);

// The uid by which a Queue of this name would take the data over; "" = there is nothing.
std::string retained_uid(const RetainedData& data, const std::string& queue);

// Whether the data on the volumes belongs to the Queues that are there: one of them is an owner of
// an object of the broker.
bool is_broker_of(const Inputs& inputs, const std::vector<Member>& members);

// The annotations of volumes and Secrets for these; values null where nothing is retained, as a
// merge patch has it.
kube::Json retained_annotations(const std::map<std::string, RetainedQueue>& queues);

// Settings as they can be noted: null where they are too long.
kube::Json bounded_spec(kube::Json spec);

// What a Queue leaves behind.
RetainedQueue retain(const Member& member);

}  // namespace sluice::reconcile
