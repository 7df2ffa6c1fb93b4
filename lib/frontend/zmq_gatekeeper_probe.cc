#include "frontend/zmq_gatekeeper_probe.h"

#include <algorithm>
#include <cerrno>
#include <string>
#include <vector>

#include "access/zap.h"
#include "base/check.h"
#include "base/log.h"
#include "frontend/zmq_parts.h"

namespace sluice::frontend {

class ZmqGatekeeperProbe::Impl {
 public:
  explicit Impl(zmq::context_t& context) : socket_(context, zmq::socket_type::dealer) {
    socket_.set(zmq::sockopt::linger, 0);
  }
  void tick();
  bool answers() const { return misses_ < kMissesMax; }

 private:
  bool take_answer();
  void ask();
  void judge(bool answered);

  zmq::socket_t socket_;
  bool began_ = false;
  bool asked_ = false;  // and not answered
  int misses_ = 0;
};

void ZmqGatekeeperProbe::Impl::tick() {
  try {
    if (began_) judge(take_answer());
    began_ = true;
    ask();
  } catch (const zmq::error_t& error) {
    CHECK(error.num() == EINTR);
  }
}

bool ZmqGatekeeperProbe::Impl::take_answer() {
  bool any = false;
  zmq::message_t part;
  while (socket_.recv(part, zmq::recv_flags::dontwait)) any = true;
  if (any) asked_ = false;
  return any;
}

void ZmqGatekeeperProbe::Impl::judge(bool answered) {
  if (answered) {
    if (!answers()) base::log_info("gatekeeper_answers");
    misses_ = 0;
    return;
  }
  misses_ = std::min(misses_ + 1, kMissesMax + 1);
  if (misses_ == kMissesMax) {
    base::log_error("gatekeeper_silent", {{"effect", "no new connection is let in"}});
  }
}

// One at a time. Whoever is connected to nobody yet can ask: it is then heard when somebody comes.
void ZmqGatekeeperProbe::Impl::ask() {
  if ((socket_.get(zmq::sockopt::events) & ZMQ_POLLOUT) == 0) {
    socket_.connect("inproc://zeromq.zap.01");
    asked_ = false;
  }
  if (asked_) return;
  // The other end is a REP socket, which wants an empty frame before the request.
  constexpr zmq::send_flags kMore = zmq::send_flags::sndmore | zmq::send_flags::dontwait;
  if (!socket_.send(zmq::message_t(), kMore)) return;
  const std::vector<std::string> frames = access::probe_zap();
  for (std::size_t i = 0; i < frames.size(); ++i) {
    const bool last = i + 1 == frames.size();
    if (!socket_.send(zmq::buffer(frames[i]), last ? zmq::send_flags::dontwait : kMore)) return;
  }
  asked_ = true;
}

ZmqGatekeeperProbe::ZmqGatekeeperProbe(ZmqContext& context)
    : impl_(std::make_unique<Impl>(context.impl().context)) {}
ZmqGatekeeperProbe::~ZmqGatekeeperProbe() = default;

void ZmqGatekeeperProbe::tick() { impl_->tick(); }
bool ZmqGatekeeperProbe::answers() const { return impl_->answers(); }

}  // namespace sluice::frontend
