#pragma once
/* rule.h - what must hold between the values of one row, as an expression: `ends_at > starts_at`.
 *
 *   or, and, not          SQL's three-valued logic: what is absent or null makes a comparison unknown
 *   = <> < <= > >=        numbers as decimals, times as instants, texts by code point, booleans (= and <>);
 *                         two texts are times if a field that is one takes part, or if no field that is known
 *                         for a text does and both read as RFC 3339 dates or date-times
 *   between, in, like, matches, is [not] null, is [not] true, is [not] false
 *   + - * /               exact, fractions included; what passes RULE_DIGITS_MAX digits is refused, never
 * rounded length(x)             characters of a text, elements of a list coalesce(a, b, …)     the first that
 * is not null count sum min max all any (… list[*].x …)       over every element 12.5  'text'  true  false
 * null  field  field.inside[0]  "odd name"
 *
 * A rule is broken only when it is false, as a CHECK is. An expression becomes a program once; running it
 * ends by itself: nothing loops but the aggregates, which do not stand inside each other, and a budget of
 * steps in proportion to the values bounds the rest. A value that the operation has no meaning for breaks the
 * rule too, at that value: what can't be judged is not let through.
 *
 * A field that is *unsent* may have any value: a patch leaves it as it is, PostgreSQL fills it in. A rule is
 * broken then only if it is false whatever stands there. */
#include "wire/json.h"
#include "wire/wire_error.h"

#define RULE_BYTES_MAX    4096 /* of an expression */
#define RULE_DEPTH_MAX    32   /* parentheses, `not` and calls inside each other */
#define RULE_OPS_MAX      1024 /* of a program */
#define RULE_STEPS_MAX    16   /* of one path: .name, [n], [*] */
#define RULE_STARS_MAX    3    /* of one path */
#define RULE_STACK_MAX    48   /* values at once; 64 bytes each, on the stack */
#define RULE_DIGITS_MAX   36   /* of a number that is calculated with */
#define RULE_EXPONENT_MAX 1000 /* of the same, in what is read; either sign */
#define RULE_WORK_PRESET  65536u
#define RULE_WORK_A_NODE  64u  /* more for each value of the fields that are named */
#define RULE_FAILURES_MAX 100u /* of one rule over one row */

/* What a field is known to hold. A number or truth may come as a text (int8 in some apps). */
enum rule_kind { RULE_ANY, RULE_NUMBER, RULE_TEXT, RULE_TIME, RULE_BOOLEAN, RULE_LIST };
struct rule_field {
    struct bytes name;
    enum rule_kind kind;
};
struct rule_fields {
    const struct rule_field *items;
    size_t count;
};

struct rule_program;

/* Errors: false; the offset, and what would be right. Codes: RULE_ERROR_…
 * Owner: the program lives in the arena, but for its patterns: end it with rule_free(). The names are copied.
 * Cost: microseconds; for start and reload. */
bool rule_compile(struct arena *arena, struct bytes text, const struct rule_fields *fields,
                  struct rule_program **ret_program, struct wire_error *ret_error) MUST_CHECK;
void rule_free(struct rule_program *program);
#define RULE_ERROR_SYNTAX  "rule.syntax"
#define RULE_ERROR_FIELD   "rule.field" /* a name that is no field; a path where nothing can be */
#define RULE_ERROR_KIND    "rule.kind"  /* a comparison or calculation that can't have a meaning */
#define RULE_ERROR_PATTERN "rule.pattern"
#define RULE_ERROR_LIMIT   "rule.limit"

/* The fields that it names: indexes into the fields it was compiled with, each once. */
const int *rule_names(const struct rule_program *program, int *ret_count);
/* The value that it speaks of first, as a pointer into the row: "/ends_at"; of a list, the list. */
const char *rule_pointer(const struct rule_program *program);

/* A field's value. node NULL: absent, which is null. */
struct rule_input {
    const struct json_doc *doc;
    const struct json_node *node;
    bool unsent;
};
struct rule_failure {
    const char *pointer;
    const char *code;    /* NULL: the rule is false; else it can't be judged: RULE_FAULT_… */
    const char *message; /* beside a code */
};
#define RULE_FAULT_TYPE    "rule_type"    /* a value that the operation has no meaning for */
#define RULE_FAULT_NUMBER  "rule_number"  /* division by zero; more digits than are exact */
#define RULE_FAULT_STEPS   "rule_steps"   /* costs too much */
#define RULE_FAULT_PATTERN "rule_pattern" /* a text that costs too much to be held against a pattern */
struct rule_report {
    struct rule_failure *failures;
    uint32_t count;
    bool more; /* RULE_FAILURES_MAX was met */
};

/* Holds one row against the rule. inputs: by index of the fields it was compiled with; those that it does not
 * name are not looked at. A rule that is all(…) alone tells each element that breaks it.
 * Errors: false: the arena met its ceiling. No failures: it is true or unknown.
 * Owner: the report lives in the arena.
 * Cost: 10 to 40 ns an operation; no memory while it holds, but for texts with escapes. Stack: 4 KiB. */
bool rule_run(const struct rule_program *program, const struct rule_input *inputs, struct arena *arena,
              struct rule_report *ret_report) MUST_CHECK;

/* ---- rule_sql.c ---- */

/* What a field is in SQL. */
struct rule_column {
    struct bytes sql; /* an expression of one column; data NULL: none that says what JSON does */
    bool inexact;     /* a float: not calculated with */
    bool day, zoned;  /* RULE_TIME: a date; with a time zone */
};
struct rule_sql {
    const struct rule_column *columns; /* by index of the fields */
    /* An ECMA-262 pattern as one of PostgreSQL. False: it has no equal there. */
    bool (*pattern)(struct text *out, struct bytes pattern);
};
/* Appends a boolean expression that is false for the rows for which the rule is.
 * Errors: false, and *ret_why is a phrase, where SQL would not say the same. */
bool rule_sql_write(struct text *out, const struct rule_program *program, const struct rule_sql *sql,
                    const char **ret_why) MUST_CHECK;
