#include "broker/publishing.h"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "base/buggify.h"
#include "base/message.h"
#include "broker/gathering.h"
#include "broker/hosting.h"
#include "broker/overflowing.h"
#include "broker/publish_credit.h"

namespace sluice::broker {

namespace {

// The least feature level of a log that holds large messages.
constexpr std::uint32_t kLargeFeatureLevel = 2;

// One batch on its way in: what is known of it so far.
class Publishing {
 public:
  Publishing(Core& core, base::Now now, const Publish& command)
      : Publishing(core, now, command, 0) {}
  // A large message of so many bytes, of which the front is in `command`, or all of it.
  Publishing(Core& core, base::Now now, const Publish& command, std::uint64_t large_bytes)
      : core_(core),
        now_(now),
        command_(command),
        large_(large_bytes > 0),
        bytes_(large_ ? large_bytes : command.entries.size()) {
    reply_.origin = command.origin;
    reply_.publisher = command.publisher;
    reply_.producer_sequence = command.producer_sequence;
    reply_.count = command.count;
  }

  // True = the front of a large message is good, and the rest may come.
  bool run() {
    const Refusal refusal = decide();
    if (!refusal.refused()) return awaits_rest_;
    if (queue_ != nullptr) {
      queue_->totals().refused_by_code[static_cast<std::uint16_t>(refusal.code)] += 1;
    }
    reply_.refusal = refusal;
    if (publisher_ != nullptr)
      reply(Wait{});
    else
      core_.effects.emit(Wait{}, std::move(reply_));
    return false;
  }

 private:
  Refusal decide();
  Refusal check_producer(bool& repeated);
  Refusal check_batch();
  Refusal check_large();
  Refusal check_body();
  Refusal check_limits();
  bool has_credit() const;
  Refusal make_space(const LimitsConfig& limits);
  void accept();
  bool is_uniform() const {
    return std::uint64_t{summary_.largest_body} * summary_.count == summary_.body_bytes;
  }
  void count_sizes();
  void reply(Wait wait);

  Core& core_;
  const base::Now now_;
  const Publish& command_;
  const bool large_;
  const std::uint64_t bytes_;
  bool awaits_rest_ = false;
  bool overflows_ = false;  // not all of the batch will stay
  PublishReply reply_;
  Publisher* publisher_ = nullptr;
  Stream* stream_ = nullptr;
  Queue* queue_ = nullptr;
  base::BatchSummary summary_;
};

Refusal Publishing::decide() {
  if (core_.sessions.find(command_.origin.session) == nullptr) {
    return {RefusalCode::kNoSession, "no session: say hello first"};
  }
  Publisher* publisher = core_.sessions.publisher(command_.publisher);
  if (publisher == nullptr || publisher->session != command_.origin.session) {
    return {RefusalCode::kUnknownHandle,
            "publisher: not open in this session: open it, and send the message again"};
  }
  publisher_ = publisher;
  stream_ = publisher->stream;
  queue_ = &stream_->queue();
  bool repeated = false;
  if (Refusal refusal = check_producer(repeated); refusal.refused()) return refusal;
  if (repeated) {
    queue_->totals().duplicates += command_.count;
    reply(Core::wait_for(*queue_, stream_->last_record_end));
    return {};
  }
  if (Refusal refusal = large_ ? check_large() : check_batch(); refusal.refused()) return refusal;
  if (Refusal refusal = check_limits(); refusal.refused()) {
    if (!PLANTED("refused_batch_called_duplicate")) return refusal;
    reply_.duplicate = true;
    return reply({}), Refusal{};
  }
  awaits_rest_ = command_.entries.size() < bytes_;
  if (!awaits_rest_) accept();
  return {};
}

Refusal Publishing::check_producer(bool& repeated) {
  if (command_.count == 0) return {RefusalCode::kMalformed, "a batch without messages"};
  if (publisher_->producer.is_zero()) return {};
  const Producer* producer = core_.state.producers.find(publisher_->producer);
  if (producer == nullptr) {
    return {RefusalCode::kUnknownProducer,
            "this producer was forgotten: open the publisher again with epoch 0"};
  }
  if (publisher_->epoch < producer->epoch) {
    return {RefusalCode::kProducerFenced,
            "a newer epoch of this producer exists: " + std::to_string(producer->epoch) +
                " after " + std::to_string(publisher_->epoch)};
  }
  const ProducerStream* mine = producer->find(stream_->id());
  const std::uint64_t last = mine == nullptr ? 0 : mine->last;
  const std::uint64_t first = command_.producer_sequence;
  if (first == last + 1) return {};
  if (first > 0 && first <= last && command_.count <= last - first + 1) {
    if (PLANTED("dedup_forgotten_after_restart") && core_.state.incarnation > 1) return {};
    repeated = true;
    reply_.duplicate = true;
    reply_.first = ProducerTable::stored_at(*mine, first);
    return {};
  }
  reply_.expected_sequence = last + 1;
  return {RefusalCode::kProducerGap, "producer sequence " + std::to_string(first) +
                                         " does not follow " + std::to_string(last) +
                                         ": resend from " + std::to_string(last + 1)};
}

Refusal Publishing::check_batch() {
  if (command_.entries.size() > base::kBatchEntriesBytesMax) {
    return {RefusalCode::kMessageTooLarge,
            "a batch of " + std::to_string(command_.entries.size()) + " B: at most " +
                std::to_string(base::kBatchEntriesBytesMax) + " B fit, split it"};
  }
  auto summary = base::summarize_batch(command_.entries);
  if (!summary) return {RefusalCode::kMalformed, summary.error().message()};
  summary_ = *summary;
  if (summary_.count != command_.count || summary_.count > base::kBatchMessagesMax) {
    return {RefusalCode::kMalformed, "the batch has " + std::to_string(summary_.count) +
                                         " messages and says " + std::to_string(command_.count)};
  }
  return check_body();
}

Refusal Publishing::check_large() {
  if (core_.log.feature_level() < kLargeFeatureLevel) {
    return {RefusalCode::kMessageTooLarge,
            "a message of " + std::to_string(bytes_) + " B: at most " +
                std::to_string(base::kBatchEntriesBytesMax) +
                " B fit while the log has feature level 1; start the broker once with "
                "--log-feature-level 2"};
  }
  auto summary = base::summarize_large(command_.entries, bytes_);
  if (!summary) return {RefusalCode::kMalformed, summary.error().message()};
  summary_ = *summary;
  return check_body();
}

Refusal Publishing::check_body() {
  const std::uint32_t largest = queue_->config().limits.message_bytes_max;
  if (summary_.largest_body > largest) {
    return {RefusalCode::kMessageTooLarge,
            "a body of " + std::to_string(summary_.largest_body) + " B: queue " + queue_->name() +
                " takes at most " + std::to_string(largest) +
                " B (limits.messageBytes): raise it, at most 16Mi, or keep large bodies elsewhere"};
  }
  return {};
}

Refusal Publishing::check_limits() {
  if (core_.disk_low) {
    return {RefusalCode::kDiskLow,
            "the broker's disk is nearly full: settle or purge messages, or enlarge the volume"};
  }
  if (!has_credit()) {
    return {RefusalCode::kCreditExceeded,
            "more than the credit of this publisher: wait for a higher limit"};
  }
  const LimitsConfig& limits = queue_->config().limits;
  if (limits.overflow == Overflow::kBlock) return {};  // the credit above was the limit
  if (limits.overflow != Overflow::kReject) {
    // Of a large message the front is no reason to drop anything yet.
    return command_.entries.size() < bytes_ ? Refusal{} : make_space(limits);
  }
  const std::uint64_t messages = queue_->messages();
  if (messages + command_.count > limits.messages_max) {
    return {RefusalCode::kQueueFull,
            "queue " + queue_->name() + " is full: " + std::to_string(messages) + " of " +
                std::to_string(limits.messages_max) +
                " messages wait (limits.messages): add consumers, purge, or raise the limit"};
  }
  const std::uint64_t waiting = queue_->bytes();
  if (waiting + summary_.body_bytes > limits.bytes_max) {
    return {RefusalCode::kQueueFull,
            "queue " + queue_->name() + " is full: " + std::to_string(waiting) + " of " +
                std::to_string(limits.bytes_max) +
                " bytes wait (limits.bytes): add consumers, purge, or raise the limit"};
  }
  return {};
}

// A large message may be above the whole window, so a part of it is enough.
bool Publishing::has_credit() const {
  if (publisher_->messages + command_.count > publisher_->messages_limit) return false;
  return publisher_->bytes + bytes_ <= publisher_->bytes_limit ||
         (large_ && publisher_->bytes < publisher_->bytes_limit);
}

// Of a queue whose oldest messages go when it is full. What does not fit next to what has to stay
// is stored as if its messages came one by one: the last ones of the batch stay.
Refusal Publishing::make_space(const LimitsConfig& limits) {
  const Space space{summary_.count, summary_.body_bytes};
  if (fits(*queue_, space)) return {};
  if (summary_.largest_body > limits.bytes_max) {
    return {RefusalCode::kQueueFull, "a body of " + std::to_string(summary_.largest_body) +
                                         " B: alone more than queue " + queue_->name() +
                                         " may hold (limits.bytes " +
                                         std::to_string(limits.bytes_max) + "): raise that"};
  }
  const Space most = room_at_most(*queue_);
  const Space part{std::min(space.messages, most.messages), std::min(space.bytes, most.bytes)};
  overflows_ = part.messages < space.messages || part.bytes < space.bytes;
  const bool any = part.messages > 0 && summary_.largest_body <= most.bytes;
  if (any && make_room(core_, now_, *queue_, part)) return {};
  return {RefusalCode::kQueueFull,
          "queue " + queue_->name() + " is full, and what it holds cannot go: it is leased to " +
              "consumers, or the dead letters have no room (limits.overflow)"};
}

void Publishing::accept() {
  storage::MessagesFact fact;
  fact.stream = stream_->id();
  fact.first = stream_->next();
  fact.count = summary_.count;
  fact.accepted_at = now_.wall;
  fact.producer = publisher_->producer;
  fact.producer_epoch = publisher_->epoch;
  fact.producer_sequence = command_.producer_sequence;
  fact.body_bytes = static_cast<std::uint32_t>(summary_.body_bytes);
  fact.flags =
      static_cast<std::uint8_t>((summary_.has_attributes ? storage::kMessagesHaveAttributes : 0) |
                                (summary_.has_timing ? storage::kMessagesHaveTiming : 0));
  storage::Appended at;
  if (large_) {
    at = core_.messages.append_large(fact, command_.entries, queue_->syncs());
    std::vector<std::byte> front;
    base::append_cut_entry(command_.entries, 0, false, front);
    CHECK(apply_fact(core_.state, fact, front, true, at.begin).has_value());
  } else {
    at = core_.messages.append(fact, command_.entries, queue_->syncs());
    CHECK(apply_fact(core_.state, fact, command_.entries, is_uniform(), at.begin).has_value());
  }
  stream_->last_record_end = at.end;
  for (const auto& subscription : stream_->subscriptions()) core_.touch(*subscription);
  if (overflows_) make_room(core_, now_, *queue_, {}, summary_.count);

  publisher_->messages += summary_.count;
  publisher_->bytes += bytes_;
  queue_->totals().published += summary_.count;
  queue_->totals().published_bytes += summary_.body_bytes;
  count_sizes();
  reply_.first = fact.first;
  reply(Core::wait_for(*queue_, at.end));
}

void Publishing::count_sizes() {
  Histogram& sizes = queue_->totals().message_bytes;
  if (is_uniform()) {
    sizes.add(static_cast<double>(summary_.largest_body), summary_.count);
    return;
  }
  base::ByteView entries = command_.entries;
  while (!entries.empty()) {
    sizes.add(static_cast<double>(base::take_entry(entries).body.size()));
  }
}

void Publishing::reply(Wait wait) {
  grant_credit(core_, *publisher_);
  reply_.messages_limit = publisher_->messages_limit;
  reply_.bytes_limit = publisher_->bytes_limit;
  core_.effects.emit(wait, std::move(reply_));
}

// The epoch that the publisher gets, in `epoch`.
Refusal take_epoch(Core& core, const OpenPublisher& command, Stream& stream, std::uint32_t& epoch) {
  if (command.producer.is_zero()) return {};
  const Producer* known = core.state.producers.find(command.producer);
  if (command.producer_epoch == 0) {
    storage::ProducerFact fact;
    fact.producer = command.producer;
    fact.epoch = core.state.producers.next_epoch(command.producer);
    epoch = fact.epoch;
    stream.last_record_end = core.record(fact, stream.queue().syncs());
    return {};
  }
  if (known == nullptr || command.producer_epoch > known->epoch) {
    return {RefusalCode::kUnknownProducer,
            "this producer is not known: open the publisher with epoch 0"};
  }
  if (command.producer_epoch < known->epoch) {
    return {RefusalCode::kProducerFenced,
            "a newer epoch of this producer exists: " + std::to_string(known->epoch) + " after " +
                std::to_string(command.producer_epoch)};
  }
  epoch = command.producer_epoch;
  return {};
}

// A session that opens the same thing again means to go on with the new handle.
void close_older(Core& core, const Session& session, const Stream& stream,
                 const base::ProducerId& producer) {
  std::vector<PublisherHandle> older;
  for (const PublisherHandle handle : session.publishers) {
    const Publisher& other = *core.sessions.publisher(handle);
    if (other.stream == &stream && other.producer == producer) older.push_back(handle);
  }
  for (const PublisherHandle handle : older) {
    core.sessions.close_publisher(*core.sessions.publisher(handle));
  }
}

}  // namespace

void publish(Core& core, base::Now now, const Publish& command) {
  Publishing(core, now, command).run();
}

void publish_chunk(Core& core, base::Now now, const PublishChunk& command) {
  Publish publish{command.origin, command.publisher, command.producer_sequence, command.piece, 1};
  Gathering* gathering = core.sessions.gathering(command.publisher);
  if (command.offset == 0) {
    if (!Publishing(core, now, publish, command.message_bytes).run()) return;
    const bool is_another =
        gathering != nullptr && (gathering->producer_sequence != command.producer_sequence ||
                                 gathering->request != command.origin.request);
    if (is_another) {
      give_up(core, command.publisher,
              {RefusalCode::kMalformed,
               "offset: another message began when " + std::to_string(gathering->entry.size()) +
                   " of " + std::to_string(gathering->message_bytes) +
                   " B were here: send a publisher's large messages one after the other"});
    }
    core.sessions.end_gathering(command.publisher);  // or it is sent anew
    gathering = begin_gathering(core, command);
    if (gathering == nullptr) return;
  }
  // What follows a refusal, or a message that was stored before, was under way already.
  const Publisher* publisher = core.sessions.publisher(command.publisher);
  if (gathering == nullptr || publisher->session != command.origin.session ||
      gathering->producer_sequence != command.producer_sequence) {
    return;
  }
  if (gathering->message_bytes != command.message_bytes) {
    return give_up(core, command.publisher,
                   {RefusalCode::kMalformed,
                    "message bytes: " + std::to_string(command.message_bytes) + ", but " +
                        std::to_string(gathering->message_bytes) +
                        " in the first piece: send the message again, all pieces with its size"});
  }
  if (gathering->entry.size() != command.offset) {
    return give_up(core, command.publisher,
                   {RefusalCode::kMalformed,
                    "offset: " + std::to_string(command.offset) + " does not follow the " +
                        std::to_string(gathering->entry.size()) +
                        " B before: send the message again, its pieces in order from offset 0"});
  }
  gathering->entry.insert(gathering->entry.end(), command.piece.begin(), command.piece.end());
  gathering->deadline = now.mono + base::Nanos(core.options.gathering_timeout);
  if (gathering->entry.size() < gathering->message_bytes) return;
  const std::vector<std::byte> entry = std::move(gathering->entry);
  publish.origin.request = gathering->request;
  publish.entries = entry;
  core.sessions.end_gathering(command.publisher);
  Publishing(core, now, publish, entry.size()).run();
}

void open_publisher(Core& core, base::Now, const OpenPublisher& asked) {
  OpenPublisher command = asked;
  command.producer = core.state.producers.id_of(asked.queue, asked.producer);
  PublisherOpened reply;
  reply.origin = command.origin;
  const auto refuse = [&](Refusal refusal) {
    reply.refusal = std::move(refusal);
    core.effects.emit(Wait{}, std::move(reply));
  };
  Session* session = core.sessions.find(command.origin.session);
  if (session == nullptr) return refuse({RefusalCode::kNoSession, "no session: say hello first"});
  Queue* queue = core.state.queue(command.queue);
  if (queue == nullptr) {
    return refuse({RefusalCode::kUnknownQueue, "no queue with id " + command.queue.to_hex()});
  }
  Stream* stream = nullptr;
  if (Refusal refusal = find_stream(core, *queue, command.shard, stream); refusal.refused()) {
    return refuse(std::move(refusal));
  }
  close_older(core, *session, *stream, command.producer);
  if (!SessionBook::has_room(*session)) {
    return refuse({RefusalCode::kLimitReached,
                   "this session has " + std::to_string(SessionBook::kHandlesMax) +
                       " attachments and publishers: open another session"});
  }
  std::uint32_t epoch = 0;
  if (Refusal refusal = take_epoch(core, command, *stream, epoch); refusal.refused()) {
    return refuse(std::move(refusal));
  }
  Publisher& publisher = core.sessions.open_publisher(*session, *stream);
  publisher.producer = command.producer;
  publisher.epoch = epoch;
  grant_credit(core, publisher);
  reply.publisher = publisher.handle;
  reply.producer_epoch = epoch;
  if (const Producer* producer = core.state.producers.find(command.producer)) {
    const ProducerStream* mine = producer->find(stream->id());
    reply.last_sequence = mine == nullptr ? 0 : mine->last;
  }
  reply.messages_limit = publisher.messages_limit;
  reply.bytes_limit = publisher.bytes_limit;
  reply.message_bytes_max = queue->config().limits.message_bytes_max;
  core.effects.emit(Core::wait_for(*queue, stream->last_record_end), std::move(reply));
}

}  // namespace sluice::broker
