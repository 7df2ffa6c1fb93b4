#include "cli/text_table.h"

#include <gtest/gtest.h>

namespace sluice::cli {
namespace {

TEST(TextTable, AlignsItsColumns) {
  TextTable table({"NAME", ">COUNT", "LAST"});
  table.add({"a", "5", "x"});
  table.add({"longer", "12,345", ""});
  EXPECT_EQ(table.render(),
            "NAME     COUNT  LAST\n"
            "a            5  x\n"
            "longer  12,345\n");
}

TEST(TextTable, CountsCharactersNotBytes) {
  TextTable table({"NAME", "B"});
  table.add({"grün", "1"});
  EXPECT_EQ(table.render(), "NAME  B\ngrün  1\n");
}

}  // namespace
}  // namespace sluice::cli
