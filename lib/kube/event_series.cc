#include "kube/event_series.h"

#include <algorithm>
#include <utility>

namespace sluice::kube {
namespace {

constexpr std::size_t kNoteBytesMax = 1'000;
constexpr std::size_t kRememberedMax = 4'096;
constexpr base::Nanos kSeriesEnds = std::chrono::minutes(6);
constexpr base::Nanos kSimilarWindow = std::chrono::minutes(10);
constexpr std::size_t kSimilarMax = 10;
constexpr double kBurst = 25;
constexpr double kSecondsPerToken = 300;

// At a character's border.
std::string cut(const std::string& text, std::size_t bytes) {
  if (text.size() <= bytes) return text;
  std::size_t end = bytes;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0U) == 0x80U) --end;
  return text.substr(0, end);
}

std::string hex(std::uint64_t value) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string out;
  do {
    out.insert(out.begin(), kDigits[value & 15U]);
    value >>= 4U;
  } while (value != 0);
  return out;
}

}  // namespace

Json regarding(const Json& object) {
  Json out = {{"apiVersion", text_in(object, "apiVersion")},
              {"kind", text_in(object, "kind")},
              {"name", name_of(object)},
              {"uid", uid_of(object)}};
  if (const std::string name_space = namespace_of(object); !name_space.empty()) {
    out["namespace"] = name_space;
  }
  if (const std::string version = resource_version_of(object); !version.empty()) {
    out["resourceVersion"] = version;
  }
  return out;
}

template <typename Value>
Value* EventSeries::Recent<Value>::find(const std::string& key) {
  const auto found = by_key_.find(key);
  if (found == by_key_.end()) return nullptr;
  items_.splice(items_.begin(), items_, found->second);
  return &found->second->second;
}

template <typename Value>
Value& EventSeries::Recent<Value>::put(const std::string& key, Value value) {
  if (Value* there = find(key)) return *there = std::move(value);
  items_.emplace_front(key, std::move(value));
  by_key_[key] = items_.begin();
  if (items_.size() > kRememberedMax) drop_last();
  return items_.front().second;
}

double EventSeries::tokens_of(const Bucket& bucket, base::MonoTime now) {
  const double seconds = std::chrono::duration<double>(base::Nanos(now - bucket.at)).count();
  return std::min(kBurst, bucket.tokens + seconds / kSecondsPerToken);
}

void EventSeries::forget(base::MonoTime now) {
  series_.drop([&](const Series& one) { return base::Nanos(now - one.last) >= kSeriesEnds; });
  similar_.drop([&](const Similar& one) {
    return one.times.empty() || base::Nanos(now - one.times.back()) > kSimilarWindow;
  });
  // One that is full is as good as none.
  buckets_.drop([&](const Bucket& one) { return tokens_of(one, now) >= kBurst; });
}

bool EventSeries::take_token(const std::string& object, base::MonoTime now) {
  Bucket* bucket = buckets_.find(object);
  if (bucket == nullptr) bucket = &buckets_.put(object, {kBurst, now});
  bucket->tokens = tokens_of(*bucket, now);
  bucket->at = now;
  if (bucket->tokens < 1) return false;
  bucket->tokens -= 1;
  return true;
}

Json EventSeries::new_event(const EventNote& note, const std::string& text, base::WallTime now) {
  std::string name_space = text_in(note.regarding, "namespace");
  if (name_space.empty()) name_space = "default";
  // Distinct also from those of an earlier process, whose clock may have been ahead.
  std::string name = cut(text_in(note.regarding, "name"), 200) + "." +
                     hex(static_cast<std::uint64_t>(now.value())) + "." + hex(++made_);
  return {{"apiVersion", kEvents.api_version()},
          {"kind", kEvents.kind},
          {"metadata", {{"name", std::move(name)}, {"namespace", std::move(name_space)}}},
          {"eventTime", micro_time(now)},
          {"reportingController", source_.controller},
          {"reportingInstance", cut(source_.instance, 128)},
          {"action", note.action},
          {"reason", note.reason},
          {"type", note.type == EventType::kNormal ? "Normal" : "Warning"},
          {"regarding", note.regarding},
          {"note", text}};
}

std::optional<EventWrite> EventSeries::add(const EventNote& note, base::Now now) {
  forget(now.mono);
  const std::string object = text_in(note.regarding, "kind") + "/" +
                             text_in(note.regarding, "namespace") + "/" +
                             text_in(note.regarding, "name") + "/" + text_in(note.regarding, "uid");
  const std::string kind_of_note = object + "/" + (note.type == EventType::kNormal ? "N/" : "W/") +
                                   note.reason + "/" + note.action;
  std::string text = note.note;
  Similar* similar = similar_.find(kind_of_note);
  if (similar == nullptr) similar = &similar_.put(kind_of_note, {});
  while (!similar->times.empty() &&
         base::Nanos(now.mono - similar->times.front()) > kSimilarWindow) {
    similar->times.pop_front();
  }
  if (similar->times.size() >= kSimilarMax) {
    text = "(combined from similar events) ";
  } else {
    similar->times.push_back(now.mono);
  }
  const bool combined = text != note.note;
  const std::string key = kind_of_note + "/" + (combined ? std::string() : text);
  if (combined) text += note.note;
  text = cut(text, kNoteBytesMax);

  if (Series* series = series_.find(key);
      series != nullptr && base::Nanos(now.mono - series->last) < kSeriesEnds) {
    if (!take_token(object, now.mono)) return std::nullopt;
    ++series->count;
    series->last = now.mono;
    EventWrite write;
    write.ref = series->ref;
    write.patch = {
        {"series", {{"count", series->count}, {"lastObservedTime", micro_time(now.wall)}}}};
    return write;
  }
  if (!take_token(object, now.mono)) return std::nullopt;
  EventWrite write;
  write.create = new_event(note, text, now.wall);
  series_.put(key, {{&kEvents, namespace_of(*write.create), name_of(*write.create)}, 1, now.mono});
  return write;
}

}  // namespace sluice::kube
