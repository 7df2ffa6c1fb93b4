#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "kube/json.h"
#include "operator/api/queue.h"
#include "operator/reconcile/inputs.h"

namespace sluice::reconcile {

// A Queue that an object belongs to.
struct Owner {
  std::string name;
  std::string uid;
};

// Everything that was decided about a broker, for the builders of its objects. Plain values.
struct BrokerShape {
  std::string name_space;
  std::string name;
  std::vector<Owner> owners;  // by age
  std::uint16_t shards = 1;
  std::string image;  // with tag
  std::string image_pull_policy;
  api::Resources resources;
  std::uint64_t storage_bytes = 0;
  std::string storage_class;  // empty = the cluster's default
  // Of a StatefulSet that exists: its template cannot be changed. Null = a new one is made.
  kube::Json claim_templates;
  // Who may connect; empty = all pods of the namespace.
  std::vector<api::AccessPeer> access;
  // What the Queues write to have another key for the broker.
  std::vector<std::string> rotation_tokens;
  // By queue: the text that the broker reads.
  std::map<std::string, std::string> manifests;
};

}  // namespace sluice::reconcile
