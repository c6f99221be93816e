#pragma once
/* jsonschema_simple.h - the patterns people write most, without a regular expression engine. Private to
 * jsonschema_*.c.
 *
 * `^SKU-[0-9]{6}$` is a row of pieces, each a set of ASCII characters and how often. Where a piece that may
 * vary is followed only by what it cannot match itself, taking as many as there are is the one right choice:
 * no backtracking, a few nanoseconds. Everything else is left to PCRE2. */
#include "base/arena.h"

#define JS_SIMPLE_PIECES_MAX 32u

struct js_simple_piece {
    uint32_t min, max; /* UINT32_MAX: no end */
    uint64_t set[2];   /* a bit an ASCII character */
};
struct js_simple {
    uint32_t count;
    bool to_the_end; /* `$` stands at the end */
    struct js_simple_piece pieces[];
};

/* NULL: not one of these (or no memory), which is no error. */
const struct js_simple *js_simple_compile(struct arena *arena, struct bytes pattern);
bool js_simple_match(const struct js_simple *simple, struct bytes subject);
