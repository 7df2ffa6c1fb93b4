#pragma once

#include <cstddef>
#include <vector>

#include "broker/picture.h"
#include "wire/frame.h"

namespace sluice::frontend {

// A page's changes: so much that a frame of it goes by in no time.
inline constexpr std::size_t kChangesBytesMax = 60 * 1024;

// What has changed from `before` to `after` (both by name), in pages; none where nothing has. Only
// `changes` of the frames is filled in. The texts are those of the pictures, which must stay.
std::vector<wire::Changes> change_pages(const std::vector<broker::QueuePicture>& before,
                                        const std::vector<broker::QueuePicture>& after);

}  // namespace sluice::frontend
