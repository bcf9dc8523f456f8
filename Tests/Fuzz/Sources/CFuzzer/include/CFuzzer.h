#pragma once
#include <stddef.h>
#include <stdint.h>

/// libFuzzer's entry, for programs that bring their own `main` as SwiftPM's executables do.
int LLVMFuzzerRunDriver(int *argc, char ***argv, int (*callback)(const uint8_t *bytes, size_t count));
