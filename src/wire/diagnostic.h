#pragma once
/* diagnostic.h - what is wrong with a declared file, where, and what would be right: collected, not
 * stopped at the first.
 *
 *   resources/orders.yaml:12:7: error: unknown key 'filds'
 *     did you mean 'fields'? */
#include "base/text.h"

#define DIAGNOSTICS_PRESET 50 /* kept; further ones are only counted */

enum diagnostic_severity { DIAGNOSTIC_ERROR, DIAGNOSTIC_WARNING };

/* A place in a file, for people: both from 1; line 0 is the file as a whole. */
struct source_place {
    const char *file;
    uint32_t line, column;
};

struct diagnostic {
    enum diagnostic_severity severity;
    struct source_place place;
    const char *message; /* valid UTF-8, one line */
    const char *fix;     /* one line, or NULL */
};

struct diagnostics {
    struct arena *arena; /* messages live here; file names are borrowed */
    struct diagnostic *items;
    int count, room;
    int kept_max;                     /* 0: DIAGNOSTICS_PRESET */
    int errors_total, warnings_total; /* also those not kept */
    bool last_kept;
};

void diagnostics_init(struct diagnostics *diagnostics, struct arena *arena, int kept_max);

/* Adds one. Returns false, so that a check can end with it. */
bool diagnostics_error(struct diagnostics *diagnostics, struct source_place place, const char *format, ...)
    PRINTF_LIKE(3, 4);
void diagnostics_warning(struct diagnostics *diagnostics, struct source_place place, const char *format, ...)
    PRINTF_LIKE(3, 4);

/* Says how to mend what was added last. */
void diagnostics_fix(struct diagnostics *diagnostics, const char *format, ...) PRINTF_LIKE(2, 3);

/* "file:line:column: error: message\n  fix\n", for terminals and logs. */
void diagnostic_write(struct text *out, const struct diagnostic *diagnostic);
/* All of them, and how many more there were. */
void diagnostics_write(struct text *out, const struct diagnostics *diagnostics);
/* [{"severity":"error","file":…,"line":…,"column":…,"message":…,"fix":…}], for --json. */
void diagnostics_write_json(struct text *out, const struct diagnostics *diagnostics);
