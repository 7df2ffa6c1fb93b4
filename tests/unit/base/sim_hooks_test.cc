#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "base/buggify.h"
#include "base/cover.h"

namespace sluice::base {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

class Hooks final : public SimHooks {
 public:
  Hooks() { sim_hooks = this; }
  ~Hooks() override { sim_hooks = nullptr; }
  Hooks(const Hooks&) = delete;
  Hooks& operator=(const Hooks&) = delete;

  bool buggify(std::string_view place) override {
    asked.emplace_back(place);
    return place == "wanted";
  }
  bool planted(std::string_view bug) override { return bug == "planted"; }
  void cover(const CoverMark& mark) override { covered.emplace_back(mark.name); }

  std::vector<std::string> asked;
  std::vector<std::string> covered;
};

void pass_a_mark() { COVER("a mark of the test"); }

TEST(SimHooks, do_nothing_where_there_is_no_simulation) {
  EXPECT_FALSE(BUGGIFY("wanted"));
  EXPECT_FALSE(PLANTED("planted"));
  pass_a_mark();
}

TEST(SimHooks, a_simulation_decides_at_each_place) {
  Hooks hooks;
  EXPECT_TRUE(BUGGIFY("wanted"));
  EXPECT_FALSE(BUGGIFY("other"));
  EXPECT_TRUE(PLANTED("planted"));
  EXPECT_FALSE(PLANTED("other"));
  EXPECT_THAT(hooks.asked, ElementsAre("wanted", "other"));
}

TEST(SimHooks, a_mark_is_counted_when_it_is_passed) {
  Hooks hooks;
  EXPECT_THAT(hooks.covered, IsEmpty());
  pass_a_mark();
  EXPECT_THAT(hooks.covered, ElementsAre("a mark of the test"));
}

TEST(SimHooks, an_ended_simulation_interferes_no_more) {
  { const Hooks hooks; }
  EXPECT_FALSE(BUGGIFY("wanted"));
}

}  // namespace
}  // namespace sluice::base
