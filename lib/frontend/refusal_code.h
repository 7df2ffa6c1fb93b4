#pragma once

#include "base/error.h"
#include "broker/refusal.h"

namespace sluice::frontend {

// How an error that is not the broker's own is told on the wire.
inline broker::RefusalCode code_of(base::ErrorCode code) {
  switch (code) {
    case base::ErrorCode::kNotFound:
      return broker::RefusalCode::kUnknownQueue;
    case base::ErrorCode::kUnimplemented:
      return broker::RefusalCode::kUnimplemented;
    case base::ErrorCode::kResourceExhausted:
      return broker::RefusalCode::kLimitReached;
    default:
      return broker::RefusalCode::kInvalidArgument;
  }
}

}  // namespace sluice::frontend
