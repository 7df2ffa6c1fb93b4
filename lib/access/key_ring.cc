#include "access/key_ring.h"

#include <algorithm>
#include <set>
#include <utility>

#include "access/key_text.h"

namespace sluice::access {
namespace {

constexpr std::size_t kIdBytesMax = 63;
constexpr std::size_t kQueueBytesMax = 253;
constexpr std::size_t kQueuesMax = 1'000;
constexpr std::string_view kSpaces = " \t\r";
constexpr std::size_t kFields = 4;

bool is_name_byte(char byte) {
  return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') ||
         (byte >= '0' && byte <= '9') || byte == '-' || byte == '.' || byte == '_';
}

bool is_pattern(std::string_view text) {
  if (text.empty() || text.size() > kQueueBytesMax) return false;
  if (text.back() == '*') text.remove_suffix(1);
  return std::all_of(text.begin(), text.end(), is_name_byte);
}

std::vector<std::string_view> words(std::string_view line) {
  std::vector<std::string_view> found;
  while (true) {
    const std::size_t begin = line.find_first_not_of(kSpaces);
    if (begin == std::string_view::npos) return found;
    line.remove_prefix(begin);
    const std::size_t end = std::min(line.find_first_of(kSpaces), line.size());
    found.push_back(line.substr(0, end));
    line.remove_prefix(end);
  }
}

}  // namespace

bool Grant::covers(std::string_view queue) const {
  return std::any_of(queues.begin(), queues.end(), [&](std::string_view pattern) {
    if (!pattern.ends_with('*')) return pattern == queue;
    pattern.remove_suffix(1);
    return queue.starts_with(pattern);
  });
}

bool Grant::covers_all() const {
  return std::find(queues.begin(), queues.end(), "*") != queues.end();
}

base::Result<Grant> parse_grant(std::string_view id, std::string_view public_key,
                                std::string_view roles, std::string_view queues) {
  Grant grant;
  if (id.empty() || id.size() > kIdBytesMax || !std::all_of(id.begin(), id.end(), is_name_byte)) {
    return base::invalid_argument("key id: 1 to 63 letters, digits, '-', '.' and '_' expected");
  }
  if (!is_key_text(public_key)) {
    return base::invalid_argument("public key: 40 characters of Z85 expected");
  }
  ASSIGN_OR_RETURN(grant.roles, parse_roles(roles));
  grant.id = id;
  grant.public_key = public_key;
  while (true) {
    const std::size_t comma = queues.find(',');
    const std::string_view pattern = queues.substr(0, comma);
    if (!is_pattern(pattern)) {
      return base::invalid_argument("queues: \"" + std::string(pattern.substr(0, 64)) +
                                    "\" is neither a name nor a name's beginning and *");
    }
    grant.queues.emplace_back(pattern);
    if (grant.queues.size() > kQueuesMax) {
      return base::invalid_argument("queues: at most 1,000");
    }
    if (comma == std::string_view::npos) return grant;
    queues.remove_prefix(comma + 1);
  }
}

base::Result<KeyRing> KeyRing::parse(std::string_view text) {
  if (text.size() > kTextBytesMax) return base::invalid_argument("at most 4 MiB");
  KeyRing ring;
  std::set<std::string, std::less<>> ids;
  for (std::size_t number = 1; !text.empty(); ++number) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    const std::vector<std::string_view> fields = words(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
    if (fields.empty() || fields.front().starts_with('#')) continue;
    const std::string place = "line " + std::to_string(number);
    if (fields.size() != kFields) {
      return base::invalid_argument(place + ": KEY-ID PUBLIC-KEY ROLES QUEUES expected");
    }
    auto grant = parse_grant(fields[0], fields[1], fields[2], fields[3]);
    if (!grant.has_value()) return grant.error().with_prefix(place);
    if (!ids.insert(grant->id).second) {
      return base::invalid_argument(place + ": key id: " + grant->id + " stands there already");
    }
    if (ring.grants_.contains(grant->public_key)) {
      return base::invalid_argument(place + ": public key: stands there already");
    }
    if (ring.size() >= kKeysMax) return base::invalid_argument(place + ": at most 10,000 keys");
    std::string key = grant->public_key;
    ring.grants_.emplace(std::move(key), std::make_shared<const Grant>(*std::move(grant)));
  }
  return ring;
}

std::shared_ptr<const Grant> KeyRing::find(std::string_view public_key) const {
  const auto at = grants_.find(public_key);
  return at == grants_.end() ? nullptr : at->second;
}

bool operator==(const KeyRing& a, const KeyRing& b) {
  return std::equal(a.grants_.begin(), a.grants_.end(), b.grants_.begin(), b.grants_.end(),
                    [](const auto& x, const auto& y) { return *x.second == *y.second; });
}

std::string to_line(const Grant& grant) {
  std::string line = grant.id + " " + grant.public_key + " " + to_string(grant.roles) + " ";
  for (std::size_t i = 0; i < grant.queues.size(); ++i) {
    if (i > 0) line += ',';
    line += grant.queues[i];
  }
  return line;
}

}  // namespace sluice::access
