#pragma once
/* bytes.h - a borrowed run of bytes: pointer and length, not NUL-terminated, owner elsewhere. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct bytes {
    const char *data; /* may be NULL only when size is 0 */
    size_t size;
};

#define BYTES(literal) ((struct bytes){ (literal), sizeof(literal) - 1 })
/* For static initialisers, where a compound literal is no constant. */
#define BYTES_INIT(literal)                                                                                  \
    {                                                                                                        \
        (literal), sizeof(literal) - 1                                                                       \
    }
/* printf: "%.*s" */
#define BYTES_ARG(b) (int)(b).size, (b).data

static inline struct bytes bytes_of(const char *zero_terminated)
{
    return (struct bytes){ zero_terminated, zero_terminated ? strlen(zero_terminated) : 0 };
}

static inline struct bytes bytes_make(const char *data, size_t size)
{
    return (struct bytes){ data, size };
}

static inline bool bytes_equal(struct bytes a, struct bytes b)
{
    return a.size == b.size && (a.size == 0 || memcmp(a.data, b.data, a.size) == 0);
}

static inline bool bytes_is(struct bytes a, const char *zero_terminated)
{
    const size_t size = strlen(zero_terminated);
    return a.size == size && (size == 0 || memcmp(a.data, zero_terminated, size) == 0);
}

static inline bool bytes_starts(struct bytes a, struct bytes prefix)
{
    return a.size >= prefix.size && (prefix.size == 0 || memcmp(a.data, prefix.data, prefix.size) == 0);
}

static inline bool bytes_ends(struct bytes a, struct bytes suffix)
{
    return a.size >= suffix.size &&
           (suffix.size == 0 || memcmp(a.data + a.size - suffix.size, suffix.data, suffix.size) == 0);
}

static inline struct bytes bytes_from(struct bytes a, size_t start)
{
    return start >= a.size ? (struct bytes){ a.data, 0 } : (struct bytes){ a.data + start, a.size - start };
}

static inline struct bytes bytes_first(struct bytes a, size_t count)
{
    return (struct bytes){ a.data, count < a.size ? count : a.size };
}

/* ASCII only, as HTTP's field names and methods are (RFC 9110, 5.1). */
bool bytes_equal_nocase(struct bytes a, struct bytes b);
bool bytes_is_nocase(struct bytes a, const char *zero_terminated);

/* Index of the first `c`, or -1. */
ptrdiff_t bytes_find(struct bytes a, char c);

/* Without spaces and tabs at both ends. */
struct bytes bytes_trim(struct bytes a);

/* Cuts `*rest` at the first `separator`: returns what stands before it (all of it when there is none; then
 * *rest becomes {NULL, 0}). Loop while (rest.data != NULL). */
struct bytes bytes_cut(struct bytes *rest, char separator);

/* A whole decimal number with optional '-', nothing else around it.
 * Errors: false on an empty, malformed or overflowing number; *ret_value untouched. */
bool bytes_to_int64(struct bytes a, int64_t *ret_value);

/* <0, 0, >0 as memcmp, shorter first. */
int bytes_compare(struct bytes a, struct bytes b);

/* XXH3, seedless: stable within one build, for tables only. */
uint64_t bytes_hash(struct bytes a);

/* Well-formed UTF-8 by RFC 3629 (no surrogates, no overlong forms); ASCII is skipped 16 bytes at a time. */
bool bytes_is_utf8(struct bytes a);

/* Levenshtein distance, capped: returns `cap + 1` once it is larger. Names longer than 64 count as far. */
int bytes_distance(struct bytes a, struct bytes b, int cap);

/* The candidate nearest to `name`, for "did you mean"; an empty result if none is near enough. */
struct bytes bytes_nearest(struct bytes name, const struct bytes *candidates, size_t count);
