#include "client/connection.h"

#include <utility>

#include "base/check.h"
#include "client/connection_impl.h"
#include "client/zmq_transport.h"

namespace sluice::client {

base::Result<std::unique_ptr<Connection>> Connection::open(ConnectionOptions options) {
  std::unique_ptr<Transport> transport = make_zmq_transport(
      options.endpoint, options.keys_folder, options.credentials, options.endpoint_wins);
  return open(std::move(options), std::move(transport));
}

base::Result<std::unique_ptr<Connection>> Connection::open(ConnectionOptions options,
                                                           std::unique_ptr<Transport> transport) {
  auto impl = std::make_unique<Impl>(std::move(options), std::move(transport));
  RETURN_IF_ERROR(impl->open());
  return std::unique_ptr<Connection>(new Connection(std::move(impl)));
}

Connection::Connection(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

Connection::~Connection() {
  CHECK(!impl_->has_users());
  impl_->say_goodbye();
}

base::Status Connection::close(base::Millis timeout) { return impl_->close(timeout); }

base::Status Connection::poll(base::Millis timeout) { return impl_->round(impl_->after(timeout)); }

void Connection::interrupt() { impl_->interrupt(); }

base::Status Connection::poll_until(const std::function<bool()>& done, base::Millis timeout) {
  return impl_->run_until(done, impl_->after(timeout), "not done");
}

base::Result<Connection::Answer> Connection::request(const wire::Body& body,
                                                     const RequestOptions& options) {
  return impl_->request(body, options);
}

Connection& Connection::peer(const std::string& endpoint) { return impl_->peer(endpoint); }

void Connection::add_user(ConnectionUser* user) { impl_->add_user(user); }
void Connection::remove_user(ConnectionUser* user) { impl_->remove_user(user); }
bool Connection::ready() const { return impl_->state().open(); }
std::uint64_t& Connection::last_epoch(const base::QueueId& queue, base::ShardIndex shard,
                                      std::string_view subscription) {
  return impl_->last_epoch(queue, shard, subscription);
}
std::uint64_t Connection::next_request() { return impl_->next_request(); }
wire::FrameHeader Connection::header(std::uint64_t request) const {
  return impl_->state().header(request);
}
bool Connection::send(const wire::Body& body, std::uint64_t request) {
  return impl_->send(body, request);
}
bool Connection::send(std::shared_ptr<OutboundBuffer> frame) {
  return impl_->send(std::move(frame));
}

base::MonoTime Connection::now() const { return impl_->now(); }
const ConnectionOptions& Connection::options() const { return impl_->options(); }
const base::SessionId& Connection::session_id() const { return impl_->state().id(); }
std::uint32_t Connection::incarnation() const { return impl_->state().incarnation(); }
std::uint64_t Connection::features() const { return impl_->features(); }
const std::string& Connection::broker_software() const { return impl_->software(); }
base::Id128 Connection::draw_id() { return impl_->draw_id(); }
std::uint64_t Connection::reconnects() const {
  return impl_->sessions() == 0 ? 0 : impl_->sessions() - 1;
}

}  // namespace sluice::client
