#include "broker/dead_letters.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "base/check.h"
#include "storage/varint.h"

namespace sluice::broker {

namespace {

std::vector<std::byte> encode(const DeadLetter& letter) {
  std::vector<std::byte> value;
  base::ByteWriter out(value);
  out.u8(static_cast<std::uint8_t>(letter.reason));
  storage::put_varint(out, letter.attempts);
  storage::put_varint(out, letter.stalls);
  storage::put_varint(out, static_cast<std::uint64_t>(letter.died_at.value()));
  storage::put_delta(out, static_cast<std::uint64_t>(letter.died_at.value()),
                     static_cast<std::uint64_t>(letter.first_failed.value()));
  storage::put_varint(out, letter.record.value());
  storage::put_delta(out, letter.record.value(), letter.text.value());
  storage::put_varint(out, letter.bytes);
  return value;
}

DeadLetter decode_letter(base::ByteView value) {
  base::ByteReader in(value);
  DeadLetter letter;
  letter.reason = static_cast<storage::DeadReason>(in.u8());
  letter.attempts = static_cast<std::uint16_t>(storage::get_varint(in));
  letter.stalls = static_cast<std::uint16_t>(storage::get_varint(in));
  const std::uint64_t died_at = storage::get_varint(in);
  letter.died_at = base::WallTime(static_cast<std::int64_t>(died_at));
  letter.first_failed = base::WallTime(static_cast<std::int64_t>(storage::get_delta(in, died_at)));
  letter.record = base::Lsn(storage::get_varint(in));
  letter.text = base::Lsn(storage::get_delta(in, letter.record.value()));
  letter.bytes = storage::get_varint(in);
  return letter;
}

}  // namespace

DeadLetters::DeadLetters(storage::SideIndex& index, const storage::SubscriptionKey& owner)
    : letters_(index, owner, SideTag::kDead),
      deaths_(index, owner, SideTag::kDeadByDeath),
      texts_(index, owner, SideTag::kDeadTexts) {}

void DeadLetters::add(base::Sequence sequence, const DeadLetter& letter) {
  CHECK(sequences_.insert(sequence) == 1);
  letters_.put(sequence.value(), encode(letter));
  deaths_.put(letter.record.value(), sequence.value(), {});
  texts_.add(letter.record);
  texts_.add(letter.text);
  bytes_ += letter.bytes;
  // Those of one record are in the order of their sequences.
  front_ = std::min(front_, std::pair(letter.record, sequence));
  if (oldest_ &&
      std::pair(letter.record, sequence) < std::pair(oldest_->letter.record, oldest_->sequence)) {
    oldest_.reset();
  }
}

void DeadLetters::erase(base::Sequence sequence) {
  CHECK(sequences_.contains(sequence));
  const std::optional<DeadLetter> letter = find(sequence);
  sequences_.erase(sequence);
  if (!leased_.empty()) leased_.erase(sequence);
  if (!returned_.empty()) returned_.erase(sequence);
  if (oldest_ && oldest_->sequence == sequence) oldest_.reset();
  if (!letter) return;
  letters_.erase(sequence.value());
  deaths_.erase(letter->record.value(), sequence.value());
  texts_.remove(letter->record);
  texts_.remove(letter->text);
  bytes_ -= std::min(letter->bytes, bytes_);
}

std::optional<DeadLetter> DeadLetters::find(base::Sequence sequence) const {
  if (!sequences_.contains(sequence)) return std::nullopt;
  const auto value = letters_.find(sequence.value());
  if (!value) return std::nullopt;
  return decode_letter(*value);
}

const std::optional<DeadLetters::Oldest>& DeadLetters::oldest() const {
  if (!returned_.empty()) {
    for (auto at = returned_.next_in(base::Sequence(0)); at; at = returned_.next_in(*at + 1)) {
      if (const auto letter = find(*at)) front_ = std::min(front_, std::pair(letter->record, *at));
    }
    returned_ = {};
    oldest_.reset();
  }
  if (sequences_.empty()) {
    oldest_.reset();
  } else if (!oldest_) {
    const auto from = front_;
    for_each_from(from.first, from.second,
                  [this](base::Sequence sequence, const DeadLetter& letter) {
                    front_ = {letter.record, sequence};
                    if (is_leased(sequence)) return true;
                    oldest_ = Oldest{sequence, letter};
                    return false;
                  });
  }
  return oldest_;
}

void DeadLetters::lease(base::SequenceRange range) {
  leased_.insert(range);
  if (oldest_ && range.contains(oldest_->sequence)) oldest_.reset();
}

void DeadLetters::end_lease(base::SequenceRange range) {
  leased_.erase(range);
  // Most are discarded next; the others are looked up when somebody asks for the oldest.
  returned_.insert(range);
}

void DeadLetters::restore(storage::SequenceSet sequences, std::uint64_t bytes) {
  sequences_ = std::move(sequences);
  bytes_ = bytes;
  front_ = {};
}

}  // namespace sluice::broker
