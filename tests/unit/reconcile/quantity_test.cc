#include "operator/reconcile/quantity.h"

#include <gtest/gtest.h>

namespace sluice::reconcile {
namespace {

TEST(Quantity, OneAmountHasManyForms) {
  EXPECT_TRUE(same_quantity("1Gi", "1024Mi"));
  EXPECT_TRUE(same_quantity("1Gi", "1073741824"));
  EXPECT_TRUE(same_quantity("0.5", "500m"));
  EXPECT_TRUE(same_quantity("1e3", "1k"));
  EXPECT_TRUE(same_quantity("1.5Gi", "1536Mi"));
  EXPECT_TRUE(same_quantity("0", "0Gi"));
  EXPECT_TRUE(same_quantity("2", "2000m"));
}

TEST(Quantity, DifferentAmountsDiffer) {
  EXPECT_FALSE(same_quantity("1G", "1Gi"));
  EXPECT_FALSE(same_quantity("1", "1m"));
  EXPECT_FALSE(same_quantity("10Gi", "11Gi"));
}

TEST(Quantity, WhatIsNoAmountIsComparedAsText) {
  EXPECT_TRUE(same_quantity("a", "a"));
  EXPECT_FALSE(same_quantity("a", "b"));
  EXPECT_FALSE(same_quantity("", "0"));
  EXPECT_FALSE(same_quantity("1x", "1"));
}

TEST(Quantity, BytesAreRoundedUp) {
  EXPECT_EQ(quantity_bytes("10Gi"), 10ULL << 30);
  EXPECT_EQ(quantity_bytes("1.5Ki"), 1536U);
  EXPECT_EQ(quantity_bytes("100m"), 1U);
  EXPECT_EQ(quantity_bytes("16Ei"), std::nullopt);
  EXPECT_EQ(quantity_bytes("much"), std::nullopt);
}

}  // namespace
}  // namespace sluice::reconcile
