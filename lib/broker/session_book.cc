#include "broker/session_book.h"

#include <algorithm>

#include "base/check.h"
#include "broker/queue.h"

namespace sluice::broker {

Session* SessionBook::find(SessionHandle handle) {
  const auto found = sessions_.find(handle);
  return found == sessions_.end() ? nullptr : found->second.get();
}

const Session* SessionBook::find(SessionHandle handle) const {
  const auto found = sessions_.find(handle);
  return found == sessions_.end() ? nullptr : found->second.get();
}

Session* SessionBook::find(const base::SessionId& id) {
  const auto found = by_id_.find(id);
  return found == by_id_.end() ? nullptr : found->second;
}

Session& SessionBook::open(const OpenSession& command) {
  auto session = std::make_unique<Session>();
  session->handle = command.session;
  session->id = command.id;
  session->epoch = command.epoch;
  session->client = command.client;
  Session& opened = *session;
  CHECK(by_id_.emplace(command.id, &opened).second);
  CHECK(sessions_.emplace(command.session, std::move(session)).second);
  return opened;
}

void SessionBook::close(Session& session) {
  CHECK(session.attachments.empty() && session.publishers.empty());
  by_id_.erase(session.id);
  sessions_.erase(session.handle);
}

Attachment* SessionBook::attachment(AttachmentHandle handle) {
  const auto found = attachments_.find(handle);
  return found == attachments_.end() ? nullptr : found->second.get();
}

Attachment& SessionBook::attach(Session& session, Subscription& subscription) {
  auto made = std::make_unique<Attachment>();
  made->handle = AttachmentHandle(++attachments_made_);
  made->session = session.handle;
  made->subscription = &subscription;
  session.attachments.insert(made->handle);
  subscription.attachments += 1;
  Attachment& attachment = *made;
  CHECK(attachments_.emplace(attachment.handle, std::move(made)).second);
  return attachment;
}

void SessionBook::detach(Attachment& attachment) {
  std::erase(attachment.subscription->ring, attachment.handle);
  std::erase(attachment.subscription->dead_ring, attachment.handle);
  attachment.subscription->attachments -= 1;
  find(attachment.session)->attachments.erase(attachment.handle);
  attachments_.erase(attachment.handle);
}

Publisher* SessionBook::publisher(PublisherHandle handle) {
  const auto found = publishers_.find(handle);
  return found == publishers_.end() ? nullptr : found->second.get();
}

Publisher& SessionBook::open_publisher(Session& session, Stream& stream) {
  auto made = std::make_unique<Publisher>();
  made->handle = PublisherHandle(++publishers_made_);
  made->session = session.handle;
  made->stream = &stream;
  session.publishers.insert(made->handle);
  stream.queue().publishers.insert(made->handle);
  Publisher& publisher = *made;
  CHECK(publishers_.emplace(publisher.handle, std::move(made)).second);
  return publisher;
}

void SessionBook::close_publisher(Publisher& publisher) {
  end_gathering(publisher.handle);
  Queue& queue = publisher.stream->queue();
  queue.publishers.erase(publisher.handle);
  queue.short_of_credit.erase(publisher.handle);
  find(publisher.session)->publishers.erase(publisher.handle);
  publishers_.erase(publisher.handle);
}

Gathering* SessionBook::gathering(PublisherHandle publisher) {
  const auto found = gatherings_.find(publisher);
  return found == gatherings_.end() ? nullptr : &found->second;
}

Gathering& SessionBook::gather(PublisherHandle publisher, std::uint64_t message_bytes) {
  const auto [made, is_new] = gatherings_.try_emplace(publisher);
  CHECK(is_new);
  made->second.message_bytes = message_bytes;
  made->second.entry.reserve(message_bytes);
  gathered_bytes_ += message_bytes;
  return made->second;
}

void SessionBook::end_gathering(PublisherHandle publisher) {
  const auto found = gatherings_.find(publisher);
  if (found == gatherings_.end()) return;
  gathered_bytes_ -= found->second.message_bytes;
  gatherings_.erase(found);
}

}  // namespace sluice::broker
