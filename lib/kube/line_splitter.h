#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "base/result.h"
#include "kube/http_transport.h"

namespace sluice::kube {

// Cuts bytes that come in pieces into lines.
class LineSplitter {
 public:
  explicit LineSplitter(std::size_t line_bytes_max) : line_bytes_max_(line_bytes_max) {}

  // Calls `sink` with each line that is complete; empty ones are skipped. False = the sink has
  // enough, and gets nothing more. ResourceExhausted: a line is too long.
  base::Result<bool> feed(std::string_view bytes, const LineSink& sink);
  // The server has ended: what is left is a line, too.
  bool finish(const LineSink& sink);

 private:
  bool give(std::string_view line, const LineSink& sink);

  std::size_t line_bytes_max_;
  std::string rest_;
};

}  // namespace sluice::kube
