#pragma once
/* check.h - CHECK constraints that C can judge before PostgreSQL is asked, so that all violations of a body
 * are told at once.
 *
 * The parser knows a closed list of shapes and gives nothing for all others; the judge refuses only when it
 * is certain that PostgreSQL would: a value that the column would round, truncate, fold or order by a
 * collation is none of its business. */
#include "base/arena.h"
#include "base/bytes.h"
#include "model/catalog.h"

/* What is beyond is left to PostgreSQL. */
#define CHECK_DEFINITION_BYTES_MAX 65536
#define CHECK_RULES_MAX            32  /* of one constraint */
#define CHECK_CONSTANTS_MAX        256 /* of one IN */
#define CHECK_DEPTH_MAX            16  /* parentheses in parentheses */

enum check_cast { CHECK_CAST_TEXT = 1, CHECK_CAST_INTEGER = 2, CHECK_CAST_NUMERIC = 4, CHECK_CAST_FLOAT = 8 };
struct check_finding {
    struct bytes column;     /* unquoted name; data NULL: a domain's VALUE */
    unsigned casts;          /* check_cast bits: what the constraint casts the column to */
    struct check_rule *rule; /* constraint and next are the caller's to fill */
};
struct check_findings {
    struct check_finding items[CHECK_RULES_MAX];
    int count;
};

/* Takes pg_get_constraintdef()'s words apart. Each finding is a conjunct that the row must not make false;
 * conjuncts of other shapes are passed over; a definition that is no plain conjunction, is NO INHERIT or NOT
 * ENFORCED, gives none. Waits:  never. Errors: none: count is 0. Owner: rules and their texts live in the
 * arena. */
void check_parse(struct arena *arena, struct bytes definition, struct check_findings *ret_findings);

/* Whether values of that type can be judged by the finding's rule with certainty. */
bool check_suits(const struct check_finding *finding, const struct pg_type *type);

/* What is about to be done with a row. */
enum check_event { CHECK_INSERT = 1, CHECK_UPDATE = 2 };

/* Whether triggers or rules may change a row before it is written, in any of these events. */
bool relation_rewrites(const struct relation *relation, unsigned events);

/* Whether the rule is asked of the row as the client wrote it, for all these events: a domain's always is; a
 * table's is not where a trigger or a rule may change the row before. */
bool check_binds(const struct check_rule *rule, unsigned events);

/* True only if PostgreSQL would certainly refuse this value in this column: text as it would be bound, not
 * NULL. For all kinds but CHECK_ARRAY_LENGTH. */
bool check_refuses(const struct check_rule *rule, const struct column *column, struct bytes value);

/* The same for an array of one dimension with that many elements, and CHECK_ARRAY_LENGTH; false for other
 * kinds. */
bool check_refuses_count(const struct check_rule *rule, int64_t elements);

/* The rule in words, for messages and docs: "must be >= 0", "must be one of active, closed". At most 160
 * bytes. */
void check_describe(struct text *text, const struct check_rule *rule);
