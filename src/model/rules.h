#pragma once
/* rules.h - what must hold between the fields of a row or the parameters of a query: `rules:` of a file,
 * compiled once (wire/rule.h), told with their own message and code. */
#include "model/violations.h"
#include "pg/value.h"
#include "wire/rule.h"
#include "wire/shape.h"

#define RULES_MAX        100 /* of one file */
#define RULE_MESSAGE_MAX 500
#define RULE_CODE_MAX    64
#define RULE_CODE_PRESET "rule"

/* As written; decoded by rule_shape. */
struct rule_declared {
    const struct yaml_node *node;
    struct bytes rule, message, at, code;
};
extern const struct shape rule_shape;

struct held_rule {
    struct rule_program *program;
    const char *text, *message, *code;
    const char *at; /* where a broken one is told; NULL: rule_pointer(), or the element */
};
struct rules {
    struct held_rule *items;
    int count;
    int *fields; /* that any of them names, each once */
    int fields_count;
};

enum rule_kind rules_kind(const struct pg_type *type);

/* Compiles all. declared: a list of rule_shape. Errors: false, with a diagnostic at each that is wrong;
 * *ret_rules is empty. Owner: in the arena; end it with rules_done(). */
bool rules_make(struct arena *arena, const struct shape_list *declared, const struct rule_fields *fields,
                struct diagnostics *diagnostics, struct rules *ret_rules) MUST_CHECK;
void rules_done(struct rules *rules);

/* One row, or the parameters of one request. */
struct rules_row {
    const struct rule_input *inputs; /* by field */
    const bool *wrong;  /* by field: something else was said of it, so that no rule is asked; or NULL */
    const char *prefix; /* of pointers */
    struct arena *arena;
};
/* Every rule that is broken is in the violations. Errors: false, PROBLEM_TOO_LARGE. */
bool rules_judge(const struct rules *rules, const struct rules_row *row, struct violations *violations);

/* Marks in `wrong` the fields of which the violations speak, of those whose pointers begin with prefix.
 * False: they speak of the row as a whole. */
bool rules_wrong(const struct violations *violations, const char *prefix, const struct rule_fields *fields,
                 bool *wrong);

/* [{"rule":…,"message":…,"code":…,"at":…}], for OpenAPI. */
void rules_write_json(struct text *out, const struct rules *rules);
