#include "frontend/change_pages.h"

#include <string_view>
#include <tuple>
#include <utility>

namespace sluice::frontend {
namespace {

using broker::ConsumerPicture;
using broker::QueuePicture;
using broker::SubscriptionPicture;
using wire::ChangeKind;

// Kind, name's length and the numbers of the longest kind.
constexpr std::size_t kChangeBytes = 3 + 8 * 8 + 1;

wire::QueueChange change_of(const QueuePicture& queue) {
  return {queue.name,     queue.manifest,  queue.messages, queue.bytes,
          queue.retained, queue.published, queue.damaged,  queue.paused};
}

wire::SubscriptionChange change_of(const SubscriptionPicture& one) {
  return {one.name, one.ready,          one.in_flight, one.delayed,    one.due_delayed,
          one.dead, one.oldest.value(), one.settled,   one.redelivered};
}

auto numbers_of(const QueuePicture& queue) {
  return std::tuple(queue.id, queue.manifest, queue.messages, queue.bytes, queue.retained,
                    queue.published, queue.damaged, queue.paused);
}

auto numbers_of(const SubscriptionPicture& one) {
  return std::tuple(one.ready, one.in_flight, one.delayed, one.due_delayed, one.dead, one.oldest,
                    one.settled, one.redelivered);
}

// Puts changes into pages. Each page begins without a queue and a subscription, so what belongs to
// one says first which: as it is now, whether that has changed or not.
class PageWriter {
 public:
  void add(const QueuePicture& queue) {
    make_room(queue.name.size());
    name(queue);
  }
  void add(const QueuePicture& queue, const SubscriptionPicture& subscription) {
    make_room(queue.name.size() + subscription.name.size());
    name(queue, subscription);
  }
  void add(const QueuePicture& queue, const SubscriptionPicture& subscription,
           const ConsumerPicture& consumer) {
    make_room(queue.name.size() + subscription.name.size() + consumer.name.size());
    name(queue, subscription);
    push(wire::ConsumerChange{consumer.name, consumer.in_flight, consumer.cordoned}, consumer.name);
  }
  void gone(const QueuePicture& queue) {
    make_room(queue.name.size());
    push(wire::GoneChange{ChangeKind::kQueueGone, queue.name}, queue.name);
    queue_ = nullptr;
  }
  void gone(const QueuePicture& queue, const SubscriptionPicture& subscription) {
    make_room(queue.name.size() + subscription.name.size());
    name(queue);
    push(wire::GoneChange{ChangeKind::kSubscriptionGone, subscription.name}, subscription.name);
    subscription_ = nullptr;
  }
  void gone(const QueuePicture& queue, const SubscriptionPicture& subscription,
            const ConsumerPicture& consumer) {
    make_room(queue.name.size() + subscription.name.size() + consumer.name.size());
    name(queue, subscription);
    push(wire::GoneChange{ChangeKind::kConsumerGone, consumer.name}, consumer.name);
  }

  std::vector<wire::Changes> take() { return std::move(pages_); }

 private:
  // So that a change and what it belongs to stand in one page.
  void make_room(std::size_t name_bytes) {
    const std::size_t bytes = 3 * kChangeBytes + name_bytes;
    const bool fits = !pages_.empty() && bytes_ + bytes <= kChangesBytesMax &&
                      pages_.back().changes.size() + 3 <= wire::kChangesMax;
    if (fits) return;
    pages_.emplace_back();
    bytes_ = 0;
    queue_ = nullptr;
    subscription_ = nullptr;
  }
  void name(const QueuePicture& queue) {
    if (queue_ == &queue) return;
    push(change_of(queue), queue.name);
    queue_ = &queue;
    subscription_ = nullptr;
  }
  void name(const QueuePicture& queue, const SubscriptionPicture& subscription) {
    name(queue);
    if (subscription_ == &subscription) return;
    push(change_of(subscription), subscription.name);
    subscription_ = &subscription;
  }
  void push(wire::Change change, std::string_view name) {
    pages_.back().changes.push_back(change);
    bytes_ += kChangeBytes + name.size();
  }

  std::vector<wire::Changes> pages_;
  std::size_t bytes_ = 0;  // of the last page
  const QueuePicture* queue_ = nullptr;
  const SubscriptionPicture* subscription_ = nullptr;
};

// Walks two lists that are sorted by name: gone(before), come(after) or both(before, after).
template <typename T, typename Gone, typename Come, typename Both>
void compare(const std::vector<T>& before, const std::vector<T>& after, Gone&& gone, Come&& come,
             Both&& both) {
  auto was = before.begin();
  auto is = after.begin();
  while (was != before.end() || is != after.end()) {
    if (is == after.end() || (was != before.end() && was->name < is->name)) {
      gone(*was++);
    } else if (was == before.end() || is->name < was->name) {
      come(*is++);
    } else {
      both(*was++, *is++);
    }
  }
}

void add_all(PageWriter& pages, const QueuePicture& queue, const SubscriptionPicture& one) {
  pages.add(queue, one);
  for (const ConsumerPicture& consumer : one.consumers) pages.add(queue, one, consumer);
}

void compare_consumers(PageWriter& pages, const QueuePicture& queue,
                       const SubscriptionPicture& before, const SubscriptionPicture& after) {
  compare(
      before.consumers, after.consumers,
      [&](const ConsumerPicture& was) { pages.gone(queue, after, was); },
      [&](const ConsumerPicture& is) { pages.add(queue, after, is); },
      [&](const ConsumerPicture& was, const ConsumerPicture& is) {
        if (!(was == is)) pages.add(queue, after, is);
      });
}

void compare_subscriptions(PageWriter& pages, const QueuePicture& before,
                           const QueuePicture& after) {
  compare(
      before.subscriptions, after.subscriptions,
      [&](const SubscriptionPicture& was) { pages.gone(after, was); },
      [&](const SubscriptionPicture& is) { add_all(pages, after, is); },
      [&](const SubscriptionPicture& was, const SubscriptionPicture& is) {
        if (numbers_of(was) != numbers_of(is)) pages.add(after, is);
        compare_consumers(pages, after, was, is);
      });
}

}  // namespace

std::vector<wire::Changes> change_pages(const std::vector<QueuePicture>& before,
                                        const std::vector<QueuePicture>& after) {
  PageWriter pages;
  compare(
      before, after, [&](const QueuePicture& was) { pages.gone(was); },
      [&](const QueuePicture& is) {
        pages.add(is);
        for (const SubscriptionPicture& one : is.subscriptions) add_all(pages, is, one);
      },
      [&](const QueuePicture& was, const QueuePicture& is) {
        // Another queue of the same name: nothing of the one before holds.
        if (was.id != is.id) pages.gone(was);
        if (numbers_of(was) != numbers_of(is)) pages.add(is);
        if (was.id == is.id) return compare_subscriptions(pages, was, is);
        for (const SubscriptionPicture& one : is.subscriptions) add_all(pages, is, one);
      });
  return pages.take();
}

}  // namespace sluice::frontend
