/* query_run.c - the handler: values bound, one batch or a script, and which shape the answer has. */
#include "features/query/query.h"

#include "fiber/fiber.h"
#include "kit/here.h"

const struct problem PROBLEM_QUERY_TOO_DEEP = {
    "query.too_deep",
    422,
    false,
    "The recursion goes deeper than this query allows.",
    "A row lies deeper than the query's `depth`, for example since the data has a cycle. Ask for less, or "
    "mend the data; the query's author sets the depth.",
    "0.1"
};

static bool not_ready(struct req *req)
{
    answer_header_lasting(req, "Retry-After", BYTES("5"));
    return fail(&PROBLEM_SCHEMA_NOT_READY, "the database does not have what this query needs yet");
}

static bool depth_fits(const struct query *query, const struct pg_result *result)
{
    int64_t depth;
    for (int64_t i = 0; query->depth_max && i < pg_result_rows(result); i++)
        if (bytes_to_int64(pg_result_value(result, i, query->depth_column), &depth) &&
            depth > query->depth_max)
            return fail(&PROBLEM_QUERY_TOO_DEEP, "the recursion goes deeper than %lld",
                        (long long)query->depth_max);
    return true;
}

/* Between DDL and the snapshot that knows of it, PostgreSQL may answer with other types than were described:
 * such values must not be written as if they were the old ones. */
bool query_result_fits(const struct query *query, const struct pg_result *result)
{
    bool same = pg_result_columns(result) == query->shape.members_count || query->result == RESULT_NONE;
    for (int i = 0; same && i < query->shape.members_count; i++)
        same = pg_result_column_type(result, i) == query->column_types[i];
    if (!same) {
        pg_pool_schema_changed(kit_here.pool);
        return fail(&PROBLEM_SCHEMA_NOT_READY, "the database has just changed; ask again");
    }
    return depth_fits(query, result);
}

#define NO_VALUE_HASH 0x9e3779b97f4a7c15ULL

/* The same parameters, asked for in the same form. */
static uint64_t asked_hash(const struct query_last *last, bool lines)
{
    uint64_t hash = lines;
    for (int i = 0; i < last->params_count; i++) {
        const struct bytes value = last->params[i];
        hash = (hash ^ (value.data ? bytes_hash(value) : NO_VALUE_HASH)) * 0x100000001b3ULL;
        hash ^= hash >> 32;
    }
    return hash;
}

/* One of so many calls is looked at; all are counted. */
static void watch_tell(struct req *req, const struct query *query, const struct query_last *last,
                       const struct recur_call *call)
{
    const struct query_room *room = req->route->room;
    struct recur_cell *cell = &query->watch->cells[metric_cell_here];
    struct recur_call told = *call;
    if (atomic_load_explicit(&cell->calls, memory_order_relaxed) % (uint64_t)room->conf->recurring_every) {
        recur_pass(cell, &told);
        return;
    }
    told.key = asked_hash(last, query_wants_lines(req, query));
    recur_see(cell, &told);
}

static WAITS bool run_one(struct req *req, const struct query *query, const struct query_last *last)
{
    struct pg_step step = { pg_statement_of(kit_here.pool, last->sql), last->params, last->params_count,
                            NULL };
    auto_batch struct pg_batch batch = { .arena = &req->arena,
                                         .kind = query->method == HTTP_GET ? PG_READ : PG_WRITE,
                                         .steps = &step,
                                         .steps_count = 1 };
    uint64_t hash = 0;
    if (!step.statement || !kit_ask(req, &batch) || !query_result_fits(query, step.result) ||
        !query_answer(req, query, last, step.result, &hash))
        return false;
    if (query->watch) {
        const int64_t took_ns = batch.took_ns - batch.behind_ns;
        watch_tell(req, query, last, &(struct recur_call){ 0, hash, took_ns, core_now_ns() });
    }
    return true;
}

static WAITS bool run(struct req *req, const struct query *query)
{
    struct query_last last;
    struct bytes *values = ARENA_ARRAY(&req->arena, struct bytes, (size_t)query->params_count + 1);
    if (!values)
        return fail(&PROBLEM_TOO_LARGE, "the request needs more memory than it may use");
    if (!query_params_read(req, query, values) || !query_last_make(req, query, values, &last))
        return false;
    if (query->statements_count > 1)
        return query_run_script(req, query, values, &last);
    return query->stream ? query_run_streamed(req, query, &last) : run_one(req, query, &last);
}

bool query_run(struct req *req, void *room)
{
    (void)room;
    const struct query *query = req->route->data;
    if (query->lacks)
        return query->fallback ? run(req, query->fallback) : not_ready(req);
    if (run(req, query))
        return true;
    if (failure_here->problem != &PROBLEM_SCHEMA_NOT_READY || answer_streaming(req) || req->afterwards)
        return false; /* what has written already must not write again through what stands in */
    if (!query->fallback) {
        answer_header_lasting(req, "Retry-After", BYTES("1"));
        return false;
    }
    failure_clear(); /* the schema went while this snapshot stood: what stands in serves at once */
    return run(req, query->fallback);
}

/* ---- lintel explain ---- */

bool query_explain(void *room, struct req *req, struct kit_explained *ret_explained)
{
    (void)room;
    const struct query *query = req->route->data;
    struct query_last last;
    if (query->lacks && !query->fallback)
        return fail(&PROBLEM_SCHEMA_NOT_READY, "%s", query->lacks);
    query = query->lacks ? query->fallback : query;
    struct bytes *values = ARENA_ARRAY(&req->arena, struct bytes, (size_t)query->params_count + 1);
    if (!values || !query_params_read(req, query, values) || !query_last_make(req, query, values, &last))
        return false;
    struct kit_before *before = ARENA_ARRAY(&req->arena, struct kit_before, (size_t)query->statements_count);
    for (int i = 0; before && i + 1 < query->statements_count; i++) {
        const struct query_statement *statement = &query->statements[i];
        before[i] = (struct kit_before){ statement->sql, query_values_of(&req->arena, statement, values),
                                         statement->params_count };
    }
    *ret_explained = (struct kit_explained){ .sql = last.sql,
                                             .params = last.params,
                                             .params_count = last.params_count,
                                             .before = before,
                                             .before_count = query->statements_count - 1,
                                             .writes = query->method != HTTP_GET };
    return before != NULL;
}
