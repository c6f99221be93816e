#pragma once
/* query.h - an endpoint that is one SQL statement, or a script of several: what a file of queries/ says, and
 * what PostgreSQL's Describe says of it. */
#include "features/query/recur.h"
#include "http/route.h"
#include "kit/module.h"
#include "model/plan_page.h"
#include "model/rules.h"
#include "model/schema.h"
#include "model/violations.h"
#include "pg/row.h"
#include "wire/shape.h"

enum query_result { RESULT_MANY, RESULT_ONE, RESULT_SCALAR, RESULT_NONE };
/* PLACE_OWN: bound by us, never by a client (:depth). */
enum query_place { PLACE_QUERY, PLACE_PATH, PLACE_BODY, PLACE_OWN };

#define QUERY_RULES_MAX 6 /* min, max, min_length, max_length, enum, pattern */

/* A JSON Schema of the head; program NULL: none. */
struct query_schema {
    struct schema declared;
    struct jsonschema *program;
};

struct query_param {
    struct bytes name;
    enum query_place place;
    const struct pg_type *type; /* NULL until Describe has said it */
    struct bytes preset;        /* text, as a URL would say it; data NULL: none */
    bool required;
    struct bytes description;
    /* What the file asks of its values: as written, and once the type is known as rules of that column. */
    struct source_place place_of; /* of its entry in the head */
    struct bytes min, max, pattern_text;
    int64_t length_min, length_max; /* 0: none */
    struct shape_texts choices;
    struct column column; /* its type and its rules, for the judge and for JSON Schema */
    struct jsonschema *pattern;
    const struct yaml_node *schema_node;
    struct query_schema schema;
};

struct query_statement {
    struct bytes sql;
    int *params; /* $n is the query's params[params[n - 1]] */
    int params_count;
    struct source_place place; /* of its first word in the file */
    struct bytes text;         /* the file from there on: while it is loaded only */
};

struct query_paging {
    bool asked, unique;
    struct shape_texts by;
    int64_t limit, max;
    struct source_place place;
    struct page_key keys[PAGE_KEYS_MAX];
    int keys_count;
    const struct page_plan *plan; /* once typed */
};

struct query {
    const char *file;         /* "queries/top_products.sql" */
    struct source_place head; /* where messages about the file point */
    enum http_method method;
    const char *pattern; /* "/v1/top_products", "/v1/customers/{id}/orders" */
    enum query_result result;
    bool stream, locks;
    int64_t timeout_ns, concurrent_max; /* 0: none of its own */
    int priority;                       /* enum route_priority */
    struct bytes summary, description, cache_control;
    struct query_statement *statements; /* several: a script, the last one's result is the answer */
    int statements_count;
    struct bytes written; /* the last statement before anything was put around it */
    struct query_param *params;
    int params_count;
    struct query_paging page;
    int64_t depth_max; /* 0: no guard */
    struct bytes depth_name;
    int depth_column;                             /* of the result */
    const struct yaml_node *requires, *body_node; /* body_node: the schema of the body, as written */
    struct query_schema body;
    struct shape_list rules_declared;
    struct rule_fields rule_fields; /* the parameters, for rules */
    struct rules *rules;            /* NULL: none */
    struct bytes fallback_name;     /* another file's, without .sql; empty: none */
    const struct query *fallback;
    struct row_shape shape;
    uint32_t *column_types; /* as Describe said: an answer with others is of a schema we do not know yet */
    const struct pg_encoding *encoding;
    const struct resource_set *set; /* whose library its schemas refer to */
    struct recur_watch *watch;      /* NULL: nobody looks whether its results recur */
    const char *lacks; /* NULL: ready; else what PostgreSQL does not have (yet): 503 until it is there */
    bool closed, typed;
    bool own_session; /* it leaves something in its connection, which therefore is cleaned behind it */
};

struct query_conf {
    int64_t rows_max, chunk_rows, recurring_every;
};
struct query_room {
    const struct query_conf *conf;
    const struct kit *kit;
    struct recur_list recur;
};

/* What a snapshot has: lives in its own arena. */
struct query_set {
    struct arena arena;
    struct query *queries; /* those that have a route */
    int count;
    struct query_room *room;
    struct resource_set *set; /* a reference: its catalog's types */
    struct jsonschema **programs;
    int programs_count, programs_room;
    struct rules **rules; /* of the queries, to be ended */
    int rules_count;
};

/* Whether a statement may leave a setting or a lock in its connection: on a shared one they would be the next
 * request's. */
bool query_marks_session(struct bytes sql);
/* The same of the functions that it calls. Errors: false: the database or memory. */
WAITS bool query_session_judge(struct query *query, struct arena *arena, struct pg_pool *pool);

/* What PostgreSQL refused, in the client's terms: which parameter could not be read, or the app's own code
 * for that constraint. */
void query_refused(struct req *req, const struct query *query, const struct query_statement *statement,
                   const struct pg_error *error);

/* module.load, unload, document and explain. */
bool query_set_load(void *room, const struct load *load, void **ret_loaded);
void query_set_free(void *loaded);
void query_document(const void *loaded, const struct resource_set *set, struct text *paths);
WAITS bool query_explain(void *room, struct req *req, struct kit_explained *ret_explained);

/* One file's head and statements into *ret_query. instead_of: the query whose route it stands in for, or
 * NULL. False: it was said in the diagnostics. Never waits. */
bool query_read(struct query_set *set, const struct resource_source *source, const struct query *instead_of,
                struct diagnostics *diagnostics, struct query *ret_query);
/* The place behind this text, which begins at *place; columns count characters. */
void query_place_advance(struct source_place *place, struct bytes text);
/* "sold desc nulls last", "id not null": names only, found in the result later. Errors: false. */
bool query_page_key_read(struct bytes text, struct bytes *ret_name, struct page_key *ret_key);

/* Types, columns and what is missing, by asking PostgreSQL. Errors: false: the database or memory. */
WAITS bool query_type(struct query_set *set, struct query *query, const struct load *load);
/* The rules of a typed parameter. Errors: said in the diagnostics, counted there. */
bool query_rules_make(struct query_set *set, struct query_param *param, struct diagnostics *diagnostics);
/* Tells every rule that the value breaks. */
typedef void query_violation_fn(void *arg, const char *code, const char *message);
void query_rules_ask(const struct query_param *param, struct bytes value, struct arena *arena,
                     query_violation_fn *violation, void *arg);
/* ---- query_schema.c ---- */
bool query_pattern_make(struct query_set *set, struct query_param *param, struct diagnostics *diagnostics);
/* What the head declares, of the body and of parameters. Errors: said in the diagnostics. */
bool query_schemas_make(struct query_set *set, struct query *query, struct diagnostics *diagnostics);
bool query_has_body(const struct query *query);
/* A value of a request: a part of its body, or text. */
struct query_value {
    const struct json_doc *doc;
    const struct json_node *node; /* NULL: text */
    struct bytes text;
};
/* What is wrong goes to the violations. Errors: false, PROBLEM_TOO_LARGE. */
bool query_body_judge(const struct query *query, const struct json_doc *doc, struct violations *violations);
bool query_param_judge(const struct query_param *param, const struct query_value *value,
                       struct violations *violations);
/* The text of a JSON parameter whose schema has nested defaults; unchanged when there are none. Errors: as
 * above. */
bool query_fill(const struct query_param *param, struct query_value *value, struct arena *arena);

/* The value as a rule sees it. Errors: as above. */
bool query_input_make(const struct query_param *param, const struct query_value *value, struct arena *arena,
                      struct rule_input *ret_input);
/* ---- query_expressions.c ---- */
/* The rules of a typed query. Errors: said in the diagnostics. */
bool query_expressions_make(struct query_set *set, struct query *query, struct diagnostics *diagnostics);
/* inputs: beside query->params. What is broken goes to the violations. Errors: false, PROBLEM_TOO_LARGE. */
bool query_expressions_judge(const struct query *query, const struct rule_input *inputs,
                             struct violations *violations);

/* The paging of a typed query. */
bool query_page_make(struct query_set *set, struct query *query, const struct pg_result *described,
                     struct diagnostics *diagnostics);

/* The parameters of a request, in the order of query->params. Errors: PROBLEM_QUERY or PROBLEM_VALIDATION
 * with details. */
WAITS bool query_params_read(struct req *req, const struct query *query, struct bytes *ret_values);
/* Those of one statement. Errors: NULL, PROBLEM_TOO_LARGE. */
struct bytes *query_values_of(struct arena *arena, const struct query_statement *statement,
                              const struct bytes *values);
bool query_is_own_name(const struct query *query,
                       struct bytes name); /* limit, after, before of a paged one */

/* The handler of every route. */
bool query_run(struct req *req, void *room);

/* The last statement as it is to be run: itself, or one page of it (then plan.sql is set). */
struct query_last {
    struct bytes sql;
    const struct bytes *params;
    int params_count;
    struct plan plan;
};
bool query_last_make(struct req *req, const struct query *query, const struct bytes *values,
                     struct query_last *ret_last);
/* Writes a buffered answer in its shape. *ret_hash: of what a GET answered, so equal answers have equal ones;
 * else untouched. */
bool query_answer(struct req *req, const struct query *query, const struct query_last *last,
                  const struct pg_result *result, uint64_t *ret_hash);
/* The result is what was described, and no deeper than it may be. Errors: PROBLEM_SCHEMA_NOT_READY,
 * PROBLEM_QUERY_TOO_DEEP. */
bool query_result_fits(const struct query *query, const struct pg_result *result);
bool query_wants_lines(const struct req *req, const struct query *query);
WAITS bool query_run_script(struct req *req, const struct query *query, const struct bytes *values,
                            const struct query_last *last);
WAITS bool query_run_streamed(struct req *req, const struct query *query, const struct query_last *last);

extern const struct problem PROBLEM_QUERY_TOO_DEEP;   /* 422 query.too_deep */
extern const struct problem PROBLEM_QUERY_PAGE_ORDER; /* 500 query.page_order */
