#include "client/publisher.h"

#include <utility>

#include "client/publisher_impl.h"

namespace sluice::client {

base::Result<std::unique_ptr<Publisher>> Publisher::open(Connection& connection,
                                                         PublisherOptions options) {
  ASSIGN_OR_RETURN(ResolvedQueue queue, resolve_queue(connection, options.queue));
  const bool is_named = !options.producer.is_zero();
  if (!is_named) options.producer = base::ProducerId(connection.draw_id());
  std::unique_ptr<Publisher> publisher(new Publisher());
  publisher->impl_ =
      std::make_unique<Impl>(connection, std::move(options), std::move(queue), publisher->fast_);
  RETURN_IF_ERROR(publisher->impl_->open(is_named));
  return publisher;
}

Publisher::Publisher() = default;
Publisher::~Publisher() = default;

base::Status Publisher::publish(const base::Message& message) { return impl_->publish(message); }
base::Status Publisher::append_slow(base::ByteView body) { return impl_->append(body); }
void Publisher::publish_frame(MadeBatch batch) { impl_->publish_frame(std::move(batch)); }
base::Status Publisher::send() { return impl_->send(); }
base::Status Publisher::flush(base::Millis timeout) { return impl_->flush(timeout); }
base::Result<Publisher::Stored> Publisher::publish_sync(const base::Message& message,
                                                        base::Millis timeout) {
  return impl_->publish_sync(message, timeout);
}
base::Status Publisher::poll(base::Millis timeout) { return impl_->poll(timeout); }
std::uint64_t Publisher::outstanding_messages() const { return impl_->outstanding_messages(); }
std::size_t Publisher::shards() const { return impl_->shards(); }
const wire::SlotTable& Publisher::slots() const { return impl_->queue().slots; }
std::uint32_t Publisher::message_bytes_max() const { return impl_->queue().message_bytes_max; }
base::Status Publisher::failure() const { return impl_->failure(); }
const base::ProducerId& Publisher::producer() const { return impl_->producer(); }

std::uint16_t Publisher::first_shard() const { return impl_->first_shard(); }
std::uint64_t Publisher::last_sequence(base::ShardIndex shard) const {
  return impl_->last_sequence(shard);
}
const PublisherStats& Publisher::stats() const { return impl_->stats(); }

}  // namespace sluice::client
