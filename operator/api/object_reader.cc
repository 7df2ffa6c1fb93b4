#include "operator/api/object_reader.h"

#include <algorithm>
#include <charconv>
#include <system_error>
#include <utility>

#include "base/duration.h"
#include "operator/api/field_limits.h"
#include "operator/api/nearest.h"

namespace sluice::api {
namespace {

std::string joined(const std::vector<std::string>& words) {
  std::string out;
  for (const std::string& word : words) out += (out.empty() ? "" : ", ") + word;
  return out;
}

std::string range_text(IntRange range) {
  return "a whole number from " + std::to_string(range.min) + " to " + std::to_string(range.max);
}

std::string range_text(DurationRange range) {
  return "a duration from " + base::format_duration(range.min) + " to " +
         base::format_duration(range.max) + ", for instance 30s or 1h30m";
}

std::string range_text(BytesRange range) {
  return "a size from " + base::format_bytes(range.min) + " to " + base::format_bytes(range.max) +
         ", for instance 64Mi or 6Gi";
}

// Paths of the schema name no position: "spec.subscriptions[].name".
std::string without_positions(const std::string& path) {
  std::string out;
  bool inside = false;
  for (const char c : path) {
    if (c == ']') inside = false;
    if (!inside) out += c;
    if (c == '[') inside = true;
  }
  return out;
}

// Digits, one point at most: "0.2", "2". No sign, exponent or spaces.
bool is_decimal(std::string_view text) {
  constexpr std::size_t kBytesMax = 20;
  if (text.empty() || text.size() > kBytesMax) return false;
  if (text.front() == '.' || text.back() == '.') return false;
  return text.find_first_not_of("0123456789.") == std::string_view::npos &&
         std::count(text.begin(), text.end(), '.') <= 1;
}

}  // namespace

ObjectReader::ObjectReader(const YamlNode* node, std::string path, DecodeContext& context)
    : node_(node), path_(std::move(path)), context_(context) {
  if (node_ != nullptr && node_->kind != YamlKind::kMap) {
    context_.problems.add(node_->line, path_,
                          "is " + std::string(describe(node_->kind)) + "; expected a map");
    node_ = nullptr;
  }
}

std::string ObjectReader::field_path(std::string_view name) const {
  return path_.empty() ? std::string(name) : path_ + "." + std::string(name);
}

bool ObjectReader::has(std::string_view name) const {
  return node_ != nullptr && node_->find(name) != nullptr;
}

const YamlNode* ObjectReader::find(std::string_view name) {
  known_.emplace_back(name);
  if (context_.fields != nullptr) context_.fields->try_emplace(without_positions(field_path(name)));
  return node_ != nullptr ? node_->find(name) : nullptr;
}

void ObjectReader::note(std::string_view name, FieldInfo info) {
  if (context_.fields == nullptr) return;
  (*context_.fields)[without_positions(field_path(name))] = std::move(info);
}

// A fallback out of range stands for "nothing".
void ObjectReader::note_integer(std::string_view name, IntRange range, std::int64_t fallback) {
  FieldInfo info{.kind = FieldKind::kInt,
                 .min = std::to_string(range.min),
                 .max = std::to_string(range.max),
                 .words = {},
                 .fallback = {}};
  if (fallback >= range.min && fallback <= range.max) info.fallback = std::to_string(fallback);
  note(name, std::move(info));
}

void ObjectReader::note_duration(std::string_view name, DurationRange range,
                                 std::optional<base::Millis> fallback) {
  FieldInfo info{.kind = FieldKind::kDuration,
                 .min = base::format_duration(range.min),
                 .max = base::format_duration(range.max),
                 .words = {},
                 .fallback = {}};
  if (fallback && *fallback >= range.min) info.fallback = base::format_duration(*fallback);
  note(name, std::move(info));
}

void ObjectReader::note_bytes(std::string_view name, BytesRange range,
                              std::optional<std::uint64_t> fallback) {
  FieldInfo info{.kind = FieldKind::kSize,
                 .min = base::format_bytes(range.min),
                 .max = base::format_bytes(range.max),
                 .words = {},
                 .fallback = {}};
  if (fallback && *fallback >= range.min) info.fallback = base::format_bytes(*fallback);
  note(name, std::move(info));
}

void ObjectReader::problem(std::string_view name, std::string text) {
  const YamlNode* field = node_ != nullptr ? node_->find(name) : nullptr;
  context_.problems.add(field != nullptr ? field->line : line(), field_path(name), std::move(text));
}

void ObjectReader::wrong_type(std::string_view name, const YamlNode& node,
                              const std::string& expected) {
  switch (node.kind) {
    case YamlKind::kAmbiguous:
      problem(name, shown(node.text) +
                        " without quotes means different things to different readers of YAML; "
                        "expected " +
                        expected);
      return;
    case YamlKind::kMap:
    case YamlKind::kList:
    case YamlKind::kNull:
      problem(name, "is " + std::string(describe(node.kind)) + "; expected " + expected);
      return;
    default:
      problem(name, shown(node.text) + " is " + std::string(describe(node.kind)) +
                        (node.kind == YamlKind::kString ? "" : " (it stands without quotes)") +
                        "; expected " + expected);
  }
}

std::optional<std::int64_t> ObjectReader::read_integer(std::string_view name, IntRange range) {
  const YamlNode* field = find(name);
  if (field == nullptr) return std::nullopt;
  if (field->kind != YamlKind::kInt) {
    wrong_type(name, *field, range_text(range) + ", without quotes");
    return std::nullopt;
  }
  std::string_view digits = field->text;
  if (digits.front() == '+') digits.remove_prefix(1);
  std::int64_t value = 0;
  const auto result = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  if (result.ec != std::errc() || value < range.min || value > range.max) {
    problem(name, shown(field->text) + " is out of range; allowed is " + range_text(range));
    return std::nullopt;
  }
  return value;
}

void ObjectReader::boolean(std::string_view name, bool& out) {
  note(name, {.kind = FieldKind::kBool,
              .min = {},
              .max = {},
              .words = {},
              .fallback = out ? "true" : "false"});
  const YamlNode* field = find(name);
  if (field == nullptr) return;
  if (field->kind != YamlKind::kBool) {
    wrong_type(name, *field, "true or false, without quotes");
    return;
  }
  out = field->text.front() == 't' || field->text.front() == 'T';
}

std::optional<base::Millis> ObjectReader::read_duration(std::string_view name,
                                                        DurationRange range) {
  const YamlNode* field = find(name);
  if (field == nullptr) return std::nullopt;
  if (field->kind != YamlKind::kString) {
    wrong_type(name, *field, range_text(range));
    return std::nullopt;
  }
  const auto value = base::parse_duration(field->text);
  if (!value || field->text.size() > kDurationBytesMax) {
    problem(name, shown(field->text) + " is no duration; expected " + range_text(range));
    return std::nullopt;
  }
  if (*value < range.min || *value > range.max) {
    problem(name, shown(field->text) + " is out of range; allowed is " + range_text(range));
    return std::nullopt;
  }
  return *value;
}

void ObjectReader::duration(std::string_view name, DurationRange range, base::Millis& out) {
  note_duration(name, range, out);
  if (const auto value = read_duration(name, range)) out = *value;
}

void ObjectReader::duration(std::string_view name, DurationRange range,
                            std::optional<base::Millis>& out) {
  note_duration(name, range, out);
  if (const auto value = read_duration(name, range)) out = *value;
}

std::optional<std::uint64_t> ObjectReader::read_bytes(std::string_view name, BytesRange range) {
  const YamlNode* field = find(name);
  if (field == nullptr) return std::nullopt;
  if (field->kind != YamlKind::kString && field->kind != YamlKind::kInt) {
    wrong_type(name, *field, range_text(range));
    return std::nullopt;
  }
  const auto value = base::parse_bytes(field->text);
  if (!value || field->text.size() > kSizeBytesMax) {
    problem(name, shown(field->text) + " is no size; expected " + range_text(range));
    return std::nullopt;
  }
  if (*value < range.min || *value > range.max) {
    problem(name, shown(field->text) + " is out of range; allowed is " + range_text(range));
    return std::nullopt;
  }
  return *value;
}

void ObjectReader::bytes(std::string_view name, BytesRange range, std::uint64_t& out) {
  note_bytes(name, range, out);
  if (const auto value = read_bytes(name, range)) out = *value;
}

void ObjectReader::bytes(std::string_view name, BytesRange range,
                         std::optional<std::uint64_t>& out) {
  note_bytes(name, range, out);
  if (const auto value = read_bytes(name, range)) out = *value;
}

void ObjectReader::decimal(std::string_view name, double min, double max, bool whole_allowed,
                           double& out) {
  const auto shortest = [](double value) {
    char buffer[32];
    const auto end = std::to_chars(buffer, buffer + sizeof buffer, value).ptr;
    return std::string(buffer, end);
  };
  note(name, {.kind = FieldKind::kDecimal,
              .min = shortest(min),
              .max = shortest(max),
              .words = {},
              .fallback = shortest(out)});
  const YamlNode* field = find(name);
  if (field == nullptr) return;
  const std::string expected = "a decimal number from " + shortest(min) + " to " + shortest(max) +
                               " as a string, for instance \"0.5\"" +
                               (whole_allowed ? ", or a whole number" : "");
  const bool whole = whole_allowed && field->kind == YamlKind::kInt;
  if (field->kind != YamlKind::kString && !whole) {
    wrong_type(name, *field, expected);
    return;
  }
  double value = 0;
  if (is_decimal(field->text)) {
    std::from_chars(field->text.data(), field->text.data() + field->text.size(), value);
    if (value >= min && value <= max) {
      out = value;
      return;
    }
  }
  problem(name, shown(field->text) + " is not allowed; expected " + expected);
}

void ObjectReader::text(std::string_view name, const std::function<bool(std::string_view)>& accept,
                        std::string_view form, std::string& out) {
  FieldInfo info{.kind = FieldKind::kText, .min = {}, .max = {}, .words = {}, .fallback = {}};
  if (!out.empty()) info.fallback = out;
  note(name, std::move(info));
  const YamlNode* field = find(name);
  if (field == nullptr) return;
  if (field->kind != YamlKind::kString) {
    wrong_type(name, *field, "a string (in quotes): " + std::string(form));
    return;
  }
  if (!accept(field->text)) {
    problem(name, shown(field->text) + " is not allowed; expected " + std::string(form));
    return;
  }
  out = field->text;
}

std::optional<std::size_t> ObjectReader::read_choice(std::string_view name,
                                                     const std::vector<std::string>& words,
                                                     const std::vector<bool>& usable) {
  std::vector<std::string> allowed;
  for (std::size_t i = 0; i < words.size(); ++i) {
    if (usable[i]) allowed.push_back(words[i]);
  }
  const YamlNode* field = find(name);
  if (field == nullptr) return std::nullopt;
  if (field->kind != YamlKind::kString) {
    wrong_type(name, *field, "one of " + joined(allowed));
    return std::nullopt;
  }
  const auto found = std::find(words.begin(), words.end(), field->text);
  if (found == words.end()) {
    const auto meant = nearest(field->text, allowed);
    problem(name, shown(field->text) + " is unknown" +
                      (meant ? ", did you mean " + *meant + "?" : "") +
                      "; allowed: " + joined(allowed));
    return std::nullopt;
  }
  const auto index = static_cast<std::size_t>(found - words.begin());
  if (!usable[index]) {
    problem(name,
            field->text + " is not in this version of Sluice yet; allowed now: " + joined(allowed));
    return std::nullopt;
  }
  return index;
}

void ObjectReader::list(
    std::string_view name, std::size_t items_max,
    const std::function<void(const YamlNode& item, const std::string& path)>& read) {
  note(name, {.kind = FieldKind::kList,
              .min = {},
              .max = std::to_string(items_max),
              .words = {},
              .fallback = {}});
  const YamlNode* field = find(name);
  if (field == nullptr) return;
  if (field->kind != YamlKind::kList) {
    wrong_type(name, *field, "a list");
    return;
  }
  if (field->items.size() > items_max) {
    problem(name, "has " + std::to_string(field->items.size()) + " items; at most " +
                      std::to_string(items_max));
    return;
  }
  for (std::size_t i = 0; i < field->items.size(); ++i) {
    read(field->items[i], field_path(name) + "[" + std::to_string(i) + "]");
  }
}

const YamlNode* ObjectReader::names(std::string_view name, std::size_t entries_max) {
  note(name, {.kind = FieldKind::kMap,
              .min = {},
              .max = std::to_string(entries_max),
              .words = {},
              .fallback = {}});
  const YamlNode* field = find(name);
  if (field == nullptr) return nullptr;
  if (field->kind != YamlKind::kMap) {
    problem(name, "is " + std::string(describe(field->kind)) + "; expected a map of strings");
    return nullptr;
  }
  if (field->entries.size() > entries_max) {
    problem(name, "has " + std::to_string(field->entries.size()) + " entries; at most " +
                      std::to_string(entries_max));
    return nullptr;
  }
  return field;
}

void ObjectReader::not_in_this_version(std::string_view name) {
  accept(name);
  if (!has(name)) return;
  if (context_.passes_unknown) return context_.pass_over(field_path(name));
  problem(name, "is not in this version of Sluice yet; leave it out");
}

void ObjectReader::require(std::string_view name, std::string_view allowed) {
  if (has(name)) return;
  problem(name, "is missing; expected " + std::string(allowed));
}

void ObjectReader::finish() {
  if (node_ == nullptr) return;
  std::sort(known_.begin(), known_.end());
  std::sort(silent_.begin(), silent_.end());
  for (const auto& [key, value] : node_->entries) {
    if (std::binary_search(known_.begin(), known_.end(), key) ||
        std::binary_search(silent_.begin(), silent_.end(), key)) {
      continue;
    }
    if (context_.passes_unknown) {
      context_.pass_over(field_path(path_step(key)));
      continue;
    }
    if (context_.problems.full()) {
      context_.problems.add(value.line, "", "");
      continue;
    }
    const auto meant = nearest(key, known_);
    context_.problems.add(value.line, field_path(path_step(key)),
                          "unknown field" + (meant ? ", did you mean " + *meant + "?" : "") +
                              "; allowed here: " + joined(known_));
  }
}

}  // namespace sluice::api
