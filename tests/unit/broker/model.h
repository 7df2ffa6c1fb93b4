#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "base/ids.h"
#include "base/time.h"

namespace sluice::broker {

// What one subscription of one shard should do, said as simply as possible: a map of messages, each
// in one state. It is told what came out of the broker and checks that it was allowed; it does not
// guess orders or times beyond that.
class Model {
 public:
  enum class Where { kReady, kDelayed, kHeld, kAcked, kDead, kRemoved };
  struct Message {
    Where where = Where::kReady;
    std::int64_t due_ms = 0;      // kDelayed
    bool by_publisher = false;    // kDelayed: a deliver-at, not a backoff
    std::int64_t expires_ms = 0;  // 0 = never
    int attempts = 0;
    int stalls = 0;
    bool was_suspect = false;  // when it was delivered last
    std::uint64_t epoch = 0;   // kHeld
    std::uint64_t session = 0;
  };
  struct Limits {
    int max_attempts = 0;
    int max_stalls = 0;
  };

  explicit Model(Limits limits) : limits_(limits) {}

  void publish(std::uint64_t sequence, std::int64_t due_ms, std::int64_t expires_ms,
               std::int64_t now_ms) {
    if (messages_.contains(sequence)) return complain("published twice", sequence);
    Message message;
    message.expires_ms = expires_ms;
    if (due_ms > now_ms) {
      message.where = Where::kDelayed;
      message.due_ms = due_ms;
      message.by_publisher = true;
    }
    messages_[sequence] = message;
  }

  // A message was handed out.
  void deliver(std::uint64_t sequence, std::uint64_t session, std::uint64_t epoch, int attempts,
               int stalls, std::int64_t now_ms) {
    const auto found = messages_.find(sequence);
    if (found == messages_.end()) return complain("delivered but never published", sequence);
    Message& m = found->second;
    const bool is_due = m.where == Where::kDelayed && m.due_ms <= now_ms;
    if (m.where != Where::kReady && !is_due) {
      return complain("delivered while it must not", sequence);
    }
    if (m.attempts != attempts || m.stalls != stalls) complain("wrong counters", sequence);
    if (m.stalls > 0) {
      for (const auto& [other, held] : messages_) {
        const bool same = held.where == Where::kHeld && held.session == session;
        if (same && held.was_suspect) {
          complain("beside suspect " + std::to_string(other) + " of the same session", sequence);
        }
        if (same && held.epoch == epoch) complain("a suspect that is not alone", sequence);
      }
    }
    m.where = Where::kHeld;
    m.by_publisher = false;
    m.session = session;
    m.epoch = epoch;
    m.was_suspect = m.stalls > 0;
  }

  bool holds(std::uint64_t sequence, std::uint64_t session, std::uint64_t epoch) const {
    const auto found = messages_.find(sequence);
    return found != messages_.end() && found->second.where == Where::kHeld &&
           found->second.session == session && found->second.epoch == epoch;
  }
  bool knows(std::uint64_t sequence) const { return messages_.contains(sequence); }
  bool is_acked(std::uint64_t sequence) const {
    const auto found = messages_.find(sequence);
    return found != messages_.end() &&
           (found->second.where == Where::kAcked || found->second.where == Where::kRemoved);
  }

  bool is_gone(std::uint64_t sequence) const {
    const Where where = messages_.at(sequence).where;
    return where == Where::kAcked || where == Where::kDead || where == Where::kRemoved;
  }
  bool is_held(std::uint64_t sequence) const {
    return messages_.at(sequence).where == Where::kHeld;
  }

  // A message came that is settled with its delivery.
  void take(std::uint64_t sequence, int attempts, int stalls, std::int64_t now_ms) {
    deliver(sequence, 0, 0, attempts, stalls, now_ms);
    messages_.at(sequence).where = Where::kAcked;
  }
  // A limit or the retention removed it, or made it a dead letter, which keeps its deliver-at.
  void evict(std::uint64_t sequence, Where to) {
    Message& m = messages_.at(sequence);
    if (m.where != Where::kReady && m.where != Where::kDelayed) {
      return complain("evicted while it must not", sequence);
    }
    m.where = to;
  }
  // The subscription was put to `position`: what lies before is settled.
  void skip(std::uint64_t position) {
    for (auto& [sequence, m] : messages_) {
      if (sequence >= position) return;
      if (!is_gone(sequence)) m.where = Where::kAcked;
    }
  }
  // A settled message is back; `due_ms` 0 = at once.
  void rewind(std::uint64_t sequence, std::int64_t expires_ms, std::int64_t due_ms) {
    Message& m = messages_.at(sequence);
    if (m.where != Where::kAcked && m.where != Where::kRemoved) return;
    m = Message{};
    m.expires_ms = expires_ms;
    if (due_ms == 0) return;
    wait(m, due_ms);
    m.by_publisher = true;
  }
  // When the message's deliver-at comes, for which the subscription still waits, or will when its
  // dead letter is redriven; 0 = it does not.
  std::int64_t waits_until(std::uint64_t sequence) const {
    const Message& m = messages_.at(sequence);
    const bool waits = m.where == Where::kDelayed || m.where == Where::kDead;
    return waits && m.by_publisher ? m.due_ms : 0;
  }
  void redrive(std::uint64_t sequence) {
    Message& m = messages_.at(sequence);
    if (m.where != Where::kDead) return complain("redriven without being dead", sequence);
    const std::int64_t due_ms = m.by_publisher ? m.due_ms : 0;
    m = Message{};
    if (due_ms == 0) return;
    wait(m, due_ms);
    m.by_publisher = true;
  }

  // REQUIRES of these: held.
  void ack(std::uint64_t sequence) { messages_.at(sequence).where = Where::kAcked; }
  void reject(std::uint64_t sequence) { messages_.at(sequence).where = Where::kDead; }
  void release(std::uint64_t sequence, std::int64_t now_ms) {
    Message& m = messages_.at(sequence);
    m.where = expired(m, now_ms) ? Where::kRemoved : Where::kReady;
  }
  void fail(std::uint64_t sequence, std::int64_t delay_ms, std::int64_t now_ms) {
    Message& m = messages_.at(sequence);
    if (expired(m, now_ms)) {
      m.where = Where::kRemoved;
      return;
    }
    m.attempts += 1;
    if (m.attempts >= limits_.max_attempts) {
      m.where = Where::kDead;
    } else {
      wait(m, now_ms + delay_ms);
    }
  }
  void stall(std::uint64_t sequence, std::int64_t delay_ms, std::int64_t now_ms) {
    Message& m = messages_.at(sequence);
    if (expired(m, now_ms)) {
      m.where = Where::kRemoved;
      return;
    }
    m.stalls += 1;
    if (m.was_suspect && m.stalls >= limits_.max_stalls) {
      m.where = Where::kDead;
    } else {
      wait(m, now_ms + delay_ms);
    }
  }
  // Time has passed: what is over goes, unless it is held.
  void pass(std::int64_t now_ms) {
    for (auto& [sequence, m] : messages_) {
      const bool waits = m.where == Where::kReady || m.where == Where::kDelayed;
      if (waits && expired(m, now_ms)) m.where = Where::kRemoved;
      if (m.where == Where::kDelayed && m.due_ms <= now_ms) m.where = Where::kReady;
    }
  }

  std::vector<std::uint64_t> held_by(std::uint64_t session) const {
    std::vector<std::uint64_t> held;
    for (const auto& [sequence, m] : messages_) {
      if (m.where == Where::kHeld && m.session == session) held.push_back(sequence);
    }
    return held;
  }
  std::vector<std::uint64_t> all(Where where) const {
    std::vector<std::uint64_t> list;
    for (const auto& [sequence, m] : messages_) {
      if (m.where == where) list.push_back(sequence);
    }
    return list;
  }
  std::uint64_t count(Where where) const { return all(where).size(); }
  const Message& at(std::uint64_t sequence) const { return messages_.at(sequence); }
  const std::vector<std::string>& complaints() const { return complaints_; }

 private:
  static bool expired(const Message& m, std::int64_t now_ms) {
    return m.expires_ms != 0 && m.expires_ms <= now_ms;
  }
  static void wait(Message& m, std::int64_t due_ms) {
    m.where = Where::kDelayed;
    m.due_ms = due_ms;
  }
  void complain(const std::string& what, std::uint64_t sequence) {
    complaints_.push_back(what + ": message " + std::to_string(sequence));
  }

  Limits limits_;
  std::map<std::uint64_t, Message> messages_;
  std::vector<std::string> complaints_;
};

}  // namespace sluice::broker
