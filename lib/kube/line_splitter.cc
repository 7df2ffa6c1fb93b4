#include "kube/line_splitter.h"

#include <utility>

namespace sluice::kube {

bool LineSplitter::give(std::string_view line, const LineSink& sink) {
  if (line.ends_with('\r')) line.remove_suffix(1);
  return line.empty() || sink(line);
}

base::Result<bool> LineSplitter::feed(std::string_view bytes, const LineSink& sink) {
  while (true) {
    const std::size_t end = bytes.find('\n');
    const std::size_t part = end == std::string_view::npos ? bytes.size() : end;
    if (rest_.size() + part > line_bytes_max_) {
      return base::resource_exhausted("a line of the answer is longer than " +
                                      std::to_string(line_bytes_max_) + " bytes");
    }
    if (end == std::string_view::npos) {
      rest_ += bytes;
      return true;
    }
    if (rest_.empty()) {
      if (!give(bytes.substr(0, end), sink)) return false;
    } else {
      rest_ += bytes.substr(0, end);
      const bool more = give(rest_, sink);
      rest_.clear();
      if (!more) return false;
    }
    bytes.remove_prefix(end + 1);
  }
}

bool LineSplitter::finish(const LineSink& sink) {
  const std::string last = std::move(rest_);
  rest_.clear();
  return give(last, sink);
}

}  // namespace sluice::kube
