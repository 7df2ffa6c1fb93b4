#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "tests/sim/operator/api_sim.h"
#include "tests/sim/operator/consumers_sim.h"
#include "tests/sim/operator/operator_process.h"
#include "tests/sim/operator/patience.h"
#include "tests/sim/operator/sim_transport.h"
#include "tests/support/fake_brokers.h"

namespace sluice::sim {

std::string path_of(const std::string& name_space, const std::string& name);

// What must never happen, whatever goes wrong around the operator. The first that does is kept.
class Checks {
 public:
  Checks(Loop& loop, test::FakeApiServer& store, test::FakeBrokers& brokers,
         const std::vector<QueueSlot>& slots, const ConsumersSim& consumers);

  const std::optional<std::string>& failure() const { return failure_; }
  void fail(const std::string& what);

  // --- What happens.
  // A write leaves an operator.
  void sent(const Sender& sender, const ApiCall& call, const OperatorProcess* process);
  // It is about to be carried out, and was.
  void carry_out(const Sender& sender, const ApiCall& call, const OperatorProcess* process);
  void carried_out() { writer_ = {}; }
  void changed(const kube::ObjectRef& ref, const kube::Json& before, const kube::Json& after);
  void configured(const BrokerPlace& place, const std::string& manifest);
  void queue_lost(const std::string& name_space, const std::string& claim,
                  const link::QueueObservation& queue);
  // Each second.
  void listen(const OperatorProcess& process) { patience_.listen(process); }
  // Before brokers start in new pods.
  void brokers_start();
  // Somebody other than the operator touched these.
  void lease_meddled() { lease_meddled_at_ = loop_.now(); }
  void target_meddled(const std::string& target) { target_meddled_at_[target] = loop_.now(); }
  void keys_meddled(const std::string& secret) { keys_meddled_.insert(secret); }
  void rotation_asked(const QueueSlot& slot) {
    ++rotations_asked_[slot.name_space + "/" + slot.broker];
  }
  // Somebody sends messages to it.
  void published(const kube::Json& queue);
  // Everything in the namespace may go.
  void namespace_ends() { namespace_ended_ = true; }
  void foreign(const kube::ObjectRef& ref) { foreign_.insert(ref.to_string()); }
  bool is_foreign(const kube::ObjectRef& ref) const { return foreign_.contains(ref.to_string()); }

  // Writes of operators, without the election's.
  std::uint64_t writes() const { return writes_; }
  // Without what statuses say of consumers, too: when those were scaled last is not remembered;
  // and without Events about those, which tell once more what keeps them from being scaled.
  std::uint64_t lasting_writes() const { return lasting_writes_; }
  const std::string& last_write() const { return last_write_; }

 private:
  // Whose call is being carried out; nobody's = the world's own.
  struct Writer {
    std::string identity;
    const OperatorProcess* process = nullptr;  // none = it is gone
    base::MonoTime sent_at;
  };

  bool may_come_late(const ApiCall& call) const;
  void check_lease(const Sender& sender, const ApiCall& call);
  std::optional<std::size_t> smaller_to(const ApiCall& call) const;
  void check_scale(const ApiCall& call, const OperatorProcess* process);
  void check_heard(const ApiCall& call, const OperatorProcess& process);
  void check_scale_in(const ApiCall& call, const OperatorProcess* process);
  void check_victims(const ApiCall& call, std::size_t wanted);
  void check_preconditions(const Sender& sender, const ApiCall& call);
  bool has_others(const QueueSlot& slot) const;
  bool may_give_up(const QueueSlot& slot, const kube::Json& queue) const;
  void check_note(const kube::Json& before, const kube::Json& after);
  void check_release(const kube::Json& before);
  void check_keys(const kube::ObjectRef& ref, const kube::Json& before, const kube::Json& after);
  void check_told_keys(const kube::ObjectRef& ref);
  void check_shards(const kube::Json& set);
  void check_set_removal(const ApiCall& call);
  void check_rival(const ApiCall& call);
  void note_settings(const kube::Json& queue);
  void note_deletion(const kube::Json& before, const kube::Json& after);

  Loop& loop_;
  test::FakeApiServer& store_;
  test::FakeBrokers& brokers_;
  const std::vector<QueueSlot>& slots_;
  const ConsumersSim& consumers_;
  Patience patience_;
  std::optional<std::string> failure_;
  Writer writer_;
  std::uint64_t writes_ = 0;
  std::uint64_t lasting_writes_ = 0;
  std::string last_write_;
  std::string holder_;
  base::MonoTime holder_since_;  // its last renewal
  base::MonoTime lease_meddled_at_;
  std::map<std::string, base::MonoTime> target_meddled_at_;
  std::set<std::string> keys_meddled_;
  std::map<std::string, std::uint64_t> rotations_asked_;  // by "NAMESPACE/BROKER"
  std::map<std::string, std::uint64_t> keys_replaced_;
  std::map<std::string, base::MonoTime> rival_since_;  // by target
  std::map<std::string, base::MonoTime> pods_made_;
  bool namespace_ended_ = false;
  std::set<std::string> foreign_;
  // When settings were last wanted, by "NAMESPACE/QUEUE" and revision, as a count of changes.
  std::map<std::string, std::map<std::uint64_t, std::uint64_t>> wanted_;
  std::uint64_t changes_of_settings_ = 0;
  std::map<std::string, std::uint64_t> newest_configured_;  // by pod and queue
  // "NAMESPACE/QUEUE": may be removed with its messages, for that is what its policy said.
  std::set<std::string> condemned_;
  // Got messages while it was ready, and nobody has asked for their removal since.
  std::set<std::string> filled_;
  std::set<std::string> removed_;  // let go by an operator after their removal
  // What was condemned when a claim was told to go, by "NAMESPACE/CLAIM".
  std::map<std::string, std::set<std::string>> claims_condemned_;
};

}  // namespace sluice::sim
