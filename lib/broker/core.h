#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/ids.h"
#include "base/prng.h"
#include "base/time.h"
#include "broker/agenda.h"
#include "broker/apply_fact.h"
#include "broker/broker.h"
#include "broker/cordon_book.h"
#include "broker/session_book.h"
#include "broker/state.h"
#include "storage/fact_codec.h"

namespace sluice::broker {

// What a DETACH is answered when all that the attachment held is given back.
struct DetachAnswer {
  DetachReply reply;
  storage::SubscriptionKey subscription;
};

// Leases of a session that is gone, or of an attachment that held very many, on their way back.
struct Ending {
  base::Epoch epoch;
  SessionEnd end = SessionEnd::kLost;
  std::string consumer;
  storage::ReleaseCause cause = storage::ReleaseCause::kSessionClosed;  // where `end` is kClosed
  std::shared_ptr<const DetachAnswer> answer;  // of the last one of an attachment
};

// Who hears of a task.
struct TaskAsker {
  Origin origin;
  bool detailed = false;
};

// A dry run: counted like a task, but nobody needs it after a restart.
struct DryRun {
  Task task;
  TaskAsker asker;
  std::uint32_t samples_max = 0;
  std::vector<TaskSample> samples;
  base::MonoTime turn;  // not before
};

// A seek with more to settle than one step may: ticks go on, and answer it.
struct RunningSeek {
  Origin origin;
  storage::SubscriptionKey key;
  base::Sequence position;
  base::Sequence from;     // what lies before it is settled
  bool has_begun = false;  // what comes back is back
};

// A settle that costs something for each of its messages, of which there are too many for one step:
// ticks go on, and answer it.
struct RunningSettle {
  Settle rest;        // its receipts are ascending, and no other settle has any of their messages
  SettleReply reply;  // of what was settled so far
  Wait wait;          // for the records of that
};

// A peek at messages that storage has to bring in first.
struct WaitingPeek {
  Peek command;
  base::MonoTime turn;  // not before
  int turns_left = 0;   // then it shows what is here
};

// A large message that a task carries to another queue, as far as it was read: a slice of the task
// reads a few pieces. One at a time, so that all tasks together cost the memory of one.
struct CarriedMessage {
  base::TaskId task;
  storage::SubscriptionKey from;
  base::Sequence sequence;
  base::Lsn death;                 // of a dead letter, whose headers it has
  std::uint64_t stored_ahead = 0;  // so much further is what is stored than `entry`, modulo 2^64
  std::uint64_t entry_bytes = 0;   // of the whole entry
  std::vector<std::byte> entry;

  bool is(const storage::SubscriptionKey& key, base::Sequence at, base::Lsn died) const {
    return from == key && sequence == at && death == died;
  }
};

// What the commands work on: the state, the process's own books, and the way into the log. One a
// broker; the files settle.cc, delivery.cc, ... hold the rules, each as functions on a Core.
class Core final : public LeaseWatcher {
 public:
  Core(BrokerOptions broker_options, storage::Log& the_log, storage::MessageStore& the_messages,
       storage::SideIndex& the_index, EffectSink& the_effects);
  Core(const Core&) = delete;
  Core& operator=(const Core&) = delete;

  const BrokerOptions options;
  storage::Log& log;
  storage::MessageStore& messages;
  EffectSink& effects;
  State state;
  SessionBook sessions;
  base::Prng prng;
  bool disk_low = false;

  // After replay: the incarnation record, timers, and the wait for recovered sessions.
  storage::Appended start(base::Now now, bool unclean, const base::Id128& log_id_if_new,
                          std::string_view software, std::uint32_t incarnations_skipped);

  // --- Into the log. A fact is appended and applied; the end of its record is returned.

  template <typename Fact>
  base::Lsn record(const Fact& fact, bool sync) {
    return append(fact, sync).end;
  }
  // A fact about one subscription: synced as its queue wants it.
  template <typename Fact>
  base::Lsn record(Subscription& subscription, const Fact& fact);
  // The same, synced in any case.
  template <typename Fact>
  base::Lsn record_synced(Subscription& subscription, const Fact& fact) {
    const base::Lsn end = record(fact, true);
    note(subscription, end);
    return end;
  }
  // What an effect that shows the state up to `end` has to wait for.
  static Wait wait_for(const Queue& queue, base::Lsn end) { return {end, queue.syncs()}; }
  // One that shows what is known of the subscription.
  static Wait wait_for(const Subscription& subscription) {
    return wait_for(subscription.stream().queue(), subscription.last_record_end);
  }

  // False: nobody can have got what it lends, its DELIVER still waits for the log.
  bool may_have_left(const Lease& lease) const;

  // Names the next delivery batch. Begins a new incarnation when the numbers of one are used up.
  base::Epoch next_epoch(base::Now now);

  // --- Bookkeeping at the end of every command (Core::settle_down in broker.cc).

  // Something changed there: its timers and its deliveries are looked at.
  void touch(Subscription& subscription);
  void touch(Queue& queue);
  Subscription* take_touched();
  // The subscription's and its stream's entries in the agendas.
  void schedule(Subscription& subscription);
  void schedule_retention(Stream& stream);
  // Forgets a subscription or queue that is about to go.
  void drop(Subscription& subscription);
  void drop(Queue& queue);
  // Puts the attachment among those that are served, if it has credit.
  static void offer(Attachment& attachment);

  // Takes the lease from its owner; the next ticks give it back.
  void end_lease(Lease& lease, SessionEnd end, const std::string& consumer);

  void on_left(const Lease& lease, std::uint64_t messages) override;

  // The name that a lease's session gave in its hello.
  std::string consumer_of(const Lease& lease) const;
  // True for a lease from before a restart that its session has not claimed.
  bool is_unclaimed_recovered(const Lease& lease) const;

  Agenda<base::MonoTime, Subscription> backoffs;
  Agenda<base::WallTime, Stream> delays;
  Agenda<base::WallTime, Stream> expiries;
  Agenda<base::WallTime, Subscription> dead_expiries;
  Agenda<base::WallTime, Stream> retentions;
  Agenda<base::MonoTime, Subscription> dead_rests;
  std::map<std::uint64_t, Subscription*> unfinished;  // deliveries that the next tick goes on with
  std::map<std::uint64_t, Subscription*> reading;     // deliveries that wait for storage
  std::deque<Ending> endings;
  // Subscriptions that may have more dead letters than they may; ticks see to it.
  std::set<std::pair<base::QueueId, base::SubscriptionId>> overfull;
  std::deque<RunningSeek> seeks;      // the first one runs
  std::deque<RunningSettle> settles;  // the same
  std::deque<WaitingPeek> peeks;
  // Until then recovered leases are kept for their sessions; nullopt = that is over.
  std::optional<base::MonoTime> recovery_ends;

  CordonBook cordons;

  std::vector<std::byte> cut_entry;  // of the large message that was looked at last
  // Since when nobody uses created subscriptions, as far as somebody looked, and the next look.
  std::map<std::pair<base::QueueId, base::SubscriptionId>, base::MonoTime> idle_since;
  std::optional<base::MonoTime> created_look;
  base::Lsn removed_end;  // of the record that removed the last queue; zero = none in this process

  std::map<base::TaskId, TaskAsker> task_askers;  // of tasks that began in this process
  std::map<base::TaskId, DryRun> dry_runs;
  std::optional<CarriedMessage> carried;
  std::map<base::TaskId, base::MonoTime> task_turns;           // not before: a rate, or a wait
  std::map<base::TaskId, base::MonoTime> task_told;            // when progress was told last
  std::map<base::TaskId, std::string> task_waits;              // why it does not go on
  std::map<base::QueueId, std::deque<TaskStats>> ended_tasks;  // see task_report.h

 private:
  std::vector<Subscription*> touched_;
  std::vector<std::byte> scratch_;
  std::uint32_t batches_ = 0;  // delivery batches of this incarnation
  std::string software_;

  template <typename Fact>
  storage::Appended append(const Fact& fact, bool sync);
  void note(Subscription& subscription, base::Lsn end);
  void suspect_left(const Lease& lease);
};

template <typename Fact>
storage::Appended Core::append(const Fact& fact, bool sync) {
  scratch_.clear();
  storage::encode(fact, scratch_);
  const storage::Appended at = log.append(storage::record_type(fact), scratch_, {}, sync);
  // What was decided always fits the state that it was decided on.
  CHECK(apply_fact(state, fact, at.begin).has_value());
  return at;
}

template <typename Fact>
base::Lsn Core::record(Subscription& subscription, const Fact& fact) {
  const base::Lsn end = record(fact, subscription.stream().queue().syncs());
  note(subscription, end);
  return end;
}

}  // namespace sluice::broker
