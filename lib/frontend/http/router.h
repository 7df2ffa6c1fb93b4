#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "frontend/http/exchange.h"

namespace sluice::frontend::http {

// Finds the handler of a path. What does not exist is answered with what does. Filled before the
// server starts, constant afterwards.
class Router {
 public:
  // Answers GET on exactly `path`; a path that ends in "/*" has one more step of any name, which
  // the handler finds at the end of Request::path. REQUIRES: not there yet.
  void get(std::string path, Handler handler);

  Response handle(const Request& request) const;

 private:
  struct Route {
    std::string path;
    Handler handler;
  };
  static bool matches(std::string_view pattern, std::string_view path);

  std::vector<Route> routes_;
};

}  // namespace sluice::frontend::http
