#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

#include "base/message.h"
#include "base/time.h"
#include "client/publish_lane.h"
#include "wire/frame_codec.h"

// What tests of PublishLane give it.
namespace sluice::client {

inline constexpr base::MonoTime kNow{1'000'000'000};

inline PendingBatch batch_of(std::uint32_t count) {
  PendingBatch batch;
  batch.count = count;
  const std::size_t bytes = wire::kPublishPrefixBytes + count * base::kEntryHeaderBytes;
  batch.frame = std::make_shared<OutboundBuffer>(bytes);
  batch.frame->resize(bytes);
  for (std::size_t at = wire::kPublishPrefixBytes; at < bytes; at += base::kEntryHeaderBytes) {
    base::store(batch.frame->data() + at, std::uint64_t{base::kEntryHeaderBytes});
  }
  return batch;
}

inline wire::PublisherOpened opened(std::uint64_t last_sequence = 0,
                                    std::uint64_t messages = 1'000) {
  wire::PublisherOpened opened;
  opened.publisher = 4;
  opened.producer_epoch = 2;
  opened.last_sequence = last_sequence;
  opened.messages_limit = messages;
  opened.message_bytes_max = 1'000'000;
  opened.bytes_limit = messages * base::kEntryHeaderBytes;
  return opened;
}

}  // namespace sluice::client
