#include <cstddef>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>

#include "base/check.h"
#include "kube/http_api.h"
#include "kube/json_reader.h"
#include "tests/fuzz/fuzz_input.h"
#include "tests/unit/kube/script_transport.h"

namespace {

using sluice::fuzz::Input;
using sluice::kube::Json;

constexpr std::size_t kMessageBytesMax = 4'000;
constexpr std::size_t kRequestsMax = 200;

// What our reader takes is what another one reads.
void check_reader(std::string_view text) {
  const auto ours = sluice::kube::read_json(text);
  if (!ours.has_value()) return;
  const Json theirs = Json::parse(text, nullptr, false);
  CHECK(!theirs.is_discarded());
  CHECK(theirs == *ours);
}

void check_error(const sluice::base::Error& error) {
  CHECK(!error.message().empty());
  CHECK(error.message().size() <= kMessageBytesMax);
}

std::string body(Input& input) {
  static const char* const kBodies[] = {
      R"({"kind":"Status","code":409,"reason":"AlreadyExists","message":"there"})",
      R"({"metadata":{"resourceVersion":"7","continue":"c"},"items":[{"metadata":{"name":"a"}}]})",
      R"({"metadata":{"resourceVersion":"7"},"items":[{},1,null,"x",[]]})",
      R"({"apiVersion":"v1","kind":"Service","metadata":{"name":"orders","namespace":"shop"}})",
      "<html>503</html>\r\n"};
  std::string text = input.u8() % 3 == 0 ? std::string(input.text(input.below(64)))
                                         : std::string(kBodies[input.below(5)]);
  for (std::size_t changes = input.below(4); changes > 0 && !text.empty(); --changes) {
    const std::size_t at = input.below(text.size());
    const std::size_t gone = input.below(4);
    text.replace(at, gone, input.text(1 + input.below(6)));
  }
  check_reader(text);
  return text;
}

}  // namespace

// Whatever the API server answers, each call ends after a bounded number of requests, with a
// document or an error that a person can read.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  check_reader({reinterpret_cast<const char*>(data), size});
  Input input(data, size);
  sluice::kube::ScriptTransport transport;
  sluice::kube::TestClock clock;
  sluice::kube::HttpApi api({transport, clock, [](sluice::base::Millis) { return true; }, {}});
  const std::size_t call = input.below(7);
  static const int kStatus[] = {200, 201, 200, 401, 403, 404, 409, 410, 422, 429, 500, 503, 504};
  while (!input.empty() && transport.answers.size() < 12) {
    if (input.u8() % 8 == 0) {
      transport.fail(sluice::base::unavailable("the connection broke"));
    } else {
      const int status = kStatus[input.below(13)];
      transport.answer(status, body(input));
    }
  }
  const Json object = {{"apiVersion", "v1"},
                       {"kind", "Service"},
                       {"metadata", {{"name", "orders"}, {"namespace", "shop"}}}};
  const sluice::kube::ObjectRef ref{&sluice::kube::kServices, "shop", "orders"};
  sluice::base::Result<Json> answer = Json();
  if (call == 0) answer = api.get(ref);
  if (call == 1) answer = api.list(sluice::kube::kServices, "shop", {});
  if (call == 2) answer = api.create(object);
  if (call == 3) answer = api.apply(object, "sluice");
  if (call == 4) answer = api.merge_patch(ref, {{"a", 1}}, "status");
  if (call == 5) answer = api.update(object, "");
  if (call == 6) {
    const auto removed = api.remove(ref, {}, sluice::kube::Propagation::kBackground);
    if (!removed.has_value()) check_error(removed.error());
  }
  if (!answer.has_value()) check_error(answer.error());
  if (call == 1 && answer.has_value()) {
    CHECK(answer->at("items").is_array());
    for (const Json& item : answer->at("items")) CHECK(item.at("kind") == "Service");
  }
  CHECK(transport.requests.size() <= kRequestsMax);
  return 0;
}
