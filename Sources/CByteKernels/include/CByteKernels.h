// Byte-level inner loops for which C is measurably faster than Swift.
#pragma once
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/// CRC-32C (Castagnoli) of `length` bytes, continuing from `seed` (0 to start).
uint32_t aig_crc32c(uint32_t seed, const void *bytes, size_t length);

/// Offset of `needle` in `haystack`, or -1.
static inline ptrdiff_t aig_find(const void *haystack, size_t length, const void *needle, size_t needle_length) {
    const void *hit = memmem(haystack, length, needle, needle_length);
    return hit ? (const char *)hit - (const char *)haystack : -1;
}
