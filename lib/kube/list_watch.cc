#include "kube/list_watch.h"

#include <algorithm>
#include <utility>

#include "kube/api_error.h"
#include "kube/json_reader.h"

namespace sluice::kube {
namespace {

// Doubled each time, and up to twice as long by chance. The first ones are quick: a server that
// makes a collection's storage anew (its definition changed) turns watches away for a moment.
constexpr base::Millis kBackOffFirst{200};
constexpr base::Millis kBackOffMax{15'000};
// Whatever the server asks for: a view that is behind for longer is worse than one more request.
constexpr base::Millis kWaitMax{30'000};
// After so long without trouble the next one is the first.
constexpr base::Nanos kBackOffReset = std::chrono::minutes(2);
constexpr base::Nanos kShortWatch = std::chrono::seconds(1);
constexpr base::Millis kTooLargeVersionWait{1'000};
// A server that says that it makes a collection's storage anew (its definition changed, or the
// server itself has just begun) is ready within seconds: the wait does not grow beyond this,
// whatever it asks for.
constexpr base::Millis kStorageBackOffMax{1'000};
constexpr base::Millis kStorageWaitMax{3'000};

// 504 with a cause: this server is behind the version that another one gave.
bool is_version_too_large(std::string_view body) {
  return body.find("ResourceVersionTooLarge") != std::string_view::npos ||
         body.find("Too large resource version") != std::string_view::npos;
}

bool is_storage_starting(std::string_view text) {
  return text.find("storage is (re)initializing") != std::string_view::npos;
}

void name_type(Json& object, const ResourceType& type) {
  object["apiVersion"] = type.api_version();
  object["kind"] = type.kind;
}

}  // namespace

ListWatch::ListWatch(ListWatchOptions options, std::uint64_t prng_seed)
    : options_(std::move(options)), prng_(prng_seed), back_off_(kBackOffFirst) {}

std::string ListWatch::query(std::string_view first) const {
  std::string target = collection_path(*options_.type, options_.name_space) + "?";
  target += first;
  if (!options_.selectors.label.empty()) {
    target += "&labelSelector=" + percent_encode(options_.selectors.label);
  }
  if (!options_.selectors.field.empty()) {
    target += "&fieldSelector=" + percent_encode(options_.selectors.field);
  }
  return target;
}

ListWatch::Step ListWatch::next(base::MonoTime now) {
  if (not_before_ && now < *not_before_) return {Kind::kWait, "", *not_before_};
  not_before_.reset();
  if (watching_) {
    const std::uint64_t seconds = 300 + prng_.below(301);
    return {Kind::kWatch,
            query("watch=1&allowWatchBookmarks=true&timeoutSeconds=" + std::to_string(seconds) +
                  "&resourceVersion=" + percent_encode(resource_version_)),
            {}};
  }
  std::string first = "limit=" + std::to_string(kListPageItems);
  if (!continue_.empty()) {
    first += "&continue=" + percent_encode(continue_);
  } else if (consistency_ == Consistency::kLastSeen) {
    first += "&resourceVersion=" + percent_encode(resource_version_);
  }
  return {Kind::kList, query(first), {}};
}

void ListWatch::restart_list(Consistency consistency) {
  watching_ = false;
  continue_.clear();
  pages_.clear();
  consistency_ = resource_version_.empty() && consistency == Consistency::kLastSeen
                     ? Consistency::kNewest
                     : consistency;
}

// At first at the last version, which a cache can answer; if that is gone, too, at the newest.
void ListWatch::expired() {
  restart_list(watching_ ? Consistency::kLastSeen : Consistency::kNewest);
}

void ListWatch::back_off(std::string problem, std::optional<base::Millis> at_least,
                         base::MonoTime now) {
  problem_ = std::move(problem);
  if (last_failure_ && base::Nanos(now - *last_failure_) > kBackOffReset) {
    back_off_ = kBackOffFirst;
  }
  last_failure_ = now;
  const bool starting = is_storage_starting(problem_);
  if (starting) back_off_ = std::min(back_off_, kStorageBackOffMax);
  const double jittered = static_cast<double>(back_off_.count()) * (1 + prng_.unit());
  base::Millis wait(static_cast<std::int64_t>(jittered));
  if (at_least) wait = std::max(wait, *at_least);
  not_before_ = now + std::min(wait, starting ? kStorageWaitMax : kWaitMax);
  back_off_ = std::min(back_off_ * 2, kBackOffMax);
}

void ListWatch::good(base::MonoTime now) {
  problem_.clear();
  if (last_failure_ && base::Nanos(now - *last_failure_) > kBackOffReset) {
    last_failure_.reset();
    back_off_ = kBackOffFirst;
  }
}

void ListWatch::listed(const base::Result<HttpResponse>& response, ObjectSink& sink,
                       base::MonoTime now) {
  if (!response.has_value()) {
    // A server that answers a list of a version from its cache sends all of it at once, which may
    // be more than is read; the newest comes in pages.
    if (response.error().code() == base::ErrorCode::kResourceExhausted) {
      restart_list(Consistency::kNewest);
    }
    return back_off(response.error().message(), std::nullopt, now);
  }
  if (response->status == 200) return take_page(response->body, sink, now);
  const base::Error error = error_of(response->status, response->body);
  if (response->status == 410) {
    const bool newest = consistency_ == Consistency::kNewest && continue_.empty();
    expired();
    if (newest) back_off(error.message(), std::nullopt, now);
    return;
  }
  if (response->status == 504 && is_version_too_large(response->body)) {
    restart_list(Consistency::kNewest);
    return back_off(error.message(), kTooLargeVersionWait, now);
  }
  back_off(error.message(), response->retry_after, now);
}

void ListWatch::take_page(std::string_view body, ObjectSink& sink, base::MonoTime now) {
  base::Result<Json> page = read_json(body);
  if (!page.has_value() || !page->is_object() || !page->contains("items") ||
      !(*page)["items"].is_array() || !page->contains("metadata")) {
    return back_off("the answer is no list", std::nullopt, now);
  }
  good(now);
  for (Json& item : (*page)["items"]) {
    if (!item.is_object()) continue;
    name_type(item, *options_.type);
    pages_.push_back(std::move(item));
  }
  continue_ = text_in((*page)["metadata"], "continue");
  if (!continue_.empty()) return;
  resource_version_ = text_in((*page)["metadata"], "resourceVersion");
  ++lists_;
  synced_ = true;
  watching_ = true;
  relist_ = false;
  sink.replace(std::exchange(pages_, {}));
}

void ListWatch::watch_began(base::MonoTime now) {
  watch_began_ = now;
  watch_saw_event_ = false;
  relist_ = false;
}

// The server's Status inside of a 200.
bool ListWatch::error_event(const Json& status, base::MonoTime now) {
  const auto code = status.is_object() ? status.find("code") : status.end();
  const bool gone = (status.is_object() && code != status.end() && *code == 410) ||
                    text_in(status, "reason") == "Expired" || text_in(status, "reason") == "Gone";
  if (gone) {
    relist_ = true;
  } else {
    const std::string message = text_in(status, "message");
    back_off(message.empty() ? "the watch reported an error" : message, std::nullopt, now);
  }
  return false;
}

bool ListWatch::watch_line(std::string_view line, ObjectSink& sink, base::MonoTime now) {
  base::Result<Json> event = read_json(line);
  if (!event.has_value() || !event->is_object()) {
    // The last line of a connection that broke; the next watch brings it whole.
    back_off("the watch brought a line that is no event", std::nullopt, now);
    return false;
  }
  if (text_in(*event, "kind") == "Status") return error_event(*event, now);
  const std::string type = text_in(*event, "type");
  if (!event->contains("object")) return true;
  Json& object = (*event)["object"];
  if (type == "ERROR") return error_event(object, now);
  if (!object.is_object()) {
    back_off("the watch brought an event without an object", std::nullopt, now);
    return false;
  }
  const std::string version = resource_version_of(object);
  watch_saw_event_ = true;
  good(now);
  if (!version.empty()) resource_version_ = version;
  if (type == "BOOKMARK") return true;
  name_type(object, *options_.type);
  if (type == "DELETED") {
    sink.erase(object);
  } else if (type == "ADDED" || type == "MODIFIED") {
    sink.put(std::move(object));
  }
  return true;
}

void ListWatch::watch_ended(const base::Result<HttpResponse>& response, base::MonoTime now) {
  if (relist_) return expired();
  if (not_before_) return;  // an event of it gave the reason to wait
  if (!response.has_value()) {
    // A watch that told something and broke later is the everyday case of a server's restart.
    if (response.error().code() == base::ErrorCode::kDeadlineExceeded && watch_saw_event_) return;
    return back_off(response.error().message(), std::nullopt, now);
  }
  if (response->status == 410) return expired();
  if (response->status != 200) {
    return back_off(error_of(response->status, response->body).message(), response->retry_after,
                    now);
  }
  if (!watch_saw_event_ && base::Nanos(now - watch_began_) < kShortWatch) {
    return back_off("the watch ended at once, without an event", std::nullopt, now);
  }
}

}  // namespace sluice::kube
