#include "client/client_name.h"

#include <gtest/gtest.h>

#include <map>

namespace sluice::client {
namespace {

std::string name_of(const std::map<std::string, std::string>& environment,
                    std::string_view machine = "laptop") {
  return client_name_of(
      [&](const char* name) {
        const auto at = environment.find(name);
        return at == environment.end() ? std::string() : at->second;
      },
      machine, "4711");
}

TEST(ClientName, NamesThePodAndItsUid) {
  EXPECT_EQ(name_of({{"POD_NAME", "worker-0"}, {"POD_UID", "6f2a"}, {"HOSTNAME", "node-1"}}),
            "worker-0/6f2a");
  EXPECT_EQ(name_of({{"POD_NAME", "worker-0"}}), "worker-0/4711");
}

TEST(ClientName, ElseTheHostAndTheProcess) {
  EXPECT_EQ(name_of({{"HOSTNAME", "worker-0"}}), "worker-0/4711");
  EXPECT_EQ(name_of({}), "laptop/4711");
  EXPECT_EQ(name_of({{"POD_UID", "6f2a"}}), "laptop/4711");
  EXPECT_EQ(name_of({}, ""), "unknown/4711");
}

TEST(ClientName, FitsAHello) {
  const std::string longest(300, 'p');
  EXPECT_LE(name_of({{"POD_NAME", longest}, {"POD_UID", longest}}).size(), 253U);
}

}  // namespace
}  // namespace sluice::client
