#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "sluice/export.h"

namespace sluice {

/// A point in time as people count it; the library works with milliseconds.
using Time = std::chrono::system_clock::time_point;

/// One message to be sent. A plain value that owns its bytes; the setters return the message, so
/// that they can be chained:
///
///     producer.send(sluice::Message("two cups").key("customer-7").delay(std::chrono::minutes(5)));
class Message {
 public:
  /// An empty message.
  Message() = default;
  /// A message with that body: any bytes.
  explicit Message(std::string body) : body_(std::move(body)) {}

  /// Any bytes, at most what the queue's `limits.messageBytes` allows.
  Message& body(std::string value) & { return body_ = std::move(value), *this; }
  /// \copydoc body(std::string)&
  Message&& body(std::string value) && { return std::move(body(std::move(value))); }
  /// Messages of one key stand in one shard, in the order in which they were sent. Up to 1,024
  /// bytes.
  Message& key(std::string value) & { return key_ = std::move(value), *this; }
  /// \copydoc key(std::string)&
  Message&& key(std::string value) && { return std::move(key(std::move(value))); }
  /// Goes before the key when the shard is chosen. Up to 256 bytes.
  Message& group(std::string value) & { return group_ = std::move(value), *this; }
  /// \copydoc group(std::string)&
  Message&& group(std::string value) && { return std::move(group(std::move(value))); }
  /// Names the message for deduplication; decides about the shard after group and key. Up to 256
  /// bytes.
  Message& dedup_id(std::string value) & { return dedup_id_ = std::move(value), *this; }
  /// \copydoc dedup_id(std::string)&
  Message&& dedup_id(std::string value) && { return std::move(dedup_id(std::move(value))); }
  /// A name and a value for whoever consumes it; names may repeat.
  Message& header(std::string name, std::string value) & {
    headers_.emplace_back(std::move(name), std::move(value));
    return *this;
  }
  /// \copydoc header(std::string,std::string)&
  Message&& header(std::string name, std::string value) && {
    return std::move(header(std::move(name), std::move(value)));
  }
  /// 0 to 31.
  Message& priority(std::uint8_t value) & { return priority_ = value, *this; }
  /// \copydoc priority(std::uint8_t)&
  Message&& priority(std::uint8_t value) && { return std::move(priority(value)); }
  /// Not to be delivered before that time.
  Message& deliver_at(Time value) & { return deliver_at_ = value, *this; }
  /// \copydoc deliver_at(Time)&
  Message&& deliver_at(Time value) && { return std::move(deliver_at(value)); }
  /// Not to be delivered before so long from now, by this machine's clock.
  Message& delay(std::chrono::milliseconds value) & {
    return deliver_at(std::chrono::system_clock::now() + value);
  }
  /// \copydoc delay(std::chrono::milliseconds)&
  Message&& delay(std::chrono::milliseconds value) && { return std::move(delay(value)); }
  /// Worth nothing after that time; then it is dead-lettered or dropped, as the queue says.
  Message& expires_at(Time value) & { return expires_at_ = value, *this; }
  /// \copydoc expires_at(Time)&
  Message&& expires_at(Time value) && { return std::move(expires_at(value)); }
  /// Worth nothing after so long from now, by this machine's clock.
  Message& ttl(std::chrono::milliseconds value) & {
    return expires_at(std::chrono::system_clock::now() + value);
  }
  /// \copydoc ttl(std::chrono::milliseconds)&
  Message&& ttl(std::chrono::milliseconds value) && { return std::move(ttl(value)); }
  /// W3C trace context, as headers `traceparent` and `tracestate`; passed on unchanged.
  Message& trace(std::string traceparent, std::string tracestate = {}) & {
    header("traceparent", std::move(traceparent));
    if (!tracestate.empty()) header("tracestate", std::move(tracestate));
    return *this;
  }
  /// \copydoc trace(std::string,std::string)&
  Message&& trace(std::string traceparent, std::string tracestate = {}) && {
    return std::move(trace(std::move(traceparent), std::move(tracestate)));
  }

  /// As set.
  const std::string& body() const { return body_; }
  /// As set.
  const std::string& key() const { return key_; }
  /// As set.
  const std::string& group() const { return group_; }
  /// As set.
  const std::string& dedup_id() const { return dedup_id_; }
  /// As set.
  const std::vector<std::pair<std::string, std::string>>& headers() const { return headers_; }
  /// As set.
  std::optional<std::uint8_t> priority() const { return priority_; }
  /// As set.
  std::optional<Time> deliver_at() const { return deliver_at_; }
  /// As set.
  std::optional<Time> expires_at() const { return expires_at_; }

 private:
  std::string body_;
  std::string key_;
  std::string group_;
  std::string dedup_id_;
  std::vector<std::pair<std::string, std::string>> headers_;
  std::optional<std::uint8_t> priority_;
  std::optional<Time> deliver_at_;
  std::optional<Time> expires_at_;
};

}  // namespace sluice
