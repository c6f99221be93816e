#pragma once
/* diagnostic.h - what is wrong with a declared file: where, what, and how to mend it. A list collects all of them, not just
 * the first; commands print it, `dev` logs it. */
#include "base/arena.h"

#define DIAGNOSTICS_MAX 200 /* kept; further ones are counted only */

enum diagnostic_severity { DIAGNOSTIC_ERROR, DIAGNOSTIC_WARNING };

struct diagnostic {
    enum diagnostic_severity severity;
    const char *file; /* relative to the app folder: "resources/products.yaml" */
    int line, column; /* 1-based; 0: the file as a whole */
    const char *message;
    const char *fix; /* what to write instead, or NULL */
};

struct diagnostics {
    struct arena *arena;
    struct diagnostic *items;
    int count, room, errors, dropped;
};

void diagnostics_init(struct diagnostics *list, struct arena *arena);

/* Adds one; everything is copied into the list's arena. Returns it, so that a fix can be set; NULL when it was dropped. */
struct diagnostic *diagnostics_add(struct diagnostics *list, enum diagnostic_severity severity, const char *file, int line,
                                   int column, const char *format, ...) PRINTF_LIKE(6, 7);
/* Sets the fix of a diagnostic just added; harmless on NULL. */
void diagnostic_fix(struct diagnostics *list, struct diagnostic *diagnostic, const char *format, ...) PRINTF_LIKE(3, 4);

static inline bool diagnostics_have_errors(const struct diagnostics *list)
{
    return list->errors > 0;
}
