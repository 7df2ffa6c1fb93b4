#pragma once

#include "base/buggify.h"

// COVER("torn tail cut") in a rare branch: a simulation counts how often it was taken, and names
// the marks that never were. The marks of a program stand in a section of their own, so that also
// those are known which were never passed.
namespace sluice::base {

struct CoverMark {
  const char* name;
  const char* file;
  int line;
};

}  // namespace sluice::base

#define COVER(name)                                                                                \
  do {                                                                                             \
    static const ::sluice::base::CoverMark sluice_cover_mark                                       \
        __attribute__((section("sluice_cover"), used)) = {name, __FILE__, __LINE__};               \
    if (::sluice::base::sim_hooks != nullptr) ::sluice::base::sim_hooks->cover(sluice_cover_mark); \
  } while (false)
