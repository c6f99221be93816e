#pragma once
/* plan_write.h - what the files of a write share: the statement being written and its parts. plan_write.c
 * puts the whole together, plan_write_insert.c the values of new rows, plan_write_back.c the answer. */
#include "model/plan_body.h"

struct writing {
    struct plan_builder builder;
    const struct resource *resource;
    const struct write_query *query;
    struct plan_node *root;
    struct plan_body body;
    struct bytes key[PLAN_KEYS_MAX];
    bool has_key, returns_rows;
    bool wrapped;       /* WITH … SELECT */
    bool holds_version; /* expected_version was given */
    bool asks_insert;   /* whether an upsert inserted */
    bool tells_version; /* the answer has one: for the ETag */
    bool only_reads;    /* an empty patch */
    struct text list;   /* the select list of the answer */
    struct plan_columns columns;
};

/* A field's column, quoted. */
static inline void plan_write_name(struct text *sql, const struct resource *resource,
                                   const struct field *field)
{
    text_add(sql, plan_column_of(resource, field->column)->sql);
}

/* PostgreSQL cannot return xmin of a row that was put into a partition; it is the transaction's own number,
 * and the row's by then, since a write is one statement. */
static inline bool plan_write_makes_xmin(const struct writing *writing)
{
    return writing->tells_version && !writing->only_reads && resource_version_is_xmin(writing->resource) &&
           writing->resource->relation->kind == RELATION_PARTITIONED;
}

/* ---- plan_write_insert.c ---- */
/* INSERT INTO rel … VALUES … or, of many rows alike, SELECT … FROM unnest(…). */
void plan_write_insert(struct writing *writing);
/* The value of a field in a row of the body, bound and cast, or DEFAULT. */
void plan_write_value(struct writing *writing, int row, const struct field *field);

/* ---- plan_write_back.c ---- */
/* A name of `w` that is no column of the relation. */
struct bytes plan_write_marker(const struct writing *writing);
/* The answer's select list, kept aside: the statement inside must return what it needs. Errors: as
 * plan_columns_write(). */
bool plan_write_list(struct writing *writing, struct plan *plan);
/* The columns that the answer is made of, each with what stands before it; returns the next separator. */
const char *plan_write_needed(struct writing *writing, const char *separator);
/* What stands in front of the statement and behind it. */
bool plan_write_begin(struct writing *writing);
bool plan_write_end(struct writing *writing);
