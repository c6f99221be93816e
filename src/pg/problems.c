/* problems.c - what this room can refuse, said once. sqlstate.c decides which of them a server's word
 * becomes. */
#include "pg/pg.h"

const struct problem PROBLEM_DATABASE_DOWN = { "database.unavailable",
                                               503,
                                               true,
                                               "The database cannot be reached.",
                                               "No connection works and none could be made in the short "
                                               "grace. Nothing of the request reached the database: "
                                               "repeat it after Retry-After.",
                                               "0.1" };
const struct problem PROBLEM_POOL_EXHAUSTED = {
    "database.pool_exhausted",
    503,
    true,
    "All database connections are busy.",
    "The request waited pools.acquire_timeout for a connection, or pools.waiting_max others were waiting "
    "already. "
    "Nothing of it reached the database: repeat it after Retry-After.",
    "0.1"
};
const struct problem PROBLEM_TRANSACTION_IDLE = {
    "transaction.idle",
    503,
    true,
    "The transaction waited too long for something else than the database, and was rolled back.",
    "Nothing was asked of PostgreSQL for pools.transaction_idle_timeout inside an open transaction, which "
    "keeps "
    "locks. Nothing of it was kept: repeat the request.",
    "0.1"
};
const struct problem PROBLEM_OUTCOME_UNKNOWN = {
    "outcome_unknown",
    503,
    false,
    "It is not known whether the change was made.",
    "The connection to the database broke, or the request was given up, after the change was sent. It may "
    "have "
    "happened or not. Look before repeating, or repeat with the same Idempotency-Key.",
    "0.1"
};
const struct problem PROBLEM_UNIQUE = {
    "conflict.unique",
    409,
    false,
    "A row with this value exists already.",
    "A unique or primary key refused the value. The details name the fields where they are known.",
    "0.1"
};
const struct problem PROBLEM_FOREIGN_KEY = {
    "conflict.foreign_key",
    409,
    false,
    "A row that this one refers to is missing, or other rows refer to this one.",
    "Create the row that is referred to first, or remove those that refer to this one.",
    "0.1"
};
const struct problem PROBLEM_CHECK = {
    "validation.check",
    422,
    false,
    "A value breaks a rule of the table.",
    "A CHECK constraint, a domain or a view's WITH CHECK OPTION refused the row.",
    "0.1"
};
const struct problem PROBLEM_NOT_NULL = { "validation.required",
                                          422,
                                          false,
                                          "A required value is missing.",
                                          "A column that must have a value got null.",
                                          "0.1" };
const struct problem PROBLEM_EXCLUSION = {
    "conflict.exclusion",
    409,
    false,
    "The value collides with one of another row.",
    "An exclusion constraint refused the row, for example two bookings that overlap.",
    "0.1"
};
const struct problem PROBLEM_SERIALIZATION = {
    "conflict.serialization",
    409,
    true,
    "Other changes to the same data came first.",
    "The server already repeated the transaction inside its budget. Repeat the request.",
    "0.1"
};
const struct problem PROBLEM_DEADLOCK = {
    "conflict.deadlock",
    409,
    true,
    "The change and another one waited for each other.",
    "The server already repeated the transaction inside its budget. Repeat the request.",
    "0.1"
};
const struct problem PROBLEM_LOCKED = { "conflict.locked",
                                        409,
                                        true,
                                        "The row is in use by another change.",
                                        "A lock was not free in time. Repeat the request.",
                                        "0.1" };
const struct problem PROBLEM_QUERY_TIMEOUT = {
    "timeout.query",
    504,
    true,
    "The database did not finish in time.",
    "The statement passed pools.query_timeout and was stopped; nothing of it was kept.",
    "0.1"
};
const struct problem PROBLEM_VALUE = { "validation.value",
                                       422,
                                       false,
                                       "A value is not valid for its column.",
                                       "Out of range, too long, or not in the form of the column's type.",
                                       "0.1" };
const struct problem PROBLEM_DENIED = { "forbidden.database",
                                        403,
                                        false,
                                        "The database does not allow this.",
                                        "A privilege is missing, or a row policy refused the row.",
                                        "0.1" };
const struct problem PROBLEM_SCHEMA_NOT_READY = {
    "schema.not_ready",
    503,
    true,
    "The database's tables have just changed.",
    "A table, column or function was not found as the server knows it; it reads the catalog anew. "
    "Repeat the request.",
    "0.1"
};
const struct problem PROBLEM_READ_ONLY = {
    "database.read_only",
    503,
    true,
    "The database accepts no changes now.",
    "A standby or a server in read-only mode answered. Repeat the change later; reads work.",
    "0.1"
};

const struct problem *const pg_problems[] = {
    &PROBLEM_DATABASE_DOWN,
    &PROBLEM_POOL_EXHAUSTED,
    &PROBLEM_TRANSACTION_IDLE,
    &PROBLEM_OUTCOME_UNKNOWN,
    &PROBLEM_UNIQUE,
    &PROBLEM_FOREIGN_KEY,
    &PROBLEM_CHECK,
    &PROBLEM_NOT_NULL,
    &PROBLEM_EXCLUSION,
    &PROBLEM_SERIALIZATION,
    &PROBLEM_DEADLOCK,
    &PROBLEM_LOCKED,
    &PROBLEM_QUERY_TIMEOUT,
    &PROBLEM_VALUE,
    &PROBLEM_DENIED,
    &PROBLEM_SCHEMA_NOT_READY,
    &PROBLEM_READ_ONLY,
    NULL,
};
