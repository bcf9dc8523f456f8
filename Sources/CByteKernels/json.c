#include "CByteKernels.h"

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

enum { WORDS = AIG_JSON_LEVELS / 64 };

static inline size_t skip_space(const unsigned char *p, size_t length, size_t at) {
    while (at < length && (p[at] == ' ' || p[at] == '\n' || p[at] == '\r' || p[at] == '\t')) at++;
    return at;
}

static inline int is_digit(unsigned char byte) { return (unsigned char)(byte - '0') < 10; }

static inline int is_hexadecimal(unsigned char byte) {
    return is_digit(byte) || (unsigned char)((byte | 0x20) - 'a') < 6;
}

/// Steps over the escape whose backslash is at `at`.
static size_t escape_end(const unsigned char *p, size_t length, size_t at) {
    if (length - at < 2) return AIG_NOT_JSON;
    switch (p[at + 1]) {
    case '"': case '\\': case '/': case 'b': case 'f': case 'n': case 'r': case 't': return at + 2;
    case 'u':
        if (length - at < 6) return AIG_NOT_JSON;
        for (size_t digit = at + 2; digit < at + 6; digit++) {
            if (!is_hexadecimal(p[digit])) return AIG_NOT_JSON;
        }
        return at + 6;
    default: return AIG_NOT_JSON;
    }
}

/// Steps over the string whose opening quote is at `at`, and notes whether it has escapes.
static size_t long_string_end(const unsigned char *p, size_t length, size_t at, int *escapes) {
    at++;
    for (;;) {
        at += aig_json_plain_prefix(p + at, length - at);
        if (at == length) return AIG_NOT_JSON;
        if (p[at] == '"') return at + 1;
        if (p[at] == '\\') {
            *escapes = 1;
            at = escape_end(p, length, at);
            if (at == AIG_NOT_JSON) return at;
        } else {
            size_t sequence = aig_utf8_prefix(p + at, length - at);
            if (!sequence) return AIG_NOT_JSON;
            at += sequence;
        }
    }
}

/// The same; most strings are keys and short values that end in the first sixteen bytes.
static inline size_t string_end(const unsigned char *p, size_t length, size_t at, int *escapes) {
#if defined(__SSE2__)
    if (length - at > 16) {
        __m128i block = _mm_loadu_si128((const __m128i *)(p + at + 1));
        // Signed comparison: bytes from 0x80 up count as negative, so they stop the run too.
        __m128i stop = _mm_or_si128(
            _mm_cmplt_epi8(block, _mm_set1_epi8(0x20)),
            _mm_or_si128(_mm_cmpeq_epi8(block, _mm_set1_epi8('"')), _mm_cmpeq_epi8(block, _mm_set1_epi8('\\')))
        );
        int mask = _mm_movemask_epi8(stop);
        if (mask) {
            size_t end = at + 1 + (size_t)__builtin_ctz((unsigned)mask);
            if (p[end] == '"') return end + 1;
        }
    }
#endif
    return long_string_end(p, length, at, escapes);
}

static inline size_t number_end(const unsigned char *p, size_t length, size_t at) {
    if (at < length && p[at] == '-') at++;
    if (at == length || !is_digit(p[at])) return AIG_NOT_JSON;
    if (p[at++] != '0') {
        while (at < length && is_digit(p[at])) at++;
    }
    if (at < length && p[at] == '.') {
        at++;
        if (at == length || !is_digit(p[at])) return AIG_NOT_JSON;
        while (at < length && is_digit(p[at])) at++;
    }
    if (at < length && (p[at] | 0x20) == 'e') {
        at++;
        if (at < length && (p[at] == '+' || p[at] == '-')) at++;
        if (at == length || !is_digit(p[at])) return AIG_NOT_JSON;
        while (at < length && is_digit(p[at])) at++;
    }
    return at;
}

static inline size_t literal_end(const unsigned char *p, size_t length, size_t at, const char *text, size_t size) {
    return length - at >= size && memcmp(p + at, text, size) == 0 ? at + size : AIG_NOT_JSON;
}

size_t aig_json_string_end(const void *bytes, size_t length, size_t at, int *escapes) {
    const unsigned char *p = bytes;
    *escapes = 0;
    if (at >= length || p[at] != '"') return AIG_NOT_JSON;
    return string_end(p, length, at, escapes);
}

size_t aig_json_number_end(const void *bytes, size_t length, size_t at) {
    return at < length ? number_end(bytes, length, at) : AIG_NOT_JSON;
}

size_t aig_json_value_end(const void *bytes, size_t length, size_t at, size_t levels) {
    const unsigned char *p = bytes;
    // One bit per open container, set for objects.
    uint64_t objects[WORDS];
    size_t depth = 0;
    int in_object = 0, escapes;
    if (levels > AIG_JSON_LEVELS) levels = AIG_JSON_LEVELS;

value:
    if (at >= length) return AIG_NOT_JSON;
    switch (p[at]) {
    case '"': at = string_end(p, length, at, &escapes); break;
    case '{': case '[': {
        if (depth == levels) return AIG_NOT_JSON;
        uint64_t bit = UINT64_C(1) << (depth % 64);
        in_object = p[at] == '{';
        if (in_object) objects[depth / 64] = (depth % 64 ? objects[depth / 64] : 0) | bit;
        else objects[depth / 64] = (depth % 64 ? objects[depth / 64] : 0) & ~bit;
        depth++;
        at = skip_space(p, length, at + 1);
        if (at == length) return AIG_NOT_JSON;
        if (p[at] == (in_object ? '}' : ']')) goto close;
        if (in_object) goto key;
        goto value;
    }
    case '-': case '0': case '1': case '2': case '3': case '4': case '5': case '6': case '7': case '8': case '9':
        at = number_end(p, length, at);
        break;
    case 't': at = literal_end(p, length, at, "true", 4); break;
    case 'f': at = literal_end(p, length, at, "false", 5); break;
    case 'n': at = literal_end(p, length, at, "null", 4); break;
    default: return AIG_NOT_JSON;
    }
    if (at == AIG_NOT_JSON) return at;

after:
    if (depth == 0) return at;
    at = skip_space(p, length, at);
    if (at == length) return AIG_NOT_JSON;
    if (p[at] == ',') {
        at = skip_space(p, length, at + 1);
        if (in_object) goto key;
        goto value;
    }
    if (p[at] != (in_object ? '}' : ']')) return AIG_NOT_JSON;

close:
    at++;
    depth--;
    if (depth) in_object = objects[(depth - 1) / 64] >> ((depth - 1) % 64) & 1;
    goto after;

key:
    if (at >= length || p[at] != '"') return AIG_NOT_JSON;
    at = string_end(p, length, at, &escapes);
    if (at == AIG_NOT_JSON) return at;
    at = skip_space(p, length, at);
    if (at == length || p[at] != ':') return AIG_NOT_JSON;
    at = skip_space(p, length, at + 1);
    goto value;
}

size_t aig_json_member(const void *bytes, size_t length, size_t at, size_t levels, struct aig_json_member *member) {
    const unsigned char *p = bytes;
    member->escapes = 0;
    if (at >= length || p[at] != '"') return AIG_NOT_JSON;
    member->key = at + 1;
    at = string_end(p, length, at, &member->escapes);
    if (at == AIG_NOT_JSON) return at;
    member->key_end = at - 1;
    at = skip_space(p, length, at);
    if (at == length || p[at] != ':') return AIG_NOT_JSON;
    at = skip_space(p, length, at + 1);
    if (at == length) return AIG_NOT_JSON;
    member->value = at;
    int escapes;
    if (p[at] == '"') at = string_end(p, length, at, &escapes);
    else if (is_digit(p[at])) at = number_end(p, length, at);
    else at = aig_json_value_end(p, length, at, levels);
    if (at == AIG_NOT_JSON) return at;
    member->value_end = at;
    return skip_space(p, length, at);
}
