#pragma once
/* sqlstate.h - the one place where PostgreSQL's words become ours. The client gets the problem's own
 * sentence; the server's message goes to the log only, and never with values in it. */
#include "pg/pg.h"

struct sqlstate {
    const char *prefix; /* a whole SQLSTATE, or its class of two letters */
    const struct problem *problem;
    bool schema_changed; /* tells of DDL that we have not seen yet */
    bool retry;          /* the whole unit may be run again */
};

/* The row that fits best: whole state before class. Never NULL: unknown ones are PROBLEM_INTERNAL. */
const struct sqlstate *pg_sqlstate_find(const char *sqlstate);

/* What a refusal means: its state, but for those that would be ours and are about a value of the client's. */
const struct sqlstate *pg_error_means(const struct pg_error *error);

/* Copies what the server said. Strings are "" where it said nothing, or where the arena is full. */
void pg_error_read(struct pg_error *error, const struct pg_result *result, struct arena *arena, int step);

/* Writes the failure for a server's refusal. Returns false. */
bool pg_error_fail(const struct pg_error *error);
