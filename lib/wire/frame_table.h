#pragma once

#include <string_view>

#include "wire/frame.h"

namespace sluice::wire {

// Ties each frame's struct to its number and name. Private to the codec.
template <typename T>
struct FrameTraits;

// X(struct, number, name), in the order of `Body`.
#define SLUICE_FRAMES(X)                                      \
  X(Hello, kHello, "HELLO")                                   \
  X(Welcome, kWelcome, "WELCOME")                             \
  X(Heartbeat, kHeartbeat, "HEARTBEAT")                       \
  X(HeartbeatReply, kHeartbeatReply, "HEARTBEAT_REPLY")       \
  X(Goodbye, kGoodbye, "GOODBYE")                             \
  X(GoodbyeReply, kGoodbyeReply, "GOODBYE_REPLY")             \
  X(ErrorFrame, kError, "ERROR")                              \
  X(Resolve, kResolve, "RESOLVE")                             \
  X(Resolved, kResolved, "RESOLVED")                          \
  X(OpenPublisher, kOpenPublisher, "OPEN_PUBLISHER")          \
  X(PublisherOpened, kPublisherOpened, "PUBLISHER_OPENED")    \
  X(Publish, kPublish, "PUBLISH")                             \
  X(Published, kPublished, "PUBLISHED")                       \
  X(PublishCredit, kPublishCredit, "PUBLISH_CREDIT")          \
  X(Attach, kAttach, "ATTACH")                                \
  X(Attached, kAttached, "ATTACHED")                          \
  X(Credit, kCredit, "CREDIT")                                \
  X(Deliver, kDeliver, "DELIVER")                             \
  X(Settle, kSettle, "SETTLE")                                \
  X(Settled, kSettled, "SETTLED")                             \
  X(Extend, kExtend, "EXTEND")                                \
  X(Extended, kExtended, "EXTENDED")                          \
  X(Detach, kDetach, "DETACH")                                \
  X(Detached, kDetached, "DETACHED")                          \
  X(AttachmentClosed, kAttachmentClosed, "ATTACHMENT_CLOSED") \
  X(ShardMap, kShardMap, "SHARD_MAP")                         \
  X(Peek, kPeek, "PEEK")                                      \
  X(Peeked, kPeeked, "PEEKED")                                \
  X(Stat, kStat, "STAT")                                      \
  X(Stated, kStated, "STATED")                                \
  X(Redrive, kRedrive, "REDRIVE")                             \
  X(Purge, kPurge, "PURGE")                                   \
  X(Task, kTask, "TASK")                                      \
  X(CancelTask, kCancelTask, "CANCEL_TASK")                   \
  X(DeleteQueue, kDeleteQueue, "DELETE_QUEUE")                \
  X(QueueDeleted, kQueueDeleted, "QUEUE_DELETED")             \
  X(Observe, kObserve, "OBSERVE")                             \
  X(Observation, kObservation, "OBSERVATION")                 \
  X(Configure, kConfigure, "CONFIGURE")                       \
  X(Configured, kConfigured, "CONFIGURED")                    \
  X(Cordon, kCordon, "CORDON")                                \
  X(Cordoned, kCordoned, "CORDONED")                          \
  X(Seek, kSeek, "SEEK")                                      \
  X(Seeked, kSeeked, "SEEKED")                                \
  X(AttachWith, kAttachWith, "ATTACH_WITH")                   \
  X(DiscardDamaged, kDiscardDamaged, "DISCARD_DAMAGED")       \
  X(DamagedDiscarded, kDamagedDiscarded, "DAMAGED_DISCARDED") \
  X(StartTask, kStartTask, "START_TASK")                      \
  X(StartShardTask, kStartShardTask, "START_SHARD_TASK")      \
  X(TaskStatus, kTaskStatus, "TASK_STATUS")                   \
  X(Chunk, kChunk, "CHUNK")                                   \
  X(DeliverChunk, kDeliverChunk, "DELIVER_CHUNK")             \
  X(ChunkCredit, kChunkCredit, "CHUNK_CREDIT")                \
  X(RemoveQueue, kRemoveQueue, "REMOVE_QUEUE")                \
  X(QueueRemoved, kQueueRemoved, "QUEUE_REMOVED")             \
  X(Watch, kWatch, "WATCH")                                   \
  X(Changes, kChanges, "CHANGES")

#define SLUICE_FRAME_TRAITS(Struct, Number, Name)         \
  template <>                                             \
  struct FrameTraits<Struct> {                            \
    static constexpr FrameType kType = FrameType::Number; \
    static constexpr std::string_view kName = Name;       \
  };
SLUICE_FRAMES(SLUICE_FRAME_TRAITS)
#undef SLUICE_FRAME_TRAITS

}  // namespace sluice::wire
