#include "access/zap.h"

#include <gtest/gtest.h>

#include "access/key_text.h"

namespace sluice::access {
namespace {

class ZapTest : public testing::Test {
 protected:
  ZapTest() {
    key_.resize(kKeyBytes, std::byte{7});
    const auto ring = KeyRing::parse("a " + to_key_text(key_) + " produce *");
    CHECK(ring.has_value());
    ring_ = *ring;
  }
  ZapAnswer ask(std::string_view version, std::string_view mechanism, base::ByteView key) {
    const std::vector<base::ByteView> request = {base::as_bytes(version),
                                                 base::as_bytes("5"),
                                                 base::as_bytes("sluice"),
                                                 base::as_bytes("127.0.0.1"),
                                                 base::as_bytes(""),
                                                 base::as_bytes(mechanism),
                                                 key};
    return answer_zap(request, ring_);
  }

  std::vector<std::byte> key_;
  KeyRing ring_;
};

TEST_F(ZapTest, LetsInWhoHasAKeyAndSaysWhich) {
  const ZapAnswer answer = ask("1.0", "CURVE", key_);
  EXPECT_TRUE(answer.granted);
  EXPECT_EQ(answer.frames,
            (std::vector<std::string>{"1.0", "5", "200", "", to_key_text(key_), ""}));
}

TEST_F(ZapTest, RefusesEverythingElse) {
  std::vector<std::byte> other = key_;
  other[31] = std::byte{8};
  EXPECT_FALSE(ask("1.0", "CURVE", other).granted);
  EXPECT_FALSE(ask("1.0", "CURVE", base::ByteView(key_).first(31)).granted);
  EXPECT_FALSE(ask("1.0", "NULL", key_).granted);
  EXPECT_FALSE(ask("1.0", "PLAIN", key_).granted);
  EXPECT_FALSE(ask("2.0", "CURVE", key_).granted);
  EXPECT_FALSE(answer_zap({}, ring_).granted);
  const ZapAnswer answer = ask("1.0", "CURVE", other);
  EXPECT_EQ(answer.frames, (std::vector<std::string>{"1.0", "5", "400", "refused", "", ""}));
}

TEST_F(ZapTest, AProbeIsAnsweredAndLetsNobodyIn) {
  const std::vector<std::string> frames = probe_zap();
  std::vector<base::ByteView> request;
  for (const std::string& frame : frames) request.push_back(base::as_bytes(frame));
  const ZapAnswer answer = answer_zap(request, ring_);
  EXPECT_TRUE(answer.probe);
  EXPECT_FALSE(answer.granted);
  EXPECT_EQ(answer.frames, (std::vector<std::string>{"1.0", "probe", "400", "refused", "", ""}));
  // With a key that is known as well.
  request[5] = base::as_bytes("CURVE");
  request[6] = key_;
  EXPECT_FALSE(answer_zap(request, ring_).granted);
  EXPECT_FALSE(ask("1.0", "NULL", key_).probe);
}

}  // namespace
}  // namespace sluice::access
