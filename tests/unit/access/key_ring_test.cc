#include "access/key_ring.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "access/key_text.h"

namespace sluice::access {
namespace {

using testing::HasSubstr;

// The public keys of the examples of ZeroMQ's security protocol.
constexpr const char* kOne = "rq:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf7";
constexpr const char* kTwo = "Yne@$w-vo<fVvi]a<NY6T1ed:M$fCG*[IaLV{hID";

std::string problem(const std::string& text) {
  const auto ring = KeyRing::parse(text);
  return ring.has_value() ? "" : ring.error().message();
}

TEST(KeyRingTest, FindsKeysByTheirText) {
  const auto ring =
      KeyRing::parse(std::string("# people\n\n  worker ") + kOne +
                     "\tproduce,consume orders,emails-*\r\nroot " + kTwo + " admin *");
  ASSERT_TRUE(ring.has_value()) << ring.error().message();
  EXPECT_EQ(ring->size(), 2U);
  const auto worker = ring->find(kOne);
  ASSERT_NE(worker, nullptr);
  EXPECT_EQ(worker->id, "worker");
  EXPECT_TRUE(worker->covers("orders"));
  EXPECT_TRUE(worker->covers("emails-eu"));
  EXPECT_TRUE(worker->covers("emails-"));
  EXPECT_FALSE(worker->covers("emails"));
  EXPECT_FALSE(worker->covers("orders-2"));
  EXPECT_FALSE(worker->covers_all());
  EXPECT_TRUE(ring->find(kTwo)->covers_all());
  EXPECT_EQ(ring->find("nobody"), nullptr);
}

TEST(KeyRingTest, ALineReadsBackAsItWasWritten) {
  const auto grant = parse_grant("worker", kOne, "consume", "a,b*");
  ASSERT_TRUE(grant.has_value());
  const auto ring = KeyRing::parse(to_line(*grant));
  ASSERT_TRUE(ring.has_value());
  EXPECT_EQ(*ring->find(kOne), *grant);
}

TEST(KeyRingTest, NamesTheLineThatIsWrong) {
  const std::string good = std::string("a ") + kOne + " produce *\n";
  EXPECT_THAT(problem(good + "b"), HasSubstr("line 2: KEY-ID"));
  EXPECT_THAT(problem("b short produce *"), HasSubstr("public key"));
  EXPECT_THAT(problem(std::string("b ") + kTwo + " boss *"), HasSubstr("\"boss\" is no role"));
  EXPECT_THAT(problem(std::string("b ") + kTwo + " produce a*b"), HasSubstr("queues"));
  EXPECT_THAT(problem(std::string("b/c ") + kTwo + " produce a"), HasSubstr("key id"));
  EXPECT_THAT(problem(good + "a " + kTwo + " produce *"), HasSubstr("key id: a stands"));
  EXPECT_THAT(problem(good + "b " + kOne + " produce *"), HasSubstr("public key: stands"));
}

TEST(KeyTextTest, EncodesAsTheStandardDoes) {
  // The example of RFC 32, to the length of a key.
  std::vector<std::byte> key;
  for (const unsigned byte : {0x86U, 0x4FU, 0xD2U, 0x6FU, 0xB5U, 0x59U, 0xF7U, 0x5BU}) {
    key.push_back(static_cast<std::byte>(byte));
  }
  key.resize(kKeyBytes, std::byte{0});
  const std::string text = to_key_text(key);
  EXPECT_EQ(text, "HelloWorld" + std::string(30, '0'));
  EXPECT_TRUE(is_key_text(text));
  EXPECT_FALSE(is_key_text(std::string(40, '#')));  // above what four bytes hold
  EXPECT_FALSE(is_key_text(std::string(39, '0')));
  EXPECT_FALSE(is_key_text(std::string(39, '0') + " "));
}

}  // namespace
}  // namespace sluice::access
