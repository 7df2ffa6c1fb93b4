#include "access/zap.h"

#include <utility>

#include "access/key_text.h"

namespace sluice::access {
namespace {

// version, request id, domain, address, routing id, mechanism, key
constexpr std::size_t kRequestFrames = 7;
constexpr std::size_t kDomainAt = 2;
constexpr std::size_t kMechanismAt = 5;
// ZeroMQ asks for connections, and those have the domain of their socket.
constexpr std::string_view kProbeDomain = "sluice-probe";
constexpr std::string_view kVersion = "1.0";

ZapAnswer refuse(std::string_view request, std::string reason) {
  ZapAnswer answer;
  answer.frames = {std::string(kVersion), std::string(request), "400", "refused", "", ""};
  answer.reason = std::move(reason);
  return answer;
}

}  // namespace

ZapAnswer answer_zap(std::span<const base::ByteView> request, const KeyRing& ring) {
  const std::string_view id = request.size() > 1 ? base::as_text(request[1]) : "";
  if (request.size() != kRequestFrames || base::as_text(request[0]) != kVersion) {
    return refuse(id, "no request of version 1.0");
  }
  if (base::as_text(request[kDomainAt]) == kProbeDomain) {
    ZapAnswer answer = refuse(id, "a probe");
    answer.probe = true;
    return answer;
  }
  if (base::as_text(request[kMechanismAt]) != "CURVE") return refuse(id, "not with a key");
  const base::ByteView key = request[kMechanismAt + 1];
  if (key.size() != kKeyBytes) return refuse(id, "no key");
  std::string text = to_key_text(key);
  if (ring.find(text) == nullptr) return refuse(id, "unknown key " + text);
  ZapAnswer answer;
  answer.granted = true;
  answer.frames = {std::string(kVersion), std::string(id), "200", "", std::move(text), ""};
  return answer;
}

std::vector<std::string> probe_zap() {
  return {std::string(kVersion), "probe", std::string(kProbeDomain), "", "", "NULL", ""};
}

}  // namespace sluice::access
