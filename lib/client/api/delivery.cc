#include "client/api/delivery.h"

#include <string>
#include <utility>

#include "base/message.h"
#include "client/api/convert.h"

namespace sluice {
namespace {

// Batches are checked when they arrive, so this cannot fail.
base::MessageAttributes attributes_of(std::string_view attributes) {
  base::Result<base::MessageAttributes> decoded =
      base::decode_attributes(base::as_bytes(attributes));
  return decoded.has_value() ? std::move(*decoded) : base::MessageAttributes();
}

}  // namespace

Delivery DeliveryAccess::make(std::shared_ptr<const client::DeliveredBatch> batch,
                              const client::Delivery& from) {
  Delivery delivery;
  delivery.owner_ = std::move(batch);
  delivery.body_ = base::as_text(from.message.body);
  delivery.attributes_ = base::as_text(from.message.attributes);
  delivery.priority_ = from.message.priority;
  delivery.epoch_ = from.epoch.value();
  delivery.sequence_ = from.sequence.value();
  delivery.accepted_at_ms_ = from.accepted_at.value();
  delivery.shard_ = from.shard.value();
  delivery.attempts_ = from.attempts;
  delivery.stalls_ = from.stalls;
  return delivery;
}

Time Delivery::accepted_at() const { return api::to_time(accepted_at_ms_); }
std::string_view Delivery::key() const { return attributes_of(attributes_).key; }
std::string_view Delivery::group() const { return attributes_of(attributes_).group; }
std::string_view Delivery::dedup_id() const { return attributes_of(attributes_).dedup_id; }

std::optional<std::string_view> Delivery::header(std::string_view name) const {
  if (attributes_.empty()) return std::nullopt;
  for (const auto& [key, value] : attributes_of(attributes_).headers) {
    if (key == name) return value;
  }
  return std::nullopt;
}

std::vector<std::pair<std::string_view, std::string_view>> Delivery::headers() const {
  return attributes_of(attributes_).headers;
}

Message Delivery::to_message() const {
  Message message{std::string(body_)};
  const base::MessageAttributes attributes = attributes_of(attributes_);
  message.key(std::string(attributes.key)).group(std::string(attributes.group));
  message.dedup_id(std::string(attributes.dedup_id));
  for (const auto& [name, value] : attributes.headers) {
    message.header(std::string(name), std::string(value));
  }
  if (priority_ != base::kPriorityUnset) message.priority(priority_);
  return message;
}

}  // namespace sluice
