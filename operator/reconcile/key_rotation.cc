#include "operator/reconcile/key_rotation.h"

#include <algorithm>

#include "operator/reconcile/fields.h"

namespace sluice::reconcile {
namespace {

constexpr std::string_view kOpeningText = "Opening";
constexpr std::string_view kMovingText = "Moving";
constexpr std::size_t kDoneMax = 32;

void add_done(KeyRotation& rotation, const std::string& token) {
  if (std::find(rotation.done.begin(), rotation.done.end(), token) == rotation.done.end()) {
    rotation.done.push_back(token);
  }
  if (rotation.done.size() > kDoneMax) rotation.done.erase(rotation.done.begin());
}

bool all_serve(const std::vector<ShardState>& shards, std::size_t shard_count,
               std::uint32_t keys_min, std::uint32_t keys_max) {
  for (std::size_t i = 0; i < shard_count; ++i) {
    if (i >= shards.size() || !shards[i].is_heard()) return false;
    const std::uint32_t keys = shards[i].observation->server_keys;
    if (keys < keys_min || keys > keys_max) return false;
  }
  return true;
}

}  // namespace

KeyRotation parse_rotation(std::string_view text) {
  KeyRotation rotation;
  const Json parsed = Json::parse(text, nullptr, false);
  if (!parsed.is_object()) return rotation;
  if (const Json* done = find_at(parsed, {"done"}); done != nullptr && done->is_array()) {
    for (const Json& token : *done) {
      if (token.is_string()) rotation.done.push_back(token.get<std::string>());
    }
  }
  rotation.token = text_at(parsed, {"token"});
  const std::string step = text_at(parsed, {"step"});
  if (step == kOpeningText) rotation.step = KeyRotation::Step::kOpening;
  if (step == kMovingText) rotation.step = KeyRotation::Step::kMoving;
  return rotation;
}

std::string to_text(const KeyRotation& rotation) {
  Json text = Json::object();
  if (!rotation.done.empty()) text["done"] = rotation.done;
  if (rotation.step != KeyRotation::Step::kNone) {
    text["token"] = rotation.token;
    text["step"] = rotation.step == KeyRotation::Step::kOpening ? kOpeningText : kMovingText;
  }
  return text.dump();
}

KeyRotation new_rotation(const std::vector<std::string>& tokens) {
  KeyRotation rotation;
  for (const std::string& token : tokens) add_done(rotation, token);
  return rotation;
}

KeyRotation next_step(const KeyRotation& rotation, const std::vector<std::string>& tokens,
                      const std::vector<ShardState>& shards, std::size_t shard_count) {
  KeyRotation next = rotation;
  switch (rotation.step) {
    case KeyRotation::Step::kNone:
      for (const std::string& token : tokens) {
        const auto& done = rotation.done;
        if (std::find(done.begin(), done.end(), token) != done.end()) continue;
        next.step = KeyRotation::Step::kOpening;
        next.token = token;
        break;
      }
      break;
    case KeyRotation::Step::kOpening:
      if (all_serve(shards, shard_count, 2, 2)) next.step = KeyRotation::Step::kMoving;
      break;
    case KeyRotation::Step::kMoving:
      if (!all_serve(shards, shard_count, 1, 1)) break;
      next.step = KeyRotation::Step::kNone;
      next.token.clear();
      add_done(next, rotation.token);
      break;
  }
  return next;
}

}  // namespace sluice::reconcile
