#include "cli/flag_checks.h"

#include <charconv>
#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <system_error>

namespace sluice::cli {
namespace {

bool is_port(std::string_view text) {
  unsigned port = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  return error == std::errc() && end == text.data() + text.size() && port > 0 && port <= 65'535;
}

bool has_endpoint_form(std::string_view text) {
  constexpr std::string_view kScheme = "tcp://";
  if (!text.starts_with(kScheme)) return false;
  const std::size_t colon = text.rfind(':');
  return colon > kScheme.size() && is_port(text.substr(colon + 1));
}

std::string_view without_spaces(std::string_view text) {
  while (text.starts_with(' ')) text.remove_prefix(1);
  while (text.ends_with(' ')) text.remove_suffix(1);
  return text;
}

}  // namespace

CLI::Validator at_least_one() {
  return CLI::Validator(
      [](const std::string& text) -> std::string {
        std::uint64_t number = 0;
        const char* const end = text.data() + text.size();
        const auto [rest, error] = std::from_chars(text.data(), end, number);
        const bool is_number = rest == end && !text.empty();
        if (is_number && error == std::errc::result_out_of_range) return text + " is too large";
        return is_number && number > 0 ? "" : "a number from 1 on is expected, not " + text;
      },
      "", "at least one");
}

CLI::Validator endpoint_form() {
  return CLI::Validator([](const std::string& text) { return endpoint_problem(text); }, "",
                        "endpoint");
}

std::string endpoint_problem(const std::string& text) {
  for (std::string_view rest = text;;) {
    const std::size_t comma = rest.find(',');
    if (!has_endpoint_form(without_spaces(rest.substr(0, comma)))) {
      return "tcp://HOST:PORT is expected, for instance tcp://127.0.0.1:7650, not " + text;
    }
    if (comma == std::string_view::npos) return "";
    rest.remove_prefix(comma + 1);
  }
}

CLI::Validator no_folder() {
  return CLI::Validator(
      [](const std::string& path) -> std::string {
        std::error_code error;
        return std::filesystem::is_directory(path, error) ? path + " is a folder: name its files"
                                                          : "";
      },
      "", "file");
}

}  // namespace sluice::cli
