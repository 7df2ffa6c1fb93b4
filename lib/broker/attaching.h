#pragma once

#include "base/time.h"
#include "broker/core.h"

// Sessions and their links to subscriptions.
namespace sluice::broker {

void open_session(Core& core, base::Now now, const OpenSession& command);
void session_gone(Core& core, base::Now now, const SessionGone& command);

void attach(Core& core, base::Now now, const Attach& command);
void detach(Core& core, base::Now now, const Detach& command);
void give_credit(Core& core, const Credit& command);
void chunks_sent(Core& core, const ChunksSent& command);

// The attachments of a subscription that goes away: tells their sessions why. Its leases are void.
void close_attachments(Core& core, const Subscription& subscription, const Refusal& reason);
void close_publishers(Core& core, const Queue& queue);

// nullptr = unknown, or another session's.
Attachment* attachment_of(Core& core, SessionHandle session, AttachmentHandle handle);

}  // namespace sluice::broker
