#pragma once
/* plan.h - from what is wanted to SQL text, parameters and the shape of the rows. Knows no HTTP: REST is its
 * first window, GraphQL will be the second. Every value is a parameter; every identifier comes from the
 * catalog, quoted by wire/sqltext; names, operators and casts are schema-qualified; parameters are cast to
 * their column's type. */
#include "model/resource.h"
#include "pg/pg.h"
#include "pg/row.h"
#include "wire/cursor.h"
#include "wire/filter.h"
#include "wire/json.h"
#include "wire/order.h"
#include "wire/select.h"

enum count_mode { COUNT_NONE, COUNT_ESTIMATED, COUNT_CAPPED, COUNT_EXACT };

struct plan_body;
struct plan_context { /* who asks: settings for the transaction; a known tenant is bound in the query too */
    const struct pg_setting *settings;
    int settings_count;
    struct bytes tenant; /* data NULL: none */
};

struct embed_query {          /* what a request says of one embedded list: lines.order=…, lines.limit=… */
    const struct bytes *path; /* names as in select, outermost first */
    int path_count;
    const struct order_item *order; /* or NULL: the resource's, else its key */
    int order_count;
    int64_t limit; /* 0: the resource's page_max, which is also the most */
    int64_t offset;
};

struct list_query {
    const struct filter_node *filter; /* or NULL */
    const struct select_node *select; /* or NULL: every readable field, no embeds */
    const struct order_item *order;   /* or NULL: the resource's, else its key */
    int order_count;
    int64_t limit;              /* 1..page_max */
    int64_t offset;             /* 0; else up to the resource's offset_max */
    struct bytes after, before; /* a cursor as the client sent it, or data NULL; not both */
    enum count_mode count;
    int64_t count_cap;
    const struct embed_query *embeds;
    int embeds_count;
};

/* Everything to run one statement and to write its rows. Lives in the arena it was made in. */
struct plan {
    const struct resource *resource;
    struct bytes sql;
    struct bytes *params;
    int params_count;
    const struct row_shape *shape; /* of the rows shown */
    int *cursor_columns;           /* result columns that hold the order's keys */
    int cursor_columns_count;
    bool backwards;          /* rows arrive in reverse and are written from the last */
    int64_t limit;           /* limit + 1 rows are asked for: the extra one says that there is more */
    uint64_t cursor_context; /* bound into cursors: filter + order + tenant + resource */
    int version_column;      /* result column of the version, -1: none */
    struct bytes count_sql;  /* second statement of the batch, or empty */
    struct bytes *count_params;
    int count_params_count;
    enum count_mode count;
    bool custom_plan;    /* wants plan_cache_mode = force_custom_plan */
    int changed_column;  /* conditional writes: the result column that is NULL when nothing was changed; -1:
                            none */
    bool reapplies;      /* conditional patches: when plan_row_exists(), the same without expected_version */
    int inserted_column; /* keyed upserts: the result column that says whether the row is new; -1: none */
    int *key_columns; /* writes that return rows: result columns that hold the resource's key, for Location */
    int key_columns_count;        /* 0: the resource has no key */
    const struct plan_body *rows; /* writes of an array: which row a refusal is about; else NULL */
};

/* All of these: never wait; errors are false with PROBLEM_QUERY / PROBLEM_VALIDATION / PROBLEM_CURSOR naming
 * the part, PROBLEM_TOO_LARGE past the arena's ceiling.
 *
 * Order: what is asked for, then the key, so that no two rows are equal. Rows of a relation without a key are
 * told apart by a hash of all they show and, in tables, by where they lie; in a view, rows that are equal in
 * everything may be missed where a page ends between them. A filter whose path select embeds narrows that
 * embed (and its parents with !inner); any other path asks that such a related row exists. A list inside a
 * row holds at most its resource's page_max rows. Cost: 0.3 to 2 µs. */
bool plan_list(struct arena *arena, const struct resource *resource, const struct list_query *query,
               const struct plan_context *context, const struct cursor_box *cursors, struct plan *ret_plan);
/* key: text values in the order of resource->key. Errors: false; *ret_impossible when no row can have such a
 * key (PROBLEM_QUERY: whether that is "not found" is the caller's to say).
 * Cost: 50 ns without select: the text was made by plan_compile(). */
bool plan_get(struct arena *arena, const struct resource *resource, const struct bytes *key,
              const struct select_node *select, const struct plan_context *context, struct plan *ret_plan,
              bool *ret_impossible);

enum upsert_mode { UPSERT_NONE, UPSERT_MERGE, UPSERT_IGNORE };
struct write_query {
    enum operation operation;         /* CREATE, UPDATE, REPLACE, UPSERT */
    const struct json_doc *body;      /* one object, or for CREATE/UPSERT an array of them (<= bulk_max) */
    const struct bytes *key;          /* UPDATE, REPLACE, DELETE, UPSERT by path: text values; or NULL */
    struct bytes expected_version;    /* If-Match: text of the version column, data NULL: any */
    bool must_exist;                  /* If-Match: an UPSERT by path does not create */
    const struct select_node *select; /* what to return */
    bool return_rows;                 /* false: Prefer: return=minimal */
    enum upsert_mode upsert;          /* for arrays: resolution=merge-duplicates | ignore-duplicates */
};
/* Validates the body against the catalog: types, NOT NULL, lengths, precision, enums, domains, simple CHECKs,
 * unknown and read-only fields: all violations at once, with JSON Pointers, as details of PROBLEM_VALIDATION.
 * A version column that no trigger keeps is counted here. An empty patch only reads. A key of the path that
 * no row can have gives a statement that finds nothing. Cost: about 1 µs and what the body's values take. */
bool plan_write(struct arena *arena, const struct resource *resource, const struct write_query *query,
                const struct plan_context *context, struct plan *ret_plan);
/* One row of a body that is only checked, as plan_write() would for a create: what is wrong with it goes to
 * `into`, in its order. index: its place in the array, -1 when it is the body itself. Errors: false:
 * PROBLEM_TOO_LARGE, or what keeps the tenant from being known. */
struct violations;
bool plan_row_check(struct arena *arena, const struct resource *resource, const struct plan_context *context,
                    const struct json_doc *doc, int64_t index, struct violations *into);
bool plan_delete(struct arena *arena, const struct resource *resource, const struct bytes *key,
                 struct bytes expected_version, bool return_row, const struct select_node *select,
                 const struct plan_context *context, struct plan *ret_plan);

/* The cursor of one row of a result of this plan, sealed, appended to text (base64url). forward: for `next`;
 * it is a place between rows all the same, and may be used either way. Errors: false, PROBLEM_QUERY, when the
 * values of the order are too long for a cursor. */
bool plan_cursor_write(struct text *text, const struct plan *plan, const struct pg_result *result,
                       int64_t row, bool forward, const struct cursor_box *cursors);

/* Says of a refusal by PostgreSQL which fields it is about: fills details (pointer; code unique, foreign_key,
 * in_use, check, required, exclusion; message) of the current failure from what the server named; the
 * resource's own names only, nothing internal. A refusal for a filter's value becomes PROBLEM_QUERY.
 * Where the body is an array the pointers name its row, if that can be told; else they are "" and the message
 * names the field. */
void plan_explain_error(struct arena *arena, const struct plan *plan, const struct pg_error *error);

/* How a conditional or keyed write ended, read from the results of its steps (rest runs step 0 = plan->sql
 * and, when plan->count_sql is not empty, step 1 = plan->count_sql in the same transaction). */
bool plan_wrote(const struct plan *plan, const struct pg_step *steps,
                int steps_count); /* a row was changed */
bool plan_row_exists(const struct plan *plan, const struct pg_step *steps,
                     int steps_count); /* not changed, but there: 412 */
/* An upsert inserted rather than updated. */
bool plan_inserted(const struct plan *plan, const struct pg_result *result);

/* Makes once what every request of a resource shares (texts, shapes): resource->compiled, in the set's arena.
 * Called after resource_set_make(), before the set is shared. Errors: false past a limit. */
bool plan_compile(struct resource_set *set);
