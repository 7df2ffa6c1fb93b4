#pragma once

#include <cstddef>
#include <map>
#include <set>
#include <string>

#include "tests/support/fake_api_server.h"

namespace sluice::test {

// What a cluster's own controllers do about our objects, one round at a time: StatefulSets get
// claims and pods, pods become ready, claims are bound and grow, protected claims go when no pod
// uses them, orphans are let go, and what no owner is left of is collected.
class FakeControllers {
 public:
  explicit FakeControllers(FakeApiServer& api) : api_(api) {}

  // One round; true if anything changed.
  bool step();

  bool pods_are_ready = true;
  std::set<std::string> broken_pods;  // by name: these are not, whatever the others are

 private:
  void run_stateful_set(const kube::Json& set);
  void finish_removals();
  void collect_garbage();
  bool uses_claim(const kube::Json& claim) const;

  FakeApiServer& api_;
  std::map<std::string, std::size_t> networks_;  // of pods, by StatefulSet
};

}  // namespace sluice::test
