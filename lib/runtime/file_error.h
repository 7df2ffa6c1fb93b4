#pragma once

#include <string>
#include <string_view>

#include "base/error.h"

namespace sluice::runtime {

// "WHAT 'PATH'" with the meaning of `errno_value`.
inline base::Error file_error(std::string_view what, std::string_view path, int errno_value) {
  std::string text(what);
  text.append(" '").append(path).append("'");
  return base::io_error(text, errno_value);
}

}  // namespace sluice::runtime
