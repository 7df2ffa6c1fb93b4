#include "frontend/zmq_gatekeeper.h"

#include <cerrno>
#include <utility>
#include <vector>

#include "access/zap.h"
#include "base/check.h"
#include "base/log.h"
#include "frontend/log_quota.h"
#include "frontend/zmq_parts.h"

namespace sluice::frontend {

class ZmqGatekeeper::Impl {
 public:
  Impl(zmq::context_t& context, std::shared_ptr<const access::KeyRing> ring)
      : ring_(std::move(ring)), socket_(context, zmq::socket_type::rep) {
    socket_.set(zmq::sockopt::linger, 0);
    socket_.bind("inproc://zeromq.zap.01");
  }
  void set_ring(std::shared_ptr<const access::KeyRing> ring) { ring_ = std::move(ring); }
  void serve(base::MonoTime now);
  std::uint64_t refused() const { return refused_; }
  void* handle() { return socket_.handle(); }

 private:
  std::shared_ptr<const access::KeyRing> ring_;
  zmq::socket_t socket_;
  std::uint64_t refused_ = 0;
  LogQuota quota_;
};

void ZmqGatekeeper::Impl::serve(base::MonoTime now) {
  while (true) {
    std::vector<zmq::message_t> parts(1);
    if (!socket_.recv(parts.back(), zmq::recv_flags::dontwait)) return;
    while (parts.back().more()) {
      parts.emplace_back();
      if (!socket_.recv(parts.back(), zmq::recv_flags::dontwait)) break;
    }
    std::vector<base::ByteView> request;
    request.reserve(parts.size());
    for (const zmq::message_t& part : parts) {
      request.emplace_back(part.data<std::byte>(), part.size());
    }
    const access::ZapAnswer answer = access::answer_zap(request, *ring_);
    if (!answer.granted && !answer.probe) {
      ++refused_;
      if (const auto untold = quota_.take(now)) {
        base::log_warn("key_refused", {{"reason", answer.reason}, {"untold", *untold}});
      }
    }
    for (std::size_t i = 0; i < answer.frames.size(); ++i) {
      const bool last = i + 1 == answer.frames.size();
      socket_.send(zmq::buffer(answer.frames[i]),
                   last ? zmq::send_flags::none : zmq::send_flags::sndmore);
    }
  }
}

base::Result<std::unique_ptr<ZmqGatekeeper>> ZmqGatekeeper::open(
    ZmqContext& context, std::shared_ptr<const access::KeyRing> ring) {
  if (zmq_has("curve") == 0) {
    return base::failed_precondition("keys: this libzmq was built without CURVE");
  }
  try {
    auto impl = std::make_unique<Impl>(context.impl().context, std::move(ring));
    return std::unique_ptr<ZmqGatekeeper>(new ZmqGatekeeper(std::move(impl)));
  } catch (const zmq::error_t& error) {
    return zmq_error("the gatekeeper", error.num());
  }
}

ZmqGatekeeper::ZmqGatekeeper(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
ZmqGatekeeper::~ZmqGatekeeper() = default;

void ZmqGatekeeper::set_ring(std::shared_ptr<const access::KeyRing> ring) {
  impl_->set_ring(std::move(ring));
}
void ZmqGatekeeper::serve(base::MonoTime now) {
  try {
    impl_->serve(now);
  } catch (const zmq::error_t& error) {
    CHECK(error.num() == EINTR);
  }
}
std::uint64_t ZmqGatekeeper::refused() const { return impl_->refused(); }
void* ZmqGatekeeper::handle() { return impl_->handle(); }

}  // namespace sluice::frontend
