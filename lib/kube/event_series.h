#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <list>
#include <map>
#include <optional>
#include <string>
#include <utility>

#include "base/time.h"
#include "kube/json.h"
#include "kube/object_ref.h"

namespace sluice::kube {

enum class EventType : std::uint8_t { kNormal, kWarning };

// Something that happened to an object, for people: `kubectl describe` shows it.
struct EventNote {
  Json regarding;  // apiVersion, kind, name, namespace, uid: see regarding()
  EventType type = EventType::kNormal;
  std::string reason;  // "DrainTimedOut": of the object's state
  std::string action;  // "ScaleIn": what we did
  std::string note;    // for people; cut at 1 kB
};

// What an Event says it is about.
Json regarding(const Json& object);

struct EventSource {
  std::string controller;  // "sluice.dev/operator"
  std::string instance;    // the pod
};

// What becomes of a note: an object to create, or a patch of one that was made.
struct EventWrite {
  std::optional<Json> create;
  ObjectRef ref;  // of the patch
  Json patch;
};

// Turns notes into Events, sparingly. The same note again within 6 minutes raises the count of the
// first one's series; notes that differ in their text only are taken together after ten in ten
// minutes; an object has 25 Events at once, and one more every five minutes. Remembers for that
// what may still matter, of the last 4,096 objects and notes. Pure.
class EventSeries {
 public:
  explicit EventSeries(EventSource source) : source_(std::move(source)) {}

  // None: too many about this object.
  std::optional<EventWrite> add(const EventNote& note, base::Now now);

  // What is too long ago to matter goes; add() does the same.
  void forget(base::MonoTime now);
  // How much is remembered.
  std::size_t size() const { return series_.size() + similar_.size() + buckets_.size(); }

 private:
  struct Series {
    ObjectRef ref;
    std::uint64_t count = 1;
    base::MonoTime last;
  };
  struct Similar {
    std::deque<base::MonoTime> times;
  };
  struct Bucket {
    double tokens = 0;
    base::MonoTime at;
  };
  // The least recently used goes first.
  template <typename Value>
  class Recent {
   public:
    Value* find(const std::string& key);
    Value& put(const std::string& key, Value value);
    // Of those at the end, as long as they are over.
    template <typename IsOver>
    void drop(const IsOver& is_over) {
      while (!items_.empty() && is_over(items_.back().second)) drop_last();
    }
    std::size_t size() const { return items_.size(); }

   private:
    void drop_last() {
      by_key_.erase(items_.back().first);
      items_.pop_back();
    }

    using Item = std::pair<std::string, Value>;
    std::list<Item> items_;
    std::map<std::string, typename std::list<Item>::iterator> by_key_;
  };

  static double tokens_of(const Bucket& bucket, base::MonoTime now);
  bool take_token(const std::string& object, base::MonoTime now);
  Json new_event(const EventNote& note, const std::string& text, base::WallTime now);

  EventSource source_;
  std::uint64_t made_ = 0;
  Recent<Series> series_;
  Recent<Similar> similar_;
  Recent<Bucket> buckets_;
};

}  // namespace sluice::kube
