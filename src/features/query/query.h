#pragma once
/* query.h - an endpoint that is one SQL statement: what a file of queries/ says, and what PostgreSQL's
 * Describe says of it. */
#include "http/route.h"
#include "kit/module.h"
#include "model/resource.h"
#include "pg/row.h"

enum query_result { RESULT_MANY, RESULT_ONE, RESULT_SCALAR, RESULT_NONE };
enum query_place { PLACE_QUERY, PLACE_PATH, PLACE_BODY };

struct query_param {
    struct bytes name;
    enum query_place place;
    const struct pg_type *type;
    struct bytes preset; /* text, as a URL would say it; data NULL: none */
    bool required;
    struct bytes description;
};

struct query {
    const char *file; /* "queries/top_products.sql"; while loading only */
    enum http_method method;
    const char *pattern; /* "/v1/top_products", "/v1/customers/{id}/orders" */
    enum query_result result;
    bool stream;
    int64_t timeout_ns;
    struct bytes summary, description;
    struct bytes sql; /* as it is run */
    struct query_param *params;
    int params_count;
    struct row_shape shape;
    const struct pg_encoding *encoding;
    bool *columns_json; /* per column: shown as any JSON */
    bool missing; /* PostgreSQL lacks a table, column or function that it names: 503 until it is there */
};

struct query_conf {
    int64_t rows_max, chunk_rows;
};
struct query_room {
    const struct query_conf *conf;
    const struct kit *kit;
};

/* What a snapshot has: lives in its own arena. */
struct query_set {
    struct arena arena;
    struct query *queries;
    int count;
    const struct query_room *room;
    struct resource_set *set; /* a reference: its catalog's types */
};

/* module.load and unload. */
bool query_set_load(void *room, const struct load *load, void **ret_loaded);
void query_set_free(void *loaded);

/* One file's head and statement into *ret_query. False: it was said in the diagnostics. Never waits. */
bool query_read(struct query_set *set, const struct resource_source *source, struct diagnostics *diagnostics,
                struct query *ret_query);

/* The parameters of a request, in the statement's order. Errors: PROBLEM_QUERY or PROBLEM_VALIDATION with
 * details. */
WAITS bool query_params_read(struct req *req, const struct query *query, struct bytes *ret_values);

/* The handler of every route. */
bool query_run(struct req *req, void *room);
