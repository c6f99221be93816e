/* sqlstate.c - Source: PostgreSQL documentation, Appendix A. */
#include "pg/sqlstate.h"

#include <stdlib.h>

#include "pg/pg_internal.h"

static const struct sqlstate table[] = {
    /* classes */
    { "08", &PROBLEM_DATABASE_DOWN, .retry = false },
    { "22", &PROBLEM_VALUE },
    { "23", &PROBLEM_CHECK },
    { "28", &PROBLEM_DATABASE_DOWN },
    { "40", &PROBLEM_SERIALIZATION, .retry = true },
    { "44", &PROBLEM_CHECK },
    { "53", &PROBLEM_DATABASE_DOWN },
    { "54", &PROBLEM_TOO_LARGE }, /* a statement past the server's own limits */
    { "55",
      &PROBLEM_SCHEMA_NOT_READY }, /* a materialised view never filled, a foreign table without its handler */
    { "57", &PROBLEM_DATABASE_DOWN },
    { "58", &PROBLEM_DATABASE_DOWN },
    { "HV", &PROBLEM_DATABASE_DOWN }, /* the database behind a foreign table */
    /* whole states */
    { "23502", &PROBLEM_NOT_NULL },
    { "23503", &PROBLEM_FOREIGN_KEY },
    { "23505", &PROBLEM_UNIQUE },
    { "23514", &PROBLEM_CHECK },
    { "23001", &PROBLEM_FOREIGN_KEY },
    { "23P01", &PROBLEM_EXCLUSION },
    { "25006", &PROBLEM_READ_ONLY },
    { "25P03", &PROBLEM_QUERY_TIMEOUT },
    { "40001", &PROBLEM_SERIALIZATION, .retry = true },
    { "40002", &PROBLEM_FOREIGN_KEY },
    { "40P01", &PROBLEM_DEADLOCK, .retry = true },
    { "42501", &PROBLEM_DENIED },
    { "55P03", &PROBLEM_LOCKED },
    { "57014", &PROBLEM_QUERY_TIMEOUT },
    { "P0001", &PROBLEM_CHECK }, /* RAISE EXCEPTION of a trigger or function: a rule of the application */
    /* what the server knows no longer matches what we know */
    { "0A000", &PROBLEM_SCHEMA_NOT_READY, .schema_changed = true },
    { "26000", &PROBLEM_SCHEMA_NOT_READY, .schema_changed = true },
    { "3F000", &PROBLEM_SCHEMA_NOT_READY, .schema_changed = true },
    { "42P01", &PROBLEM_SCHEMA_NOT_READY, .schema_changed = true },
    { "42703", &PROBLEM_SCHEMA_NOT_READY, .schema_changed = true },
    { "42704", &PROBLEM_SCHEMA_NOT_READY, .schema_changed = true },
    { "42804", &PROBLEM_SCHEMA_NOT_READY, .schema_changed = true },
    { "42883", &PROBLEM_SCHEMA_NOT_READY, .schema_changed = true },
    { "42P10", &PROBLEM_SCHEMA_NOT_READY, .schema_changed = true }, /* ON CONFLICT whose index is gone */
};

const struct sqlstate *pg_sqlstate_find(const char *sqlstate)
{
    static const struct sqlstate unknown = { "", &PROBLEM_INTERNAL };
    const struct sqlstate *best = &unknown;
    for (size_t i = 0; i < array_count(table); i++) {
        const size_t size = strlen(table[i].prefix);
        if (size > strlen(best->prefix) && strncmp(sqlstate, table[i].prefix, size) == 0)
            best = &table[i];
    }
    return best;
}

/* Some types read their text with the words of a wrong statement: a regconfig that is not there (42704), half
 * a tsquery (42601), up to 15 an hstore (XX000). A syntax error without a place is never in a statement. */
const struct sqlstate *pg_error_means(const struct pg_error *error)
{
    static const struct sqlstate of_value = { "", &PROBLEM_VALUE };
    const char *state = error->sqlstate;
    const bool ours = strncmp(state, "42", 2) == 0 || strncmp(state, "XX", 2) == 0;
    const bool unread = error->param > 0 && ours && strcmp(state, "42501") != 0;
    const bool misspelt = strcmp(state, "42601") == 0 && error->position == 0 && !error->in_function;
    return unread || misspelt ? &of_value : pg_sqlstate_find(state);
}

/* "unnamed portal parameter $2 = '…'", where the server speaks English. */
static int param_of(const char *context)
{
    static const char words[] = "portal parameter $";
    const char *at = context ? strstr(context, words) : NULL;
    return at ? atoi(at + sizeof words - 1) : 0;
}

void pg_error_read(struct pg_error *error, const struct pg_result *result, struct arena *arena, int step)
{
    static const int fields[] = { PG_DIAG_MESSAGE_PRIMARY, PG_DIAG_MESSAGE_DETAIL, PG_DIAG_SCHEMA_NAME,
                                  PG_DIAG_TABLE_NAME,      PG_DIAG_COLUMN_NAME,    PG_DIAG_CONSTRAINT_NAME,
                                  PG_DIAG_DATATYPE_NAME };
    const char **const into[] = { &error->message, &error->detail,     &error->schema,  &error->table,
                                  &error->column,  &error->constraint, &error->datatype };
    for (size_t i = 0; i < array_count(fields); i++) {
        const char *text = PQresultErrorField(result, fields[i]);
        const char *copy = text && arena ? arena_copy(arena, bytes_of(text)) : NULL;
        *into[i] = copy ? copy : "";
    }
    const char *state = PQresultErrorField(result, PG_DIAG_SQLSTATE);
    snprintf(error->sqlstate, sizeof error->sqlstate, "%s", state ? state : "XX000");
    error->param = param_of(PQresultErrorField(result, PG_DIAG_CONTEXT));
    const char *position = PQresultErrorField(result, PG_DIAG_STATEMENT_POSITION);
    error->position = position ? atoi(position) : 0;
    error->in_function = PQresultErrorField(result, PG_DIAG_INTERNAL_QUERY) != NULL;
    error->step = step;
}

/* The server quotes identifiers and, in class 22, the values themselves: those stay out of the log. */
static void without_values(const char *message, char *text, size_t room)
{
    size_t size = 0;
    bool quoted = false;
    for (; *message && size + 4 < room; message++) {
        if (*message == '"') {
            quoted = !quoted;
            if (quoted)
                size += (size_t)snprintf(text + size, room - size, "\"…");
        }
        if (!quoted)
            text[size++] = *message;
    }
    text[size] = '\0';
}

bool pg_error_fail(const struct pg_error *error)
{
    const struct problem *problem = pg_error_means(error)->problem;
    char message[200];
    if (problem == &PROBLEM_VALUE)
        without_values(error->message, message, sizeof message);
    else
        snprintf(message, sizeof message, "%s", error->message);
    (void)fail_cause("SQLSTATE %s: %s%s%s%s%s", error->sqlstate, message, *error->table ? " table " : "",
                     error->table, *error->constraint ? " constraint " : "", error->constraint);
    return fail(problem, "%s", problem->title);
}
