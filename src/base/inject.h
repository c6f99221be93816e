#pragma once
/* inject.h - failures by name, for tests: if (inject("pg.commit.lost")) pretend it happened.
 *
 * Off unless LINTEL_INJECT is set at start: a comma-separated list of name, name:N (the Nth pass only,
 * 1-based) or name:N+ (from the Nth on). Costs one predicted branch when off. Any thread. */
#include "base/check.h"

extern bool inject_armed;
bool inject_hit(const char *name);
/* Replaces the list ("" disarms). Copies. For tests and the environment at boot. */
void inject_set(const char *list);

#define inject(name) (unlikely(inject_armed) && inject_hit(name))
