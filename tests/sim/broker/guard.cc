#include "tests/sim/broker/guard.h"

#include "base/check.h"

namespace sluice::sim {
namespace {

constexpr std::size_t kKeyChars = 40;

std::string line(Who who, const std::string& name, std::string_view roles,
                 std::string_view queues) {
  return name + " " + Guard::key_of(who) + " " + std::string(roles) + " " + std::string(queues) +
         "\n";
}

}  // namespace

Who who_is(std::string_view process) {
  for (const std::string_view name : {"producer", "seeds", "small"}) {
    if (process.starts_with(name)) return Who::kProducer;
  }
  if (process.starts_with("admin")) return Who::kAdmin;
  if (process.starts_with("nosy")) return Who::kNosy;
  if (process.starts_with("elsewhere")) return Who::kElsewhere;
  return Who::kConsumer;
}

std::string Guard::key_of(Who who) {
  if (who == Who::kStranger) return {};
  return std::string(kKeyChars, static_cast<char>('a' + static_cast<int>(who)));
}

std::shared_ptr<const access::KeyRing> Guard::ring() const {
  const std::string consumers = "consumers-" + std::to_string(generation_);
  const auto parsed = access::KeyRing::parse(
      line(Who::kProducer, "producers", "produce", "*") +
      line(Who::kConsumer, consumers, consumers_may_consume_ ? "consume,produce" : "produce", "*") +
      line(Who::kAdmin, "admins", "admin,inspect", "*") +
      line(Who::kOperator, "operator", "operator", "*") + line(Who::kNosy, "nosy", "inspect", "*") +
      line(Who::kElsewhere, "elsewhere", "produce,consume,inspect,admin", "elsewhere*"));
  CHECK(parsed.has_value());
  return std::make_shared<const access::KeyRing>(*parsed);
}

bool Guard::is_lawful(std::string_view key, wire::FrameType type) const {
  switch (type) {
    case wire::FrameType::kHello:
    case wire::FrameType::kHeartbeat:
    case wire::FrameType::kGoodbye:
      return !key.empty();
    case wire::FrameType::kPublish:
    case wire::FrameType::kChunk:
    case wire::FrameType::kOpenPublisher:
      return key == key_of(Who::kProducer) || key == key_of(Who::kConsumer);
    case wire::FrameType::kPurge:
    case wire::FrameType::kRedrive:
    case wire::FrameType::kStartTask:
    case wire::FrameType::kStartShardTask:
    case wire::FrameType::kSeek:
    case wire::FrameType::kDeleteQueue:
      return key == key_of(Who::kAdmin);
    case wire::FrameType::kRemoveQueue:
    case wire::FrameType::kConfigure:
      return key == key_of(Who::kOperator);
    case wire::FrameType::kAttach:
    case wire::FrameType::kAttachWith:
    case wire::FrameType::kSettle:
    case wire::FrameType::kExtend:
      return key == key_of(Who::kConsumer) && consumers_may_consume_;
    default:
      // Changes nothing that anybody else would notice.
      return !key.empty() && key != key_of(Who::kNosy) && key != key_of(Who::kElsewhere);
  }
}

bool Guard::may_have(std::string_view key, wire::FrameType type) const {
  if (type != wire::FrameType::kDeliver && type != wire::FrameType::kDeliverChunk) return true;
  return key == key_of(Who::kConsumer) && consumers_may_consume_;
}

}  // namespace sluice::sim
