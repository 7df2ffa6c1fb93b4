#include <string>

#include "base/duration.h"
#include "operator/api/field_limits.h"
#include "operator/api/spec_decoder.h"

namespace sluice::api {
namespace {

void decode_backoff(const YamlNode* node, const std::string& path, DecodeContext& context,
                    Backoff& out) {
  ObjectReader reader(node, path, context);
  reader.duration("initial", kBackoff, out.initial);
  reader.duration("max", kBackoff, out.max);
  reader.decimal("multiplier", kMultiplierMin, kMultiplierMax, true, out.multiplier);
  reader.decimal("jitter", 0, 1, false, out.jitter);
  if (reader.present() && out.initial > out.max) {
    reader.problem(reader.has("initial") ? "initial" : "max",
                   "initial is " + base::format_duration(out.initial) + " and max is " +
                       base::format_duration(out.max) + "; initial may not exceed max");
  }
  reader.finish();
}

}  // namespace

void decode_delivery(const YamlNode* node, const std::string& path, DecodeContext& context,
                     Delivery& out) {
  ObjectReader reader(node, path, context);
  reader.duration("leaseDuration", kLeaseDuration, out.lease_duration);
  reader.duration("maxLease", kMaxLease, out.max_lease);
  reader.integer("maxAttempts", kMaxAttempts, out.max_attempts);
  reader.integer("maxStalls", kMaxStalls, out.max_stalls);
  decode_backoff(reader.find("backoff"), reader.field_path("backoff"), context, out.backoff);
  if (reader.present() && out.lease_duration > out.max_lease) {
    reader.problem(reader.has("leaseDuration") ? "leaseDuration" : "maxLease",
                   "leaseDuration is " + base::format_duration(out.lease_duration) +
                       " and maxLease is " + base::format_duration(out.max_lease) +
                       "; leaseDuration may not exceed maxLease");
  }
  reader.finish();
}

void decode_dead_letter(const YamlNode* node, const std::string& path, DecodeContext& context,
                        DeadLetter& out) {
  static constexpr Choice<DeadOverflow> kOverflows[] = {
      {"DropOldestDead", DeadOverflow::kDropOldestDead}, {"Block", DeadOverflow::kBlock}};
  ObjectReader reader(node, path, context);
  reader.duration("retention", kDeadRetention, out.retention);
  reader.bytes("bytes", kBytes, out.bytes);
  reader.integer("messages", kDeadMessages, out.messages);
  reader.choice("overflow", kOverflows, out.overflow);
  reader.finish();
}

}  // namespace sluice::api
