#include "broker/peeking.h"

#include <algorithm>
#include <chrono>
#include <string>
#include <utility>

#include "broker/hosting.h"
#include "broker/message_reader.h"

namespace sluice::broker {

namespace {

constexpr std::uint32_t kPeekedMessagesMax = 1000;
constexpr std::uint32_t kBytesMax = 1U << 20;
// Messages that one peek looks at; what cannot be read is passed over.
constexpr std::uint32_t kLooksMax = 2000;
// Peeks that wait for storage, when each looks again, and how often for all of its messages: then
// it shows those that are here, since what is brought in for many may be gone again before the last
// is.
constexpr std::size_t kWaitingPeeksMax = 64;
constexpr int kTurnsForAll = 100;
constexpr base::Nanos kReadAgain = std::chrono::milliseconds(1);

class Peeking {
 public:
  // `for_all`: it waits until storage has brought in all messages, else for the first one only.
  Peeking(Core& core, const Peek& command, const Subscription& subscription, PeekReply& reply,
          bool for_all)
      : core_(core),
        for_all_(for_all),
        subscription_(subscription),
        reply_(reply),
        messages_left_(std::min(command.messages_max, kPeekedMessagesMax)),
        bytes_left_(std::min(command.bytes_max, kBytesMax)) {}

  // It came to a message that is not here yet; what it found so far is nothing.
  bool waits_too() const { return waiting_for_storage_; }

  void dead_letters(base::Sequence from) {
    const DeadLetters& dead = subscription_.dead();
    for (auto at = dead.next(from); at; at = dead.next(*at + 1)) {
      const DeadLetter letter = dead.find(*at).value_or(DeadLetter{});
      if (!add(*at, &letter)) return;
    }
  }

  void waiting(base::Sequence from) {
    const base::Sequence next = subscription_.stream().next();
    from = std::max(from, base::Sequence(1));
    while (from < next) {
      const auto gap = subscription_.gone().next_gap({from, next - 1});
      if (!gap) return;
      // In pieces, so that a long backlog is not listed to show its first ten.
      const base::SequenceRange piece{gap->first,
                                      std::min(gap->last, gap->first + (kLooksMax - 1))};
      for (const base::SequenceRange& range : subscription_.idle_in(piece)) {
        for (base::Sequence at = range.first; at <= range.last; ++at) {
          if (!add(at, nullptr)) return;
        }
      }
      from = piece.last + 1;
    }
  }

 private:
  // False = full; the reply then says where to go on.
  bool add(base::Sequence sequence, const DeadLetter* letter) {
    if (messages_left_ == 0 || looks_left_ == 0) {
      reply_.next = sequence;
      return false;
    }
    --looks_left_;
    const bool has_text = letter != nullptr ? texts_ready(core_, *letter) : retry_ready(sequence);
    if (!core_.messages.ready(subscription_.stream().id(), sequence) || !has_text) {
      waiting_for_storage_ = for_all_ || reply_.messages.empty();
      reply_.next = sequence;
      return false;
    }
    const auto message = read_message(core_, subscription_.stream(), sequence);
    if (!message && letter == nullptr) return true;
    const std::size_t bytes = message ? message->entry.size() : 0;
    if (bytes > bytes_left_ && !reply_.messages.empty()) {
      reply_.next = sequence;
      return false;
    }
    PeekedMessage peeked;
    peeked.sequence = sequence;
    if (message) {
      peeked.accepted_at = message->accepted_at;
      peeked.entry.assign(message->entry.begin(), message->entry.end());
    }
    if (letter != nullptr)
      describe(*letter, peeked);
    else
      describe(sequence, peeked);
    reply_.messages.push_back(std::move(peeked));
    --messages_left_;
    bytes_left_ -= std::min<std::size_t>(bytes, bytes_left_);
    return true;
  }

  bool retry_ready(base::Sequence sequence) {
    const auto state = subscription_.retries().find(sequence);
    return !state || text_ready(core_, state->text);
  }

  void describe(const DeadLetter& letter, PeekedMessage& peeked) {
    peeked.dead = true;
    peeked.attempts = letter.attempts;
    peeked.stalls = letter.stalls;
    peeked.reason = letter.reason;
    peeked.first_failed = letter.first_failed;
    peeked.died_at = letter.died_at;
    ErrorText death = read_error(core_, letter.record);
    peeked.consumer = std::move(death.consumer);
    peeked.error = letter.text == letter.record ? std::move(death.error)
                                                : read_error(core_, letter.text).error;
  }

  void describe(base::Sequence sequence, PeekedMessage& peeked) {
    if (subscription_.delays().contains(sequence)) {
      subscription_.stream().delays().for_each_in(
          {sequence, sequence}, [&](base::SequenceRange, base::WallTime due) { peeked.due = due; });
    }
    const auto state = subscription_.retries().find(sequence);
    if (!state) return;
    peeked.attempts = state->attempts;
    peeked.stalls = state->stalls;
    peeked.first_failed = state->first_failed;
    peeked.due = state->due;
    ErrorText text = read_error(core_, state->text);
    peeked.error = std::move(text.error);
    peeked.consumer = std::move(text.consumer);
  }

  Core& core_;
  const bool for_all_;
  bool waiting_for_storage_ = false;
  const Subscription& subscription_;
  PeekReply& reply_;
  std::uint32_t messages_left_;
  std::size_t bytes_left_;
  std::uint32_t looks_left_ = kLooksMax;
};

// False: it waits for storage, and was not answered.
bool try_peek(Core& core, const Peek& command, bool for_all) {
  PeekReply reply;
  reply.origin = command.origin;
  const auto refuse = [&](RefusalCode code, std::string message) {
    reply.refusal = {code, std::move(message)};
    core.effects.emit(Wait{}, std::move(reply));
    return true;
  };
  const Queue* queue = core.state.queue(command.queue);
  if (queue == nullptr) {
    return refuse(RefusalCode::kUnknownQueue, "no queue with id " + command.queue.to_hex());
  }
  Stream* stream = nullptr;
  if (Refusal refusal = find_stream(core, *queue, command.shard, stream); refusal.refused()) {
    return refuse(refusal.code, std::move(refusal.message));
  }
  const std::string name = command.subscription.empty() ? "default" : command.subscription;
  const auto id = queue->find_subscription(name);
  if (!id) {
    return refuse(RefusalCode::kUnknownSubscription,
                  "queue " + queue->name() + " has no subscription " + name +
                      "; declared are: " + queue->subscription_names());
  }
  const Subscription& subscription = *stream->find(*id);
  Peeking peeking(core, command, subscription, reply, for_all);
  if (command.dead_letters) {
    peeking.dead_letters(command.from);
  } else {
    peeking.waiting(command.from);
  }
  if (peeking.waits_too()) return false;
  // Nobody sees what a power loss could take back.
  core.effects.emit(Core::wait_for(*queue, stream->last_record_end), std::move(reply));
  return true;
}

}  // namespace

void peek(Core& core, base::Now now, const Peek& command) {
  if (try_peek(core, command, true)) return;
  if (core.peeks.size() < kWaitingPeeksMax) {
    core.peeks.push_back({command, now.mono + kReadAgain, kTurnsForAll});
    return;
  }
  PeekReply reply;
  reply.origin = command.origin;
  reply.refusal = {
      RefusalCode::kNotReady,
      std::to_string(kWaitingPeeksMax) + " peeks wait for the disk, the most at once: try again"};
  core.effects.emit(Wait{}, std::move(reply));
}

void go_on_peeking(Core& core, base::Now now, Budget& budget) {
  for (std::size_t left = core.peeks.size(); left > 0 && !budget.spent(); --left) {
    WaitingPeek waiting = std::move(core.peeks.front());
    core.peeks.pop_front();
    if (waiting.turn <= now.mono) {
      budget.take(kPeekedMessagesMax);
      if (waiting.turns_left > 0) --waiting.turns_left;
      if (try_peek(core, waiting.command, waiting.turns_left > 0)) continue;
      waiting.turn = now.mono + kReadAgain;
    }
    core.peeks.push_back(std::move(waiting));
  }
}

std::optional<base::MonoTime> next_peek(const Core& core) {
  std::optional<base::MonoTime> next;
  for (const WaitingPeek& waiting : core.peeks) {
    if (!next || waiting.turn < *next) next = waiting.turn;
  }
  return next;
}

}  // namespace sluice::broker
