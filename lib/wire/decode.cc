#include <string>

#include "wire/decode_body.h"
#include "wire/frame_codec.h"
#include "wire/frame_table.h"
#include "wire/frame_type.h"

namespace sluice::wire {
namespace {

FrameHeader load_header(base::ByteView bytes) {
  base::ByteReader reader(bytes);
  FrameHeader header;
  header.version = reader.u8();
  header.type = static_cast<FrameType>(reader.u8());
  header.flags = reader.u16();
  header.session_epoch = reader.u32();
  header.session = reader.u64();
  header.request = reader.u64();
  return header;
}

base::Status check_header(const FrameHeader& header) {
  if (header.version < kProtocolVersionMin || header.version > kProtocolVersion) {
    return base::invalid_argument("header: version is " + std::to_string(header.version) +
                                  ", this side speaks " + std::to_string(kProtocolVersion));
  }
  if (header.flags != 0) return base::invalid_argument("header: flags are not 0");
  return {};
}

// False = no such type.
bool decode_by_type(FrameType type, FieldReader& reader, Body& body) {
  switch (type) {
#define SLUICE_DECODE(Struct, Number, Name)      \
  case FrameType::Number:                        \
    decode_body(reader, body.emplace<Struct>()); \
    return true;
    SLUICE_FRAMES(SLUICE_DECODE)
#undef SLUICE_DECODE
  }
  return false;
}

}  // namespace

base::Result<FrameHeader> decode_header(base::ByteView bytes) {
  if (bytes.size() < kHeaderBytes) {
    return base::invalid_argument("header: the frame has only " + std::to_string(bytes.size()) +
                                  " bytes");
  }
  return load_header(bytes);
}

base::Result<Frame> decode_frame(base::ByteView bytes) {
  if (bytes.size() > kFrameBytesMax) {
    return base::invalid_argument("the frame has " + std::to_string(bytes.size()) + " bytes, " +
                                  std::to_string(kFrameBytesMax) + " at most");
  }
  ASSIGN_OR_RETURN(const FrameHeader header, decode_header(bytes));
  RETURN_IF_ERROR(check_header(header));
  Frame frame;
  frame.header = header;
  FieldReader reader(bytes.subspan(kHeaderBytes));
  if (!decode_by_type(header.type, reader, frame.body)) {
    return base::invalid_argument(
        "header: type " + std::to_string(static_cast<unsigned>(header.type)) + " is unknown");
  }
  if (const char* field = reader.bad_field(); field != nullptr) {
    return base::invalid_argument(std::string(to_string(header.type)) + ": " + field + " " +
                                  reader.what());
  }
  return frame;
}

}  // namespace sluice::wire
