#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <unordered_map>
#include <utility>
#include <variant>
#include <vector>

#include "broker/effect.h"
#include "storage/log.h"

namespace sluice::frontend {

// A frame that the frontend answers on its own (GOODBYE_REPLY, CONFIGURED ...), already encoded. It
// goes through the gate so that it neither overtakes the broker's effects of its session nor leaves
// before the records it stands for are committed.
struct PreparedFrame {
  broker::SessionHandle session;
  std::vector<std::byte> bytes;
  bool ends_session = false;  // the session is forgotten once this is sent
};

using Effect =
    std::variant<broker::SessionOpened, broker::PublisherOpened, broker::PublishReply,
                 broker::PublisherCredit, broker::AttachReply, broker::DetachReply, broker::Deliver,
                 broker::SettleReply, broker::ExtendReply, broker::AttachmentClosed,
                 broker::TaskReply, broker::PeekReply, broker::DeleteReply, broker::SeekReply,
                 broker::DiscardReply, broker::CordonReply, PreparedFrame>;

// The session that an effect is for.
broker::SessionHandle session_of(const Effect& effect);

// Keeps effects back until what they stand for is committed, then hands them on.
//
// Effects of one session leave in the order in which they came, also when they wait for different
// kinds of commit. Across sessions, those that wait for a write do not wait for another one's
// fdatasync. Owned and called by the loop thread; a value without clock or I/O.
class EffectGate final : public broker::EffectSink {
 public:
  void emit(broker::Wait wait, broker::SessionOpened effect) override;
  void emit(broker::Wait wait, broker::PublisherOpened effect) override;
  void emit(broker::Wait wait, broker::PublishReply effect) override;
  void emit(broker::Wait wait, broker::PublisherCredit effect) override;
  void emit(broker::Wait wait, broker::AttachReply effect) override;
  void emit(broker::Wait wait, broker::DetachReply effect) override;
  void emit(broker::Wait wait, broker::Deliver effect) override;
  void emit(broker::Wait wait, broker::SettleReply effect) override;
  void emit(broker::Wait wait, broker::ExtendReply effect) override;
  void emit(broker::Wait wait, broker::AttachmentClosed effect) override;
  void emit(broker::Wait wait, broker::TaskReply effect) override;
  void emit(broker::Wait wait, broker::PeekReply effect) override;
  void emit(broker::Wait wait, broker::DeleteReply effect) override;
  void emit(broker::Wait wait, broker::SeekReply effect) override;
  void emit(broker::Wait wait, broker::DiscardReply effect) override;
  void emit(broker::Wait wait, broker::CordonReply effect) override;
  void hold(broker::Wait wait, Effect effect);

  // Calls pass(Effect&&) for every effect whose wait is over at `positions`. `pass` may call the
  // broker, and so emit more effects; those that wait for nothing are passed by the same call.
  template <typename Pass>
  void release(const storage::LogPositions& positions, Pass&& pass) {
    while (Held* held = next(positions)) {
      Effect effect = std::move(held->effect);
      pop();
      pass(std::move(effect));
    }
  }

  // Effects that are held.
  std::size_t size() const { return written_.size() + durable_.size(); }
  bool empty() const { return size() == 0; }

 private:
  struct Held {
    base::Lsn written;  // may leave when both are reached
    base::Lsn durable;
    broker::SessionHandle session;
    Effect effect;
  };
  // What a session has in the gate; forgotten when it is nothing.
  struct Backlog {
    base::Lsn written_lsn;  // of its latest effect in `written_`
    std::uint32_t written = 0;
    std::uint32_t durable = 0;
  };

  Held* next(const storage::LogPositions& positions);
  void pop();

  // Two queues, each from its front. A session's effect goes behind its earlier ones: once it has
  // one that waits for durability, all later ones go there too. LSNs rise in `written_`.
  std::deque<Held> written_;
  std::deque<Held> durable_;
  base::Lsn written_last_;
  bool next_is_durable_ = false;
  std::unordered_map<broker::SessionHandle, Backlog> backlogs_;
};

}  // namespace sluice::frontend
