#include "frontend/effect_gate.h"

#include <algorithm>

#include "base/buggify.h"
#include "base/check.h"

namespace sluice::frontend {
namespace {

template <typename T>
broker::SessionHandle session_in(const T& effect) {
  if constexpr (requires { effect.origin; }) {
    return effect.origin.session;
  } else {
    return effect.session;
  }
}

}  // namespace

broker::SessionHandle session_of(const Effect& effect) {
  return std::visit([](const auto& value) { return session_in(value); }, effect);
}

void EffectGate::emit(broker::Wait wait, broker::SessionOpened effect) {
  hold(wait, std::move(effect));
}
void EffectGate::emit(broker::Wait wait, broker::PublisherOpened effect) {
  hold(wait, std::move(effect));
}
void EffectGate::emit(broker::Wait wait, broker::PublishReply effect) {
  hold(wait, std::move(effect));
}
void EffectGate::emit(broker::Wait wait, broker::PublisherCredit effect) {
  hold(wait, std::move(effect));
}
void EffectGate::emit(broker::Wait wait, broker::AttachReply effect) {
  hold(wait, std::move(effect));
}
void EffectGate::emit(broker::Wait wait, broker::DetachReply effect) {
  hold(wait, std::move(effect));
}
void EffectGate::emit(broker::Wait wait, broker::Deliver effect) { hold(wait, std::move(effect)); }
void EffectGate::emit(broker::Wait wait, broker::SettleReply effect) {
  hold(wait, std::move(effect));
}
void EffectGate::emit(broker::Wait wait, broker::ExtendReply effect) {
  hold(wait, std::move(effect));
}
void EffectGate::emit(broker::Wait wait, broker::AttachmentClosed effect) {
  hold(wait, std::move(effect));
}
void EffectGate::emit(broker::Wait wait, broker::TaskReply effect) {
  hold(wait, std::move(effect));
}
void EffectGate::emit(broker::Wait wait, broker::PeekReply effect) {
  hold(wait, std::move(effect));
}
void EffectGate::emit(broker::Wait wait, broker::DeleteReply effect) {
  hold(wait, std::move(effect));
}

void EffectGate::emit(broker::Wait wait, broker::SeekReply effect) {
  hold(wait, std::move(effect));
}

void EffectGate::emit(broker::Wait wait, broker::DiscardReply effect) {
  hold(wait, std::move(effect));
}

void EffectGate::emit(broker::Wait wait, broker::CordonReply effect) {
  hold(wait, std::move(effect));
}

void EffectGate::hold(broker::Wait wait, Effect effect) {
  if (PLANTED("effects_before_commit")) wait.lsn = base::Lsn{};
  const broker::SessionHandle session = session_of(effect);
  Backlog& backlog = backlogs_[session];
  // What waits for nothing must not wait for the fdatasync of other sessions.
  const bool needs_sync = wait.durable && wait.lsn != base::Lsn{};
  if (needs_sync || backlog.durable > 0) {
    // Behind an effect that waits for a sync, one that does not still asks for no more than its own
    // write: nobody may ever sync that.
    const base::Lsn durable = needs_sync ? wait.lsn : base::Lsn{};
    ++backlog.durable;
    durable_.push_back(
        {std::max(wait.lsn, backlog.written_lsn), durable, session, std::move(effect)});
    return;
  }
  // Rising: so an effect of the other queue that may leave proves that all earlier ones of its
  // session in this one may.
  written_last_ = std::max(wait.lsn, written_.empty() ? base::Lsn{} : written_last_);
  backlog.written_lsn = written_last_;
  ++backlog.written;
  written_.push_back({written_last_, base::Lsn{}, session, std::move(effect)});
}

EffectGate::Held* EffectGate::next(const storage::LogPositions& positions) {
  // Written first: see hold().
  if (!written_.empty() && written_.front().written <= positions.written) {
    next_is_durable_ = false;
    return &written_.front();
  }
  if (!durable_.empty() && durable_.front().durable <= positions.durable &&
      durable_.front().written <= positions.written) {
    next_is_durable_ = true;
    return &durable_.front();
  }
  return nullptr;
}

void EffectGate::pop() {
  std::deque<Held>& queue = next_is_durable_ ? durable_ : written_;
  const auto backlog = backlogs_.find(queue.front().session);
  CHECK(backlog != backlogs_.end());
  --(next_is_durable_ ? backlog->second.durable : backlog->second.written);
  if (backlog->second.durable == 0 && backlog->second.written == 0) backlogs_.erase(backlog);
  queue.pop_front();
}

}  // namespace sluice::frontend
