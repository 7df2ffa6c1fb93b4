#include "operator/reconcile/wait_note.h"

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cstdint>
#include <string>
#include <system_error>

#include "kube/object_ref.h"
#include "operator/reconcile/deletion.h"
#include "operator/reconcile/fields.h"
#include "operator/reconcile/names.h"

namespace sluice::reconcile {

using kube::Json;

base::Millis noted_wait(const Json& queue) {
  const std::string text = annotation(queue, kWaitedAnnotation);
  const std::size_t slash = text.find('/');
  if (slash == std::string::npos || text.substr(0, slash) != kube::uid_of(queue)) {
    return base::Millis(0);
  }
  std::int64_t seconds = 0;
  const char* const end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data() + slash + 1, end, seconds);
  if (error != std::errc() || rest != end || seconds < 0) return base::Millis(0);
  constexpr auto kMost = std::chrono::duration_cast<std::chrono::seconds>(kDeletionPatience);
  return std::chrono::seconds(std::min<std::int64_t>(seconds, kMost.count()));
}

Patch note_wait(std::string_view name_space, const Json& queue,
                std::optional<base::Millis> waited) {
  const std::string annotation(kWaitedAnnotation);
  Json metadata = {{"annotations", {{annotation, nullptr}}}};
  if (waited) {
    const auto seconds = std::chrono::floor<std::chrono::seconds>(*waited);
    metadata["annotations"][annotation] =
        kube::uid_of(queue) + "/" + std::to_string(seconds.count());
    metadata["resourceVersion"] = kube::resource_version_of(queue);
  } else {
    metadata["uid"] = kube::uid_of(queue);
  }
  return {{&kube::kQueues, std::string(name_space), kube::name_of(queue)},
          {{"metadata", std::move(metadata)}}};
}

}  // namespace sluice::reconcile
