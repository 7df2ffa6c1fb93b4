#pragma once

#include <cstddef>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "operator/api/field_info.h"
#include "operator/api/problem.h"
#include "operator/api/queue.h"

// The entrance of this library: the text of a manifest file in, Queues or all that is wrong out.
namespace sluice::api {

struct Manifest {
  std::vector<Queue> queues;      // in the order of the file; of no use where problems is not empty
  std::vector<Problem> problems;  // by line
  std::size_t problems_left_out = 0;  // found, but not listed

  bool ok() const { return problems.empty(); }
  // One line a problem, each beginning with "file:line: ".
  std::string describe_problems(std::string_view file) const;
};

// Reads one or several YAML documents (separated by ---). A name may stand there once.
Manifest parse_manifest(std::string_view text);

// The same for who wants all or nothing: InvalidArgument with describe_problems() as message.
base::Result<std::vector<Queue>> parse_queues(std::string_view file, std::string_view text);

// Paths of all fields that the decoder knows ("spec.subscriptions[].name"), for documentation and
// schema to be checked against.
std::set<std::string> manifest_fields();
// The same with what may stand in each.
std::map<std::string, FieldInfo> manifest_schema();

}  // namespace sluice::api
