#include "operator/api/yaml_reader.h"

#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/yaml.h>

#include <exception>
#include <optional>
#include <sstream>
#include <string>
#include <unordered_set>
#include <utility>

namespace sluice::api {
namespace {

// Ends the parse; the problem has been noted.
struct Stop {};

int line_of(const YAML::Mark& mark) { return mark.line + 1; }

// yaml-cpp's words may quote the file.
std::string no_yaml(std::string_view why) {
  constexpr std::size_t kWhyBytes = 200;
  return "this is no YAML: " + printable(why, kWhyBytes);
}

// Builds one document at a time from yaml-cpp's events. Its own tree is not used: it resolves
// aliases silently, keeps the last of two equal keys and forgets who was quoted.
class TreeBuilder final : public YAML::EventHandler {
 public:
  TreeBuilder(Problems& problems, int depth_max) : problems_(problems), depth_max_(depth_max) {}

  // The document that was just read.
  YamlNode take_root() {
    YamlNode root = std::move(root_);
    root_ = YamlNode{};
    return root;
  }

  void OnDocumentStart(const YAML::Mark&) override {}
  void OnDocumentEnd() override {}

  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    begin(mark, "", anchor);
    YamlNode node;
    node.line = line_of(mark);
    add_scalar(std::move(node), mark);
  }
  void OnAlias(const YAML::Mark& mark, YAML::anchor_t) override {
    fail(mark, "an alias (*name) is not allowed; write the value out");
  }
  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& value) override {
    begin(mark, tag, anchor);
    YamlNode node;
    node.line = line_of(mark);
    node.text = value;
    node.kind = tag == "!" ? YamlKind::kString : plain_scalar_kind(value);
    add_scalar(std::move(node), mark);
  }
  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value) override {
    open(mark, tag, anchor, YamlKind::kList);
  }
  void OnSequenceEnd() override { close(); }
  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value) override {
    open(mark, tag, anchor, YamlKind::kMap);
  }
  void OnMapEnd() override { close(); }

 private:
  // A map or list whose end has not come yet.
  struct Open {
    YamlNode node;
    std::optional<std::string> key;  // kMap: read, its value comes next
    int key_line = 0;
    std::unordered_set<std::string> keys;
  };

  [[noreturn]] void fail(const YAML::Mark& mark, std::string what) {
    problems_.add(line_of(mark), path(), std::move(what));
    throw Stop{};
  }

  // What is checked of each node, whatever it is.
  void begin(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor) {
    if (++nodes_ > kNodesMax) {
      fail(mark, "too many values in one file; at most " + std::to_string(kNodesMax));
    }
    if (anchor != 0) fail(mark, "an anchor (&name) is not allowed; write the value out");
    // "?" = no tag, "!" = quoted.
    if (!tag.empty() && tag != "?" && tag != "!") {
      fail(mark, "a tag (" + shown(tag) + ") is not allowed; quote the value to make it a string");
    }
  }

  void open(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor, YamlKind kind) {
    begin(mark, tag, anchor);
    if (expects_key()) fail(mark, "a key is " + std::string(describe(kind)) + "; it must be text");
    if (stack_.size() >= static_cast<std::size_t>(depth_max_)) {
      fail(mark, "nested too deep; at most " + std::to_string(depth_max_) + " levels");
    }
    Open level;
    level.node.kind = kind;
    level.node.line = line_of(mark);
    stack_.push_back(std::move(level));
  }

  void close() {
    YamlNode node = std::move(stack_.back().node);
    stack_.pop_back();
    add_value(std::move(node));
  }

  bool expects_key() const {
    return !stack_.empty() && stack_.back().node.kind == YamlKind::kMap && !stack_.back().key;
  }

  void add_scalar(YamlNode node, const YAML::Mark& mark) {
    if (!expects_key()) {
      add_value(std::move(node));
      return;
    }
    Open& top = stack_.back();
    if (node.kind == YamlKind::kNull) fail(mark, "a key is missing; it must be text");
    if (!top.keys.insert(node.text).second) {
      problems_.add(line_of(mark), path(),
                    "the key " + shown(node.text) + " stands here twice; each key once");
    }
    top.key = std::move(node.text);
    top.key_line = line_of(mark);
  }

  void add_value(YamlNode node) {
    if (stack_.empty()) {
      root_ = std::move(node);
      return;
    }
    Open& top = stack_.back();
    if (top.node.kind == YamlKind::kList) {
      top.node.items.push_back(std::move(node));
      return;
    }
    // Where a value is missing, yaml-cpp tells the line of whatever comes next.
    if (node.kind == YamlKind::kNull) node.line = top.key_line;
    std::string key = std::move(*top.key);
    top.key.reset();
    // Of two equal keys the first stays; the second has been reported.
    if (top.node.entries.size() + 1 == top.keys.size()) {
      top.node.entries.push_back({std::move(key), std::move(node)});
    }
  }

  std::string path() const {
    std::string out;
    for (const Open& level : stack_) {
      if (level.node.kind == YamlKind::kList) {
        out += "[" + std::to_string(level.node.items.size()) + "]";
      } else if (level.key) {
        out += (out.empty() ? "" : ".") + path_step(*level.key);
      }
    }
    return out;
  }

  Problems& problems_;
  int depth_max_;
  std::vector<Open> stack_;
  YamlNode root_;
  std::size_t nodes_ = 0;
};

}  // namespace

std::vector<YamlNode> read_yaml(std::string_view text, Problems& problems, int depth_max) {
  std::vector<YamlNode> documents;
  if (text.size() > kFileBytesMax) {
    problems.add(0, "",
                 "the file has " + std::to_string(text.size()) + " bytes; at most " +
                     std::to_string(kFileBytesMax));
    return documents;
  }
  try {
    std::istringstream in{std::string(text)};
    YAML::Parser parser(in);
    TreeBuilder builder(problems, depth_max);
    for (std::size_t count = 0; parser.HandleNextDocument(builder); ++count) {
      YamlNode root = builder.take_root();
      if (count == kDocumentsMax) {
        problems.add(root.line, "",
                     "too many documents in one file; at most " + std::to_string(kDocumentsMax));
        break;
      }
      if (root.kind != YamlKind::kNull) documents.push_back(std::move(root));
    }
  } catch (const Stop&) {
    // Noted where it was thrown.
  } catch (const YAML::Exception& exception) {
    problems.add(line_of(exception.mark), "", no_yaml(exception.msg));
  } catch (const std::exception& exception) {
    problems.add(0, "", no_yaml(exception.what()));
  }
  return documents;
}

}  // namespace sluice::api
