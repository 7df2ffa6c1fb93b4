#include "wire/frame_type.h"

#include <type_traits>
#include <variant>

#include "wire/frame_table.h"

namespace sluice::wire {

std::string_view to_string(FrameType type) {
  switch (type) {
#define SLUICE_FRAME_NAME(Struct, Number, Name) \
  case FrameType::Number:                       \
    return Name;
    SLUICE_FRAMES(SLUICE_FRAME_NAME)
#undef SLUICE_FRAME_NAME
  }
  return {};
}

FrameType type_of(const Body& body) {
  return std::visit(
      [](const auto& value) { return FrameTraits<std::decay_t<decltype(value)>>::kType; }, body);
}

}  // namespace sluice::wire
