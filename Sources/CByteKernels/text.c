#include "CByteKernels.h"

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

#define EACH(byte) (UINT64_C(0x0101010101010101) * (uint64_t)(byte))
#define HAS_ZERO(x) (((x) - EACH(0x01)) & ~(x) & EACH(0x80))
#define HAS_BELOW(x, n) (((x) - EACH(n)) & ~(x) & EACH(0x80))

// RFC 9110 §5.6.2: tchar.
static const unsigned char is_token[256] = {
    ['!'] = 1, ['#'] = 1, ['$'] = 1, ['%'] = 1, ['&'] = 1, ['\''] = 1, ['*'] = 1, ['+'] = 1, ['-'] = 1, ['.'] = 1,
    ['^'] = 1, ['_'] = 1, ['`'] = 1, ['|'] = 1, ['~'] = 1,
    ['0'] = 1, ['1'] = 1, ['2'] = 1, ['3'] = 1, ['4'] = 1, ['5'] = 1, ['6'] = 1, ['7'] = 1, ['8'] = 1, ['9'] = 1,
    ['A'] = 1, ['B'] = 1, ['C'] = 1, ['D'] = 1, ['E'] = 1, ['F'] = 1, ['G'] = 1, ['H'] = 1, ['I'] = 1, ['J'] = 1,
    ['K'] = 1, ['L'] = 1, ['M'] = 1, ['N'] = 1, ['O'] = 1, ['P'] = 1, ['Q'] = 1, ['R'] = 1, ['S'] = 1, ['T'] = 1,
    ['U'] = 1, ['V'] = 1, ['W'] = 1, ['X'] = 1, ['Y'] = 1, ['Z'] = 1,
    ['a'] = 1, ['b'] = 1, ['c'] = 1, ['d'] = 1, ['e'] = 1, ['f'] = 1, ['g'] = 1, ['h'] = 1, ['i'] = 1, ['j'] = 1,
    ['k'] = 1, ['l'] = 1, ['m'] = 1, ['n'] = 1, ['o'] = 1, ['p'] = 1, ['q'] = 1, ['r'] = 1, ['s'] = 1, ['t'] = 1,
    ['u'] = 1, ['v'] = 1, ['w'] = 1, ['x'] = 1, ['y'] = 1, ['z'] = 1,
};

ptrdiff_t aig_find(const void *haystack, size_t length, const void *needle, size_t needle_length) {
    const unsigned char *p = haystack;
    const unsigned char *n = needle;
    size_t at = 0;
    if (needle_length > length) return -1;
    if (needle_length == 0) return 0;
#if defined(__SSE2__)
    // Sixteen places at a time are tried by two of the needle's bytes; what fits both is compared in full.
    const size_t middle = needle_length / 2, last = needle_length - 1;
    const __m128i in_middle = _mm_set1_epi8((char)n[middle]), at_end = _mm_set1_epi8((char)n[last]);
    for (; at + last + 16 <= length; at += 16) {
        __m128i left = _mm_loadu_si128((const __m128i *)(p + at + middle));
        __m128i right = _mm_loadu_si128((const __m128i *)(p + at + last));
        __m128i both = _mm_and_si128(_mm_cmpeq_epi8(left, in_middle), _mm_cmpeq_epi8(right, at_end));
        for (unsigned mask = (unsigned)_mm_movemask_epi8(both); mask; mask &= mask - 1) {
            size_t place = at + (size_t)__builtin_ctz(mask);
            if (memcmp(p + place, n, needle_length) == 0) return (ptrdiff_t)place;
        }
    }
#endif
    const void *hit = memmem(p + at, length - at, n, needle_length);
    return hit ? (const unsigned char *)hit - p : -1;
}

size_t aig_token_prefix(const void *bytes, size_t length) {
    const unsigned char *p = bytes;
    size_t at = 0;
    while (at < length && is_token[p[at]]) at++;
    return at;
}

size_t aig_text_prefix(const void *bytes, size_t length) {
    const unsigned char *p = bytes;
    size_t at = 0;
    for (;;) {
        for (; at + 8 <= length; at += 8) {
            uint64_t word;
            memcpy(&word, p + at, 8);
            if (HAS_BELOW(word, 0x20) | HAS_ZERO(word ^ EACH(0x7F))) break;
        }
        size_t stop = at + 8 <= length ? at + 8 : length;
        for (; at < stop; at++) {
            if ((p[at] < 0x20 && p[at] != '\t') || p[at] == 0x7F) return at;
        }
        if (at == length) return at;
    }
}

size_t aig_graphic_prefix(const void *bytes, size_t length) {
    const unsigned char *p = bytes;
    size_t at = 0;
    for (; at + 8 <= length; at += 8) {
        uint64_t word;
        memcpy(&word, p + at, 8);
        if (HAS_BELOW(word, 0x21) | HAS_ZERO(word ^ EACH(0x7F)) | (word & EACH(0x80))) break;
    }
    while (at < length && p[at] > 0x20 && p[at] < 0x7F) at++;
    return at;
}

size_t aig_json_plain_prefix(const void *bytes, size_t length) {
    const unsigned char *p = bytes;
    size_t at = 0;
#if defined(__SSE2__)
    const __m128i quote = _mm_set1_epi8('"'), backslash = _mm_set1_epi8('\\'), space = _mm_set1_epi8(0x20);
    for (; at + 16 <= length; at += 16) {
        __m128i block = _mm_loadu_si128((const __m128i *)(p + at));
        // Signed comparison: bytes from 0x80 up count as negative, so they stop the run together with control bytes.
        __m128i stop = _mm_or_si128(
            _mm_cmplt_epi8(block, space), _mm_or_si128(_mm_cmpeq_epi8(block, quote), _mm_cmpeq_epi8(block, backslash))
        );
        int mask = _mm_movemask_epi8(stop);
        if (mask) return at + (size_t)__builtin_ctz((unsigned)mask);
    }
#else
    for (; at + 8 <= length; at += 8) {
        uint64_t word;
        memcpy(&word, p + at, 8);
        uint64_t marks = HAS_ZERO(word ^ EACH('"')) | HAS_ZERO(word ^ EACH('\\'));
        if ((word & EACH(0x80)) | HAS_BELOW(word, 0x20) | marks) break;
    }
#endif
    while (at < length && p[at] >= 0x20 && p[at] < 0x80 && p[at] != '"' && p[at] != '\\') at++;
    return at;
}

size_t aig_json_dull_prefix(const void *bytes, size_t length) {
    const unsigned char *p = bytes;
    size_t at = 0;
    while (at < length) {
        switch (p[at]) {
        case '"': case '{': case '}': case '[': case ']': return at;
        default: at++;
        }
    }
    return at;
}

size_t aig_json_string_run(const void *bytes, size_t length) {
    const unsigned char *p = bytes;
    size_t at = 0;
#if defined(__SSE2__)
    const __m128i quote = _mm_set1_epi8('"'), backslash = _mm_set1_epi8('\\');
    for (; at + 16 <= length; at += 16) {
        __m128i block = _mm_loadu_si128((const __m128i *)(p + at));
        int mask = _mm_movemask_epi8(_mm_or_si128(_mm_cmpeq_epi8(block, quote), _mm_cmpeq_epi8(block, backslash)));
        if (mask) return at + (size_t)__builtin_ctz((unsigned)mask);
    }
#endif
    while (at < length && p[at] != '"' && p[at] != '\\') at++;
    return at;
}

size_t aig_utf8_prefix(const void *bytes, size_t length) {
    const unsigned char *p = bytes;
    size_t at = 0;
    while (at < length) {
        unsigned char lead = p[at];
        size_t left = length - at;
        if (lead < 0x80) return at;
        if (lead < 0xC2) return at;
        if (lead < 0xE0) {
            if (left < 2 || (p[at + 1] & 0xC0) != 0x80) return at;
            at += 2;
        } else if (lead < 0xF0) {
            if (left < 3) return at;
            unsigned char low = lead == 0xE0 ? 0xA0 : 0x80, high = lead == 0xED ? 0x9F : 0xBF;
            if (p[at + 1] < low || p[at + 1] > high || (p[at + 2] & 0xC0) != 0x80) return at;
            at += 3;
        } else {
            if (lead > 0xF4 || left < 4) return at;
            unsigned char low = lead == 0xF0 ? 0x90 : 0x80, high = lead == 0xF4 ? 0x8F : 0xBF;
            if (p[at + 1] < low || p[at + 1] > high) return at;
            if ((p[at + 2] & 0xC0) != 0x80 || (p[at + 3] & 0xC0) != 0x80) return at;
            at += 4;
        }
    }
    return at;
}
