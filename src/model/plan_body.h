#pragma once
/* plan_body.h - the body of a write, taken apart: one value for each field of each row, everything that is
 * wrong with it said at once. Private to plan_*.c. */
#include "model/plan_internal.h"

struct plan_cell {
    bool given;
    struct bytes value; /* data NULL: SQL NULL */
};

struct plan_body {
    const struct resource *resource;
    bool many; /* the body is an array */
    int rows_count;
    struct plan_cell *cells; /* rows_count times resource->fields_count */
    bool *given;             /* by field: some row gives it */
    bool alike;              /* all rows give the same fields */
};

static inline struct plan_cell *plan_body_cell(const struct plan_body *body, int row,
                                               const struct field *field)
{
    return &body->cells[row * body->resource->fields_count + (int)(field - body->resource->fields)];
}

/* Who gives a version its next value. */
enum plan_version_way { PLAN_VERSION_NOT_OURS, PLAN_VERSION_COUNTS, PLAN_VERSION_CLOCK, PLAN_VERSION_UUID };
enum plan_version_way plan_version_way(const struct resource *resource);

/* key: the values of the path, checked, or NULL.
 * Errors: false: PROBLEM_VALIDATION with a detail for each violation; PROBLEM_TOO_LARGE. */
bool plan_body_read(struct plan_builder *builder, const struct resource *resource,
                    const struct write_query *query, const struct bytes *key, struct plan_body *ret_body);
