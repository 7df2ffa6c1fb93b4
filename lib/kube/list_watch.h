#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/prng.h"
#include "base/result.h"
#include "base/time.h"
#include "kube/api.h"
#include "kube/http_transport.h"

namespace sluice::kube {

// Takes what the API server tells of a collection. One thread.
class ObjectSink {
 public:
  virtual ~ObjectSink() = default;
  // These are all there are: whatever else was told before is gone.
  virtual void replace(std::vector<Json> objects) = 0;
  virtual void put(Json object) = 0;
  virtual void erase(const Json& object) = 0;
};

struct ListWatchOptions {
  const ResourceType* type = nullptr;
  std::string name_space;  // empty = all
  Selectors selectors;
};

// List, then watch, for ever: what to ask next, and what the answers mean. Pure: the shell
// (reflector.h) does the asking and the waiting. One thread.
//
// Resource versions are opaque. A list gives one, and so does each event and bookmark; a watch goes
// on from the last one. It expires when the server has forgotten what came since (410, as a status
// or as an event): then everything is listed again, and the sink learns what vanished meanwhile.
// Being turned away (429, no connection, 5xx) only waits and resumes.
//
// The first list is of the collection as it is when it is asked for, not of a server's older copy:
// who begins to watch as soon as it may act does not act on a past that somebody else has changed.
class ListWatch {
 public:
  enum class Kind : std::uint8_t { kList, kWatch, kWait };
  struct Step {
    Kind kind = Kind::kList;
    std::string target;  // of kList and kWatch
    base::MonoTime due;  // of kWait: nothing to do before
  };

  ListWatch(ListWatchOptions options, std::uint64_t prng_seed);

  Step next(base::MonoTime now);

  // The answer to kList: one page of it.
  void listed(const base::Result<HttpResponse>& response, ObjectSink& sink, base::MonoTime now);
  // The beginning of kWatch, then its lines; false = the rest of this answer is of no use.
  void watch_began(base::MonoTime now);
  bool watch_line(std::string_view line, ObjectSink& sink, base::MonoTime now);
  void watch_ended(const base::Result<HttpResponse>& response, base::MonoTime now);

  // The first list is complete.
  bool synced() const { return synced_; }
  // The trouble that is waited for; empty = none.
  const std::string& problem() const { return problem_; }
  std::uint64_t lists() const { return lists_; }

 private:
  enum class Consistency : std::uint8_t { kLastSeen, kNewest };

  std::string query(std::string_view first) const;
  void restart_list(Consistency consistency);
  void expired();
  void back_off(std::string problem, std::optional<base::Millis> at_least, base::MonoTime now);
  void good(base::MonoTime now);
  void take_page(std::string_view body, ObjectSink& sink, base::MonoTime now);
  bool error_event(const Json& status, base::MonoTime now);

  ListWatchOptions options_;
  base::Prng prng_;
  bool watching_ = false;  // what comes next
  Consistency consistency_ = Consistency::kNewest;
  std::string resource_version_;
  std::string continue_;
  std::vector<Json> pages_;
  bool synced_ = false;
  std::uint64_t lists_ = 0;
  std::optional<base::MonoTime> not_before_;
  base::Millis back_off_;
  std::optional<base::MonoTime> last_failure_;
  std::string problem_;
  base::MonoTime watch_began_;
  bool watch_saw_event_ = false;
  bool relist_ = false;  // an event of this watch said so
};

}  // namespace sluice::kube
