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

/// CRC-32 (ISO 3309, as in gzip) of `length` bytes, continuing from `seed` (0 to start).
uint32_t aig_crc32(uint32_t seed, const void *bytes, size_t length);

/// Offset of `needle` in `haystack`, or -1.
ptrdiff_t aig_find(const void *haystack, size_t length, const void *needle, size_t needle_length);

/// How many of the first bytes are token characters (RFC 9110 §5.6.2).
size_t aig_token_prefix(const void *bytes, size_t length);

/// How many of the first bytes may stand in a field value: HTAB, SP, visible ASCII and 0x80 to 0xFF.
size_t aig_text_prefix(const void *bytes, size_t length);

/// How many of the first bytes are visible ASCII (0x21 to 0x7E).
size_t aig_graphic_prefix(const void *bytes, size_t length);

/// How many of the first bytes stand for themselves in a JSON string: ASCII from 0x20, neither quote nor backslash.
size_t aig_json_plain_prefix(const void *bytes, size_t length);

/// How many of the first bytes are neither a quote nor a bracket of any kind.
size_t aig_json_dull_prefix(const void *bytes, size_t length);

/// How many of the first bytes are neither a quote nor a backslash.
size_t aig_json_string_run(const void *bytes, size_t length);

/// The deepest nesting of arrays and objects that `aig_json_value_end` follows.
#define AIG_JSON_LEVELS 512

/// What the `aig_json_*_end` functions return for what is not JSON (RFC 8259).
#define AIG_NOT_JSON SIZE_MAX

/// The offset behind the JSON string whose opening quote is at `at`; says in `escapes` whether it has any.
size_t aig_json_string_end(const void *bytes, size_t length, size_t at, int *escapes);

/// The offset behind the longest JSON number at `at`.
size_t aig_json_number_end(const void *bytes, size_t length, size_t at);

/// The offset behind the JSON value whose first byte is at `at`; deeper than `levels` containers is no JSON.
size_t aig_json_value_end(const void *bytes, size_t length, size_t at, size_t levels);

/// Where a member of a JSON object is: the inside of its key, whether that has escapes, and its value.
struct aig_json_member {
    size_t key, key_end;
    size_t value, value_end;
    int escapes;
};

/// Reads the member whose key's opening quote is at `at`; the offset of what follows it and the space behind it.
size_t aig_json_member(const void *bytes, size_t length, size_t at, size_t levels, struct aig_json_member *member);

/// How many of the first bytes form whole, valid UTF-8 sequences of more than one byte (RFC 3629); stops at ASCII.
size_t aig_utf8_prefix(const void *bytes, size_t length);

/// Whether `length` token characters equal `lower` (letters and "-", in lower case) when case is ignored.
static inline int aig_same_letters(const void *bytes, const void *lower, size_t length) {
    const unsigned char *a = (const unsigned char *)bytes, *b = (const unsigned char *)lower;
    size_t at = 0;
    // Among token characters only letters change into letters, and only "-" into "-", when bit 5 is set.
    for (; at + 8 <= length; at += 8) {
        uint64_t x, y;
        memcpy(&x, a + at, 8);
        memcpy(&y, b + at, 8);
        if ((x | UINT64_C(0x2020202020202020)) != y) return 0;
    }
    for (; at < length; at++) {
        if ((a[at] | 0x20) != b[at]) return 0;
    }
    return 1;
}
