#include "access/frame_roles.h"

namespace sluice::access {

RoleSet roles_for(wire::FrameType type) {
  // Without a default: a frame that comes in has to be given its role.
  switch (type) {
    case wire::FrameType::kHello:
    case wire::FrameType::kWelcome:
    case wire::FrameType::kHeartbeat:
    case wire::FrameType::kHeartbeatReply:
    case wire::FrameType::kGoodbye:
    case wire::FrameType::kGoodbyeReply:
    case wire::FrameType::kError:
      return {};
    case wire::FrameType::kResolve:
      return RoleSet(Role::kProduce) | Role::kConsume | Role::kInspect | Role::kAdmin;
    case wire::FrameType::kOpenPublisher:
    case wire::FrameType::kPublish:
    case wire::FrameType::kChunk:
      return Role::kProduce;
    case wire::FrameType::kAttach:
    case wire::FrameType::kAttachWith:
    case wire::FrameType::kCredit:
    case wire::FrameType::kChunkCredit:
    case wire::FrameType::kSettle:
    case wire::FrameType::kExtend:
    case wire::FrameType::kDetach:
      return Role::kConsume;
    case wire::FrameType::kPeek:
    case wire::FrameType::kStat:
      return Role::kInspect;
    case wire::FrameType::kRedrive:
    case wire::FrameType::kPurge:
    case wire::FrameType::kCancelTask:
    case wire::FrameType::kStartTask:
    case wire::FrameType::kStartShardTask:
    case wire::FrameType::kDeleteQueue:
    case wire::FrameType::kSeek:
    case wire::FrameType::kDiscardDamaged:
      return Role::kAdmin;
    case wire::FrameType::kObserve:
    case wire::FrameType::kConfigure:
    case wire::FrameType::kCordon:
    case wire::FrameType::kRemoveQueue:
    case wire::FrameType::kWatch:
      return Role::kOperator;
    case wire::FrameType::kResolved:
    case wire::FrameType::kPublisherOpened:
    case wire::FrameType::kPublished:
    case wire::FrameType::kPublishCredit:
    case wire::FrameType::kAttached:
    case wire::FrameType::kDeliver:
    case wire::FrameType::kDeliverChunk:
    case wire::FrameType::kSettled:
    case wire::FrameType::kExtended:
    case wire::FrameType::kDetached:
    case wire::FrameType::kAttachmentClosed:
    case wire::FrameType::kShardMap:
    case wire::FrameType::kPeeked:
    case wire::FrameType::kStated:
    case wire::FrameType::kTask:
    case wire::FrameType::kTaskStatus:
    case wire::FrameType::kQueueDeleted:
    case wire::FrameType::kSeeked:
    case wire::FrameType::kDamagedDiscarded:
    case wire::FrameType::kObservation:
    case wire::FrameType::kConfigured:
    case wire::FrameType::kCordoned:
    case wire::FrameType::kQueueRemoved:
    case wire::FrameType::kChanges:
      return {};
  }
  return {};
}

}  // namespace sluice::access
