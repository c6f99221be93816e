#pragma once
/* inject.h - failures by name, for tests: if (inject("pg.commit.lost")) pretend it happened.
 *
 * Off unless LINTEL_INJECT is set at start: a comma-separated list of name, name:N (the Nth pass only,
 * 1-based) or name:N+ (from the Nth on). A process that was started so, be the list empty, counts who passes,
 * and takes further lists while it runs (`lintel ctl inject`); any other never does. Costs one predicted
 * branch when off. Any thread.
 *
 * Not points, since they are check()ed by design: malloc and getrandom (on a machine that refuses these
 * nothing can be answered), an arena's first block (it is below the least ceiling there can be), and our own
 * bookkeeping. */
#include "base/check.h"

struct inject_point {
    const char *name, *doc; /* what is pretended, one sentence */
};
extern const struct inject_point inject_points[]; /* all there are, by name; ends with { 0 } */

extern bool inject_armed; /* read by inject() */
/* Nothing fails for this thread while set: the operator's door, through which points are armed. */
extern _Thread_local bool inject_spared;
bool inject_hit(const char *name);
/* At boot: the environment's list; NULL: never. Errors: the name in it that is no point, else NULL. */
const char *inject_open(const char *list);
/* Whether inject_open() had a list. */
bool inject_allowed(void);
/* Replaces the list ("" disarms) and counts anew. Copies. */
void inject_set(const char *list);
/* Calls see() for every point: how often it was passed since the last inject_set(), and how often it failed.
 */
void inject_each(void (*see)(const struct inject_point *point, long passed, long hit, void *arg), void *arg);

/* Relaxed: it guards no other memory, and the list has its lock. */
#define inject_is_armed() unlikely(__atomic_load_n(&inject_armed, __ATOMIC_RELAXED))
#define inject(name)      (inject_is_armed() && inject_hit(name))
