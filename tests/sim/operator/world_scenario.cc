#include <algorithm>
#include <string>
#include <vector>

#include "base/check.h"
#include "tests/sim/operator/world.h"

// What the steps of a scenario do.
namespace sluice::sim {
namespace {

base::Millis seconds(const std::string& text) {
  return base::Millis(static_cast<std::int64_t>(std::stod(text) * 1'000));
}

}  // namespace

const QueueSlot& World::slot_named(const std::string& name) const {
  const auto found = std::find_if(slots_.begin(), slots_.end(),
                                  [&](const QueueSlot& slot) { return slot.name == name; });
  CHECK(found != slots_.end());
  return *found;
}

// kill, stop, pause, cut, behind, clock: the second word is the number of an operator.
void World::play_operator(const std::vector<std::string>& words) {
  const std::size_t number = std::stoul(words[1]) - 1;
  CHECK(number < operators_.size());
  Operator& one = operators_[number];
  if (words[0] == "clock") one.clock_offset = seconds(words[2]);
  if (one.process == nullptr) return;
  OperatorProcess& process = *one.process;
  const ProcessId id = process.id();
  if (words[0] == "clock") {
    process.clock.offset = one.clock_offset;
  } else if (words[0] == "kill") {
    crash(id);
    one.start_at = loop_.now() + base::Nanos(seconds(words[2]));
  } else if (words[0] == "stop") {
    process.request_stop();
  } else if (words[0] == "pause") {
    loop_.pause(id, seconds(words[2]));
  } else if (words[0] == "cut") {
    network_.cut_until[id] = loop_.now() + base::Nanos(seconds(words[2]));
  } else if (words[0] == "behind") {
    network_.behind[id] = {store_.version(), loop_.now() + base::Nanos(seconds(words[2]))};
  }
}

void World::play(const ScenarioStep& step) {
  const std::vector<std::string>& words = step.words;
  const std::string& verb = words[0];
  std::string line;
  for (const std::string& word : words) line += " " + word;
  loop_.note("scenario:" + line);
  if (verb == "lease") {
    checks_.lease_meddled();
    return store_.erase(kube::kLeases, process_options_.name_space, "sluice-operator");
  }
  for (const char* of_operator : {"kill", "stop", "pause", "cut", "behind", "clock"}) {
    if (verb == of_operator) return play_operator(words);
  }
  if (verb == "restart") return store_.erase(kube::kPods, "shop", words[1]);
  if (verb == "silence") {
    const kube::Json* pod = store_.find(kube::kPods, "shop", words[1]);
    if (pod != nullptr) field_.silence(kube::uid_of(*pod), seconds(words[2]));
    return;
  }
  if (verb == "close") {
    return store_.change(kube::kNetworkPolicies, "shop", words[1],
                         [](kube::Json& one) { one["spec"]["ingress"] = kube::Json::array(); });
  }
  const QueueSlot& slot = slot_named(words[1]);
  if (verb == "create") return users_.create(slot, words[2]);
  if (verb == "delete") return users_.remove(slot);
  if (verb == "publish") return users_.publish(slot, std::stoul(words[2]), std::stoul(words[3]));
  if (store_.find(kube::kQueues, slot.name_space, slot.name) == nullptr) return;
  if (verb == "gone") return checks_.fail("Queue " + slot.name + " is still there");
  store_.change(kube::kQueues, slot.name_space, slot.name, [&](kube::Json& one) {
    if (verb == "finalizer") {
      one["metadata"].erase("finalizers");
      return;
    }
    kube::Json& attempts = one["spec"]["delivery"]["maxAttempts"];
    attempts = attempts.get<int>() + 1;
  });
}

}  // namespace sluice::sim
