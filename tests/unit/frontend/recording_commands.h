#pragma once

#include <algorithm>
#include <map>
#include <string>
#include <variant>
#include <vector>

#include "frontend/commands.h"
#include "frontend/frame_output.h"
#include "storage/message_store.h"
#include "wire/frame_codec.h"

namespace sluice::frontend {

using AnyCommand =
    std::variant<broker::OpenSession, broker::SessionGone, broker::OpenPublisher, broker::Publish,
                 broker::PublishChunk, broker::Attach, broker::ChunksSent, broker::DeliveriesLeft,
                 broker::Detach, broker::Credit, broker::Settle, broker::Extend,
                 broker::DeleteQueue, broker::Seek, broker::DiscardDamaged, broker::StartTask,
                 broker::CancelTask, broker::Peek, broker::Cordon>;

// Keeps what it is told; knows one queue.
class RecordingCommands final : public Commands {
 public:
  void apply(base::Now, const broker::OpenSession& c) override { all.emplace_back(c); }
  void apply(base::Now, const broker::SessionGone& c) override { all.emplace_back(c); }
  void apply(base::Now, const broker::OpenPublisher& c) override { all.emplace_back(c); }
  void apply(base::Now, const broker::Publish& c) override { all.emplace_back(c); }
  void apply(base::Now, const broker::PublishChunk& c) override { all.emplace_back(c); }
  void apply(base::Now, const broker::ChunksSent& c) override { all.emplace_back(c); }
  void deliveries_left(base::Now, const broker::DeliveriesLeft& c) override { all.emplace_back(c); }
  void apply(base::Now, const broker::Attach& c) override { all.emplace_back(c); }
  void apply(base::Now, const broker::Detach& c) override { all.emplace_back(c); }
  void apply(base::Now, const broker::Credit& c) override { all.emplace_back(c); }
  void apply(base::Now, const broker::Settle& c) override { all.emplace_back(c); }
  void apply(base::Now, const broker::Extend& c) override { all.emplace_back(c); }
  void apply(base::Now, const broker::DeleteQueue& c) override { all.emplace_back(c); }
  void apply(base::Now, const broker::Seek& c) override { all.emplace_back(c); }
  void apply(base::Now, const broker::Cordon& c) override { all.emplace_back(c); }
  void apply(base::Now, const broker::DiscardDamaged& c) override { all.emplace_back(c); }
  void apply(base::Now, const broker::StartTask& c) override { all.emplace_back(c); }
  void apply(base::Now, const broker::CancelTask& c) override { all.emplace_back(c); }
  void apply(base::Now, const broker::Peek& c) override { all.emplace_back(c); }
  std::optional<base::QueueId> find_queue(std::string_view name) const override {
    if (name != queue.name) return std::nullopt;
    return queue_id;
  }
  std::optional<base::QueueId> find_task(const base::TaskId& task) const override {
    if (task != task_id) return std::nullopt;
    return queue_id;
  }
  const broker::QueueConfig* config(const base::QueueId& id) const override {
    return id == queue_id ? &queue : nullptr;
  }
  std::uint32_t feature_level() const override { return level; }
  std::uint64_t changes() const override { return changed; }
  bool removals_durable() const override { return removed_durably; }
  base::Lsn sync_appended() override {
    ++syncs_asked;
    return end;
  }

  // The last command, if it is of this kind.
  template <typename T>
  const T* last() const {
    return all.empty() ? nullptr : std::get_if<T>(&all.back());
  }
  template <typename T>
  std::size_t count() const {
    std::size_t found = 0;
    for (const AnyCommand& command : all) found += std::holds_alternative<T>(command) ? 1U : 0U;
    return found;
  }

  std::vector<AnyCommand> all;
  int syncs_asked = 0;
  base::TaskId task_id;  // runs on that queue
  broker::QueueConfig queue;
  base::QueueId queue_id;
  base::Lsn end{100};
  std::uint32_t level = 2;
  std::uint64_t changed = 0;
  bool removed_durably = true;
};

// Keeps what is sent, and answers as it is told.
class RecordingOutput final : public FrameOutput {
 public:
  struct Sent {
    Peer peer;
    std::vector<std::byte> bytes;
    wire::Frame frame() const { return *wire::decode_frame(bytes); }
    template <typename T>
    T body() const {
      return std::get<T>(frame().body);
    }
  };

  SendResult send(Peer peer, base::ByteView frame) override {
    if (result == SendResult::kSent) sent.push_back({peer, {frame.begin(), frame.end()}});
    return result;
  }
  SendResult send(Peer peer, std::size_t bytes, const Fill& fill) override {
    std::vector<std::byte> frame(bytes);
    if (!fill(frame).has_value()) return SendResult::kFailed;
    return send(peer, frame);
  }
  void send_or_drop(Peer peer, base::ByteView frame) override {
    if (result == SendResult::kSent) sent.push_back({peer, {frame.begin(), frame.end()}});
  }
  void forget(Peer peer) override { forgotten.push_back(peer); }
  std::size_t waiting_bytes(Peer) override { return waiting; }

  std::size_t waiting = 0;
  SendResult result = SendResult::kSent;
  std::vector<Sent> sent;
  std::vector<Peer> forgotten;
};

// Serves slices from a row of bytes; nothing else is asked of it here.
class FixedMessages final : public storage::MessageStore {
 public:
  storage::Appended append(storage::MessagesFact, base::ByteView, bool) override { return {}; }
  storage::Appended append_large(storage::MessagesFact, base::ByteView, bool) override {
    return {};
  }
  base::Result<std::optional<storage::BatchLocation>> locate(const storage::StreamId&,
                                                             base::Sequence) override {
    return std::optional<storage::BatchLocation>();
  }
  base::Result<storage::EntrySlice> slice(const storage::BatchLocation&, base::Sequence,
                                          base::Sequence, std::uint32_t) override {
    return base::not_found("none");
  }
  base::Result<base::ByteView> read(const storage::EntrySlice& slice) override {
    if (unreadable) return base::corruption("block 1");
    return base::ByteView(bytes).subspan(slice.offset, slice.bytes);
  }

  // In pieces of 100,000 bytes.
  base::Result<base::ByteView> read_piece(const storage::EntrySlice& slice,
                                          std::uint64_t offset) override {
    constexpr std::uint64_t kPiece = 100'000;
    if (unreadable) return base::corruption("block 1");
    const std::uint64_t end = std::min<std::uint64_t>((offset / kPiece + 1) * kPiece, slice.bytes);
    return base::ByteView(bytes).subspan(offset, end - offset);
  }
  bool piece_ready(const storage::EntrySlice&, std::uint64_t) override { return is_ready; }

  std::vector<std::byte> bytes;
  bool unreadable = false;
  bool is_ready = true;
};

}  // namespace sluice::frontend
