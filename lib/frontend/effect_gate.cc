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
  const bool durable = (wait.durable && wait.lsn != base::Lsn{}) || backlog.durable > 0;
  // Rising within a queue and within a session: then an effect that may leave proves that all
  // earlier ones of its session may, whichever queue they are in.
  base::Lsn& last = durable ? durable_last_ : written_last_;
  std::deque<Held>& queue = durable ? durable_ : written_;
  const base::Lsn lsn = std::max({wait.lsn, backlog.lsn, queue.empty() ? base::Lsn{} : last});
  backlog.lsn = lsn;
  last = lsn;
  ++(durable ? backlog.durable : backlog.written);
  queue.push_back({lsn, session, std::move(effect)});
}

EffectGate::Held* EffectGate::next(const storage::LogPositions& positions) {
  // Written first: see hold().
  if (!written_.empty() && written_.front().lsn <= positions.written) {
    next_is_durable_ = false;
    return &written_.front();
  }
  if (!durable_.empty() && durable_.front().lsn <= positions.durable) {
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
