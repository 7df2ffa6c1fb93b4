#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/check.h"
#include "broker/broker.h"
#include "frontend/commands.h"
#include "frontend/effect_gate.h"
#include "storage/memory_side_index.h"
#include "tests/unit/broker/fake_log.h"

namespace sluice::fuzz {

// The real state machine over a log in memory, behind the gate that keeps its effects. One thread.
class MemoryBroker final : public frontend::Commands {
 public:
  explicit MemoryBroker(base::Now now)
      : broker_(broker::BrokerOptions{}, log_, messages_, index_, gate_) {
    base::Id128 id;
    id.bytes[0] = 9;
    broker_.start(now, false, id, "fuzz");
  }

  broker::Broker& broker() { return broker_; }
  broker::FakeLog& log() { return log_; }
  broker::FakeMessages& messages() { return messages_; }
  frontend::EffectGate& gate() { return gate_; }

  // With two subscriptions, so that messages are kept by more than one.
  base::QueueId configure(base::Now now, std::uint8_t number, broker::QueueConfig config) {
    config.subscriptions.resize(2);
    config.subscriptions[0].name = "default";
    config.subscriptions[1].name = "audit";
    base::QueueId id;
    id.bytes[15] = number;
    const auto made = broker_.configure(now, {std::move(config), id});
    CHECK(made.has_value());
    return *made;
  }

  // Everything is written; what waited for it goes to `pass`.
  template <typename Pass>
  void commit(Pass&& pass) {
    log_.sync();
    gate_.release(log_.positions(), std::forward<Pass>(pass));
  }

  // What another process makes of this one's log.
  std::vector<std::byte> replayed() const {
    broker::FakeLog other_log;
    broker::FakeMessages other_messages(other_log);
    storage::MemorySideIndex other_index;
    frontend::EffectGate other_gate;
    broker::Broker other({}, other_log, other_messages, other_index, other_gate);
    for (const auto& record : log_.records()) CHECK(other.replay(record.view()).has_value());
    return other.snapshot(broker::SnapshotForm::kWhole);
  }

  void apply(base::Now now, const broker::OpenSession& c) override { broker_.apply(now, c); }
  void apply(base::Now now, const broker::SessionGone& c) override { broker_.apply(now, c); }
  void apply(base::Now now, const broker::OpenPublisher& c) override { broker_.apply(now, c); }
  void apply(base::Now now, const broker::Publish& c) override { broker_.apply(now, c); }
  void apply(base::Now now, const broker::PublishChunk& c) override { broker_.apply(now, c); }
  void apply(base::Now now, const broker::Attach& c) override { broker_.apply(now, c); }
  void apply(base::Now now, const broker::ChunksSent& c) override { broker_.apply(now, c); }
  void apply(base::Now now, const broker::Detach& c) override { broker_.apply(now, c); }
  void apply(base::Now now, const broker::Credit& c) override { broker_.apply(now, c); }
  void apply(base::Now now, const broker::Settle& c) override { broker_.apply(now, c); }
  void apply(base::Now now, const broker::Extend& c) override { broker_.apply(now, c); }
  void apply(base::Now now, const broker::DeleteQueue& c) override { broker_.apply(now, c); }
  void apply(base::Now now, const broker::Seek& c) override { broker_.apply(now, c); }
  void apply(base::Now now, const broker::Cordon& c) override { broker_.apply(now, c); }
  void apply(base::Now now, const broker::DiscardDamaged& c) override { broker_.apply(now, c); }
  void apply(base::Now now, const broker::StartTask& c) override { broker_.apply(now, c); }
  void apply(base::Now now, const broker::CancelTask& c) override { broker_.apply(now, c); }
  void apply(base::Now now, const broker::Peek& c) override { broker_.apply(now, c); }
  std::optional<base::QueueId> find_queue(std::string_view name) const override {
    return broker_.find_queue(name);
  }
  std::optional<base::QueueId> find_task(const base::TaskId& task) const override {
    return broker_.find_task(task);
  }
  const broker::QueueConfig* config(const base::QueueId& queue) const override {
    return broker_.config(queue);
  }
  std::uint32_t feature_level() const override { return log_.feature_level(); }
  std::uint64_t changes() const override { return log_.records().size(); }
  // All that was appended to the fake log counts as synced.
  bool removals_durable() const override { return true; }
  base::Lsn sync_appended() override { return log_.positions().appended; }

 private:
  broker::FakeLog log_;
  broker::FakeMessages messages_{log_};
  storage::MemorySideIndex index_;
  frontend::EffectGate gate_;
  broker::Broker broker_;
};

}  // namespace sluice::fuzz
