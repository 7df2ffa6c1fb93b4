#pragma once

#include <cstddef>
#include <string_view>

// The forms of names that Kubernetes knows.
namespace sluice::api {

inline constexpr std::size_t kLabelBytesMax = 63;
inline constexpr std::size_t kSubdomainBytesMax = 253;

inline constexpr std::string_view kLabelForm =
    "1 to 63 lower-case letters, digits and '-', with a letter or digit first and last";
inline constexpr std::string_view kSubdomainForm =
    "1 to 253 lower-case letters, digits, '-' and '.', with a letter or digit at both ends of "
    "each part";

inline constexpr std::string_view kQualifiedNameForm =
    "1 to 63 letters, digits, '-', '_' and '.', with a letter or digit first and last, and before "
    "it optionally a DNS name and '/'";
inline constexpr std::string_view kLabelValueForm =
    "at most 63 letters, digits, '-', '_' and '.', with a letter or digit first and last";

// DNS-1123 label: names of queues, subscriptions, brokers and namespaces.
bool is_label(std::string_view name);
// DNS-1123 subdomain: names of most other objects.
bool is_subdomain(std::string_view name);
// Keys and values of labels, keys of annotations and resources.
bool is_qualified_name(std::string_view name);
bool is_label_value(std::string_view value);
// A quantity of a container's resource: "500m", "1.5", "2Gi".
bool is_resource_quantity(std::string_view text);

}  // namespace sluice::api
