#include "cli/cluster/redaction.h"

#include <algorithm>
#include <array>
#include <cctype>

#include "kube/json.h"

namespace sluice::cli::cluster {
namespace {

using kube::Json;

constexpr std::size_t kKeyLength = 40;  // of a CURVE key in Z85
constexpr std::string_view kGone = "(removed)";

// Copies of an object inside of itself.
constexpr std::array kCopies = {"kubectl.kubernetes.io/last-applied-configuration"};

constexpr std::array<std::string_view, 6> kSecretWords = {"SECRET", "TOKEN",      "PASSWORD",
                                                          "PASSWD", "CLIENT_KEY", "CREDENTIAL"};

bool sounds_secret(std::string_view name) {
  std::string upper(name);
  std::transform(upper.begin(), upper.end(), upper.begin(),
                 [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
  return std::any_of(kSecretWords.begin(), kSecretWords.end(),
                     [&](std::string_view word) { return upper.find(word) != std::string::npos; });
}

void hide_values(Json& values) {
  if (!values.is_object()) return;
  for (auto& value : values) {
    const std::size_t length = value.is_string() ? value.get_ref<const std::string&>().size() : 0;
    value = "removed, " + std::to_string(length) + " characters";
  }
}

// Depth is that of a document which the reader has let in.
void walk(Json& value) {
  if (value.is_array()) {
    for (Json& item : value) walk(item);
    return;
  }
  if (!value.is_object()) return;
  if (kube::text_in(value, "kind") == "Secret") {
    for (const char* key : {"data", "stringData"}) {
      if (value.contains(key)) hide_values(value[key]);
    }
  }
  value.erase("managedFields");
  if (value.contains("annotations") && value["annotations"].is_object()) {
    for (const char* copy : kCopies) value["annotations"].erase(copy);
  }
  // An entry of a container's env.
  if (value.contains("value") && sounds_secret(kube::text_in(value, "name"))) {
    value["value"] = kGone;
  }
  for (auto& field : value) walk(field);
}

// The alphabet of Z85.
bool is_z85(char c) {
  constexpr std::string_view kMarks = ".-:+=^!/*?&<>()[]{}@%$#";
  return std::isalnum(static_cast<unsigned char>(c)) != 0 || kMarks.find(c) != std::string::npos;
}

// Words of other kinds are of that length too: digests and names of objects are lower case, types
// are letters. One key of ten million looks like the latter.
bool looks_like_key(std::string_view word) {
  if (word.size() != kKeyLength) return false;
  const auto some = [&](auto is) { return std::any_of(word.begin(), word.end(), is); };
  return some([](unsigned char c) { return std::isupper(c) != 0; }) &&
         some([](unsigned char c) { return std::islower(c) != 0; }) && some([](char c) {
           return std::isalpha(static_cast<unsigned char>(c)) == 0 && c != '.' && c != '-' &&
                  c != '/' && c != ':';
         });
}

}  // namespace

Json redacted(Json object) {
  walk(object);
  return object;
}

std::string redacted_text(std::string_view text) {
  constexpr std::string_view kBearer = "Bearer ";
  std::string out;
  out.reserve(text.size());
  for (std::size_t at = 0; at < text.size();) {
    std::size_t end = at;
    while (end < text.size() && is_z85(text[end])) ++end;
    const std::string_view word = text.substr(at, end - at);
    const bool bearer = std::string_view(out).ends_with(kBearer) && !word.empty();
    out += bearer || looks_like_key(word) ? kGone : word;
    if (end < text.size()) out += text[end++];
    at = end;
  }
  return out;
}

}  // namespace sluice::cli::cluster
