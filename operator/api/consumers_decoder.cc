#include <algorithm>
#include <string>
#include <string_view>

#include "operator/api/field_limits.h"
#include "operator/api/names.h"
#include "operator/api/spec_decoder.h"

namespace sluice::api {
namespace {

bool is_letters_and_digits(std::string_view text) {
  return !text.empty() && text.size() <= kLabelBytesMax &&
         std::all_of(text.begin(), text.end(), [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
         });
}

// "v1", "apps/v1", "argoproj.io/v1alpha1".
bool is_api_version(std::string_view text) {
  const std::size_t slash = text.find('/');
  if (slash == std::string_view::npos) return is_label(text);
  return is_subdomain(text.substr(0, slash)) && is_label(text.substr(slash + 1));
}

void decode_target_ref(const YamlNode* node, const std::string& path, DecodeContext& context,
                       ScaleTargetRef& out) {
  ObjectReader reader(node, path, context);
  reader.text("apiVersion", is_api_version, "an API version such as apps/v1", out.api_version);
  reader.text("kind", is_letters_and_digits, "a kind such as Deployment", out.kind);
  reader.text("name", is_subdomain, kSubdomainForm, out.name);
  if (reader.present()) reader.require("name", "the name of what runs the consumers");
  reader.finish();
}

void decode_target(const YamlNode* node, const std::string& path, DecodeContext& context,
                   ScaleTarget& out) {
  ObjectReader reader(node, path, context);
  std::uint32_t backlog = 0;
  reader.integer("backlogPerReplica", kBacklogPerReplica, backlog);
  if (backlog > 0) out.backlog_per_replica = backlog;
  reader.duration("oldestMessageAge", kScaleDuration, out.oldest_message_age);
  reader.duration("drainWithin", kScaleDuration, out.drain_within);
  reader.finish();
}

void decode_scale_in(const YamlNode* node, const std::string& path, DecodeContext& context,
                     ScaleIn& out) {
  static constexpr Choice<DrainTimeoutAction> kActions[] = {
      {"Hold", DrainTimeoutAction::kHold}, {"Proceed", DrainTimeoutAction::kProceed}};
  ObjectReader reader(node, path, context);
  reader.duration("stabilization", kScaleDelay, out.stabilization);
  reader.duration("idleBeforeZero", kScaleDelay, out.idle_before_zero);
  reader.duration("drainTimeout", kScaleDelay, out.drain_timeout);
  reader.choice("onDrainTimeout", kActions, out.on_drain_timeout);
  reader.integer("maxPercent", kPercent, out.max_percent);
  reader.finish();
}

}  // namespace

void decode_consumers(const YamlNode* node, const std::string& path, DecodeContext& context,
                      Consumers& out) {
  ObjectReader reader(node, path, context);
  decode_target_ref(reader.find("scaleTargetRef"), reader.field_path("scaleTargetRef"), context,
                    out.scale_target_ref);
  if (reader.present()) reader.require("scaleTargetRef", "what runs the consumers");
  reader.integer("minReplicas", kMinReplicas, out.min_replicas);
  reader.integer("maxReplicas", kMaxReplicas, out.max_replicas);
  decode_target(reader.find("target"), reader.field_path("target"), context, out.target);
  if (!out.target.backlog_per_replica && !out.target.oldest_message_age &&
      !out.target.drain_within) {
    out.target.backlog_per_replica = kBacklogPerReplicaDefault;
  }
  decode_scale_in(reader.find("scaleIn"), reader.field_path("scaleIn"), context, out.scale_in);
  if (out.min_replicas > out.max_replicas) {
    reader.problem(reader.has("minReplicas") ? "minReplicas" : "maxReplicas",
                   "minReplicas is " + std::to_string(out.min_replicas) + " and maxReplicas is " +
                       std::to_string(out.max_replicas) +
                       "; minReplicas may not exceed maxReplicas");
  }
  reader.finish();
}

}  // namespace sluice::api
