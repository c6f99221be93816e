#pragma once
/* plan_schema.h - a body held against the schemas that its resource declares, and what they fill in. Private
 * to plan_*.c. */
#include "model/plan_body.h"
#include "model/resource_schema.h"
#include "model/violations.h"

/* What the schemas leave to defaults: of each row the columns' tables, and behind those the body's. */
struct plan_fills {
    const struct resource_schemas *schemas;
    struct jsonschema_fills *tables; /* rows times (columns_count + 1); NULL: none */
};

struct plan_judging {
    const struct resource *resource;
    const struct write_query *query;
    const struct bytes *key; /* as plan_body_read() has it */
    bool tenant_known;       /* and so its field need not be given */
    struct arena *arena;
    struct violations *violations;
    const char *prefix; /* of pointers, when the body is one row of many */
};

/* Judges every row of the body, each as far as its operation lets a schema judge it, and, where all is well,
 * finds what defaults fill.
 * Errors: false: PROBLEM_TOO_LARGE. What is wrong with the body is in the violations. */
bool plan_schema_judge(const struct plan_judging *judging, struct plan_fills *ret_fills);

/* The value of a JSON column with its nested defaults; the value as it was sent when there are none. Errors:
 * data NULL: memory. */
struct plan_place { /* a value of a row */
    const struct json_doc *doc;
    const struct json_node *node;
    const struct field *field;
    int row;
};
struct bytes plan_schema_filled(const struct plan_fills *fills, const struct plan_place *place,
                                struct arena *arena, struct bytes value);
/* The defaults of fields that the row leaves out. */
const struct jsonschema_fill *plan_schema_fills_of(const struct plan_fills *fills, int row,
                                                   const struct json_node *node);
