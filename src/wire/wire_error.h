#pragma once
/* wire_error.h - where a grammar gave up, and what would have been right.
 *
 * A parser of this room that returns false has filled one of these: the offset into the bytes it was
 * given, a stable code for programs, and one sentence for people. The sentence may quote the input; it is
 * always valid UTF-8 without control characters, so it can stand in an answer or a log as it is. */
#include <stddef.h>

#include "base/bytes.h"
#include "base/check.h"

#define WIRE_ERROR_MESSAGE_BYTES 200
#define WIRE_EXCERPT_BYTES       40

struct wire_error {
    size_t offset;    /* of the offending byte, 0-based, in what the parser was given */
    const char *code; /* "percent", "too_many", "unknown_operator", …: a constant of the grammar's header */
    char message[WIRE_ERROR_MESSAGE_BYTES];
};

/* Fills *error and returns false. error may be NULL, when the caller only wants yes or no. */
bool wire_fail(struct wire_error *error, size_t offset, const char *code, const char *format, ...)
    PRINTF_LIKE(4, 5);

/* The arena reached its ceiling: code "memory". Returns false. */
bool wire_fail_memory(struct wire_error *error);

/* The beginning of `b`, at most WIRE_EXCERPT_BYTES and never cut inside a character: for "%.*s" in
 * messages. */
struct bytes wire_excerpt(struct bytes b);
