#pragma once

namespace sluice::runtime {

// For programs in which frames come and go by the thousand: once a process, before its threads. The
// heap keeps what was freed, up to 32 MiB of each arena, instead of giving it back to the system
// and asking for it again for each frame. malloc_trim() still gives it back.
void keep_memory_of_frames();

}  // namespace sluice::runtime
