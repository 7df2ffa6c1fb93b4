#pragma once

/// \file
/// What is part of the library's interface; everything else is hidden in a shared library.

/// Visible from outside a shared library.
#define SLUICE_EXPORT __attribute__((visibility("default")))
/// Not visible, although it belongs to something that is.
#define SLUICE_HIDDEN __attribute__((visibility("hidden")))
