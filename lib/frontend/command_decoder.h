#pragma once

#include "broker/command.h"
#include "wire/frame.h"

// Wire frames -> broker commands. Pure; views of the frame stay views.
namespace sluice::frontend {

broker::OpenPublisher to_command(broker::Origin origin, const wire::OpenPublisher& frame);
broker::Publish to_command(broker::Origin origin, const wire::Publish& frame);
broker::Attach to_command(broker::Origin origin, const wire::Attach& frame);
broker::PublishChunk to_command(broker::Origin origin, const wire::Chunk& frame);
broker::Attach to_command(broker::Origin origin, const wire::AttachWith& frame);
broker::Seek to_command(broker::Origin origin, const wire::Seek& frame);
broker::DiscardDamaged to_command(broker::Origin origin, const wire::DiscardDamaged& frame);
broker::Detach to_command(broker::Origin origin, const wire::Detach& frame);
broker::Credit to_command(broker::Origin origin, const wire::Credit& frame);
// A request number of 0 asks for no reply.
broker::Settle to_command(broker::Origin origin, const wire::Settle& frame);
broker::Extend to_command(broker::Origin origin, const wire::Extend& frame);
broker::DeleteQueue to_command(broker::Origin origin, const wire::DeleteQueue& frame);
broker::StartTask to_command(broker::Origin origin, const wire::Redrive& frame);
broker::StartTask to_command(broker::Origin origin, const wire::Purge& frame);
broker::StartTask to_command(broker::Origin origin, const wire::StartTask& frame);
broker::StartTask to_command(broker::Origin origin, const wire::StartShardTask& frame);
broker::CancelTask to_command(broker::Origin origin, const wire::CancelTask& frame);
broker::Peek to_command(broker::Origin origin, const wire::Peek& frame);

}  // namespace sluice::frontend
