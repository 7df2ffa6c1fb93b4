#include "kube/work_queue.h"

#include <algorithm>

#include "base/check.h"

namespace sluice::kube {
namespace {

constexpr base::Nanos kRetryFirst = std::chrono::milliseconds(5);
constexpr base::Nanos kRetryMax = std::chrono::seconds(1'000);
constexpr double kRetryTokens = 100;
constexpr double kRetriesPerSecond = 10;

}  // namespace

void WorkQueueCore::add(const std::string& key, base::MonoTime now) {
  ++adds_;
  if (const auto later = later_by_key_.find(key); later != later_by_key_.end()) {
    later_.erase({later->second, key});
    later_by_key_.erase(later);
  }
  if (!dirty_.insert(key).second || processing_.contains(key)) return;
  ready_.push_back({key, now});
}

void WorkQueueCore::add_at(const std::string& key, base::MonoTime due) {
  const auto [later, added] = later_by_key_.emplace(key, due);
  if (!added) {
    if (later->second <= due) return;
    later_.erase({later->second, key});
    later->second = due;
  }
  later_.insert({due, key});
}

// When the bucket has a token for one more retry, which is taken now.
base::MonoTime WorkQueueCore::take_token(base::MonoTime now) {
  if (tokens_at_) {
    const double seconds = std::chrono::duration<double>(base::Nanos(now - *tokens_at_)).count();
    tokens_ = std::min(kRetryTokens, tokens_ + seconds * kRetriesPerSecond);
  }
  tokens_at_ = now;
  tokens_ -= 1;
  if (tokens_ >= 0) return now;
  return now + base::Nanos(static_cast<std::int64_t>(-tokens_ / kRetriesPerSecond * 1e9));
}

void WorkQueueCore::add_rate_limited(const std::string& key, base::MonoTime now) {
  ++retries_;
  unsigned& failures = failures_[key];
  const base::Nanos own = failures >= 18 ? kRetryMax : base::Nanos(kRetryFirst.count() << failures);
  ++failures;
  add_at(key, std::max(now + std::min(own, kRetryMax), take_token(now)));
}

void WorkQueueCore::forget(const std::string& key) { failures_.erase(key); }

void WorkQueueCore::promote(base::MonoTime now) {
  while (!later_.empty() && later_.begin()->first <= now) {
    const std::string key = later_.begin()->second;  // add() removes the one in the set
    add(key, now);
  }
}

std::optional<WorkQueueCore::Taken> WorkQueueCore::take(base::MonoTime now) {
  promote(now);
  if (ready_.empty()) return std::nullopt;
  Waiting first = std::move(ready_.front());
  ready_.pop_front();
  dirty_.erase(first.key);
  processing_.emplace(first.key, now);
  return Taken{std::move(first.key), base::Nanos(now - first.since)};
}

base::Nanos WorkQueueCore::done(const std::string& key, base::MonoTime now) {
  const auto found = processing_.find(key);
  CHECK(found != processing_.end());
  const base::Nanos taken(now - found->second);
  processing_.erase(found);
  if (dirty_.contains(key)) ready_.push_back({key, now});
  return taken;
}

std::optional<base::MonoTime> WorkQueueCore::next_due() const {
  if (later_.empty()) return std::nullopt;
  return later_.begin()->first;
}

WorkQueueStats WorkQueueCore::stats(base::MonoTime now) const {
  WorkQueueStats stats;
  stats.adds = adds_;
  stats.retries = retries_;
  stats.depth = ready_.size();
  stats.processing = processing_.size();
  stats.later = later_by_key_.size();
  stats.failing = failures_.size();
  for (const auto& [key, since] : processing_) {
    const base::Nanos running(now - since);
    stats.unfinished += running;
    stats.longest_running = std::max(stats.longest_running, running);
  }
  return stats;
}

void WorkQueue::tell() {
  ++changes_;
  changed_.notify_one();
}

void WorkQueue::add(const std::string& key) {
  const std::lock_guard lock(mutex_);
  core_.add(key, clock_.mono_now());
  tell();
}

void WorkQueue::add_after(const std::string& key, base::Nanos delay) {
  const std::lock_guard lock(mutex_);
  core_.add_at(key, clock_.mono_now() + delay);
  tell();
}

void WorkQueue::add_rate_limited(const std::string& key) {
  const std::lock_guard lock(mutex_);
  core_.add_rate_limited(key, clock_.mono_now());
  tell();
}

void WorkQueue::forget(const std::string& key) {
  const std::lock_guard lock(mutex_);
  core_.forget(key);
}

std::optional<WorkQueueCore::Taken> WorkQueue::take(const std::stop_token& stop) {
  std::unique_lock lock(mutex_);
  while (!stop.stop_requested()) {
    const base::MonoTime now = clock_.mono_now();
    if (auto taken = core_.take(now)) {
      // One notification may have stood for several keys that became due together, and whoever
      // waited for the next one to be due is here: another has to do it now.
      if (core_.stats(now).depth > 0 || core_.next_due()) tell();
      return taken;
    }
    const auto due = core_.next_due();
    const auto changed = [this, seen = changes_] { return changes_ != seen; };
    if (due) {
      changed_.wait_for(lock, stop, base::Nanos(*due - now), changed);
    } else {
      changed_.wait(lock, stop, changed);
    }
  }
  return std::nullopt;
}

std::optional<WorkQueueCore::Taken> WorkQueue::take_due() {
  const std::lock_guard lock(mutex_);
  return core_.take(clock_.mono_now());
}

base::Nanos WorkQueue::done(const std::string& key) {
  const std::lock_guard lock(mutex_);
  const base::Nanos taken = core_.done(key, clock_.mono_now());
  tell();  // it may be given out again
  return taken;
}

WorkQueueStats WorkQueue::stats() const {
  const std::lock_guard lock(mutex_);
  return core_.stats(clock_.mono_now());
}

}  // namespace sluice::kube
