#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/time.h"
#include "operator/api/field_info.h"
#include "operator/api/problem.h"
#include "operator/api/yaml_node.h"

namespace sluice::api {

struct DecodeContext {
  Problems& problems;
  // Where given, gets the path of each field that is looked for, lists as "[]", and what may stand
  // there. So the schema can be compared with its documentation and with the CRD.
  std::map<std::string, FieldInfo>* fields = nullptr;
  // Unknown fields are no problems of the document that is read; their paths are kept here, the
  // first of them.
  bool passes_unknown = false;
  std::vector<std::string> passed_over;

  void pass_over(std::string path) {
    constexpr std::size_t kKeptMax = 20;
    if (passed_over.size() < kKeptMax) passed_over.push_back(std::move(path));
  }
};

// Inclusive.
struct IntRange {
  std::int64_t min = 0;
  std::int64_t max = 0;
};
struct BytesRange {
  std::uint64_t min = 0;
  std::uint64_t max = 0;
};
struct DurationRange {
  base::Millis min{0};
  base::Millis max{0};
};

// One word of an enumeration. A word that is right but beyond this version is refused in other
// words than a typing error.
template <typename T>
struct Choice {
  std::string_view name;
  T value{};
  bool in_this_version = true;
};

// Reads the fields of one map into variables that hold their defaults. A field that is absent, or
// null as Kubernetes has it, leaves its variable alone; one that is wrong leaves it alone and adds
// a problem. Each field is asked for by name once, then finish() refuses those nobody asked for.
//
// Lives on the stack while its map is read; node and context must outlive it.
class ObjectReader {
 public:
  // `node`: nullptr = absent. What is no map is reported here and then read as absent.
  ObjectReader(const YamlNode* node, std::string path, DecodeContext& context);
  ObjectReader(const ObjectReader&) = delete;
  ObjectReader& operator=(const ObjectReader&) = delete;

  bool present() const { return node_ != nullptr; }
  const std::string& path() const { return path_; }
  // The map's line, 0 if absent.
  int line() const { return node_ != nullptr ? node_->line : 0; }

  // The raw value; nullptr where absent or null.
  const YamlNode* find(std::string_view name);
  bool has(std::string_view name) const;

  template <std::integral T>
  void integer(std::string_view name, IntRange range, T& out) {
    note_integer(name, range, static_cast<std::int64_t>(out));
    if (const auto value = read_integer(name, range)) out = static_cast<T>(*value);
  }
  void boolean(std::string_view name, bool& out);
  void duration(std::string_view name, DurationRange range, base::Millis& out);
  // An optional one stays empty where the field is absent.
  void duration(std::string_view name, DurationRange range, std::optional<base::Millis>& out);
  // "6Gi", or a whole number of bytes without quotes.
  void bytes(std::string_view name, BytesRange range, std::uint64_t& out);
  void bytes(std::string_view name, BytesRange range, std::optional<std::uint64_t>& out);
  // A decimal in a string ("0.2"), because CRDs have no portable fractions. `whole_allowed`: a
  // whole number may stand without quotes.
  void decimal(std::string_view name, double min, double max, bool whole_allowed, double& out);
  // Text that `accept` takes; `form` says what is allowed.
  void text(std::string_view name, const std::function<bool(std::string_view)>& accept,
            std::string_view form, std::string& out);
  template <typename T, std::size_t N>
  void choice(std::string_view name, const Choice<T> (&choices)[N], T& out) {
    std::vector<std::string> words;
    std::vector<bool> usable;
    FieldInfo info{.kind = FieldKind::kChoice, .min = {}, .max = {}, .words = {}, .fallback = {}};
    for (const Choice<T>& one : choices) {
      words.emplace_back(one.name);
      usable.push_back(one.in_this_version);
      if (one.in_this_version) info.words.emplace_back(one.name);
      if (one.value == out) info.fallback = one.name;
    }
    note(name, std::move(info));
    if (const auto index = read_choice(name, words, usable)) out = choices[*index].value;
  }
  // The items of a list of at most `items_max`; `read` gets each with its path.
  void list(std::string_view name, std::size_t items_max,
            const std::function<void(const YamlNode& item, const std::string& path)>& read);
  // A map whose keys are not known in advance, of at most `entries_max`; nullptr where absent.
  const YamlNode* names(std::string_view name, std::size_t entries_max);
  // A field that may be there and means nothing to us.
  void accept(std::string_view name) { silent_.emplace_back(name); }
  // A field of the schema that this version cannot honour: present = refused, as unknown ones are.
  void not_in_this_version(std::string_view name);
  // Reports the field as missing unless it is there.
  void require(std::string_view name, std::string_view allowed);

  // Adds a problem to the field `name` of this map, at its line.
  void problem(std::string_view name, std::string text);
  std::string field_path(std::string_view name) const;

  // Refuses unknown fields. Nothing may be asked for afterwards.
  void finish();

 private:
  // Notes what may stand in a field, for whoever wants the schema.
  void note(std::string_view name, FieldInfo info);
  void note_integer(std::string_view name, IntRange range, std::int64_t fallback);
  void note_duration(std::string_view name, DurationRange range,
                     std::optional<base::Millis> fallback);
  void note_bytes(std::string_view name, BytesRange range, std::optional<std::uint64_t> fallback);

  std::optional<std::int64_t> read_integer(std::string_view name, IntRange range);
  std::optional<std::size_t> read_choice(std::string_view name,
                                         const std::vector<std::string>& words,
                                         const std::vector<bool>& usable);
  std::optional<base::Millis> read_duration(std::string_view name, DurationRange range);
  std::optional<std::uint64_t> read_bytes(std::string_view name, BytesRange range);
  // "is a list; expected ..." or what is ambiguous about it.
  void wrong_type(std::string_view name, const YamlNode& node, const std::string& expected);

  const YamlNode* node_;
  std::string path_;
  DecodeContext& context_;
  std::vector<std::string> known_;
  std::vector<std::string> silent_;  // known too, but nothing to recommend
};

}  // namespace sluice::api
