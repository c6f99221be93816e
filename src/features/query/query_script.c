/* query_script.c - several statements as one transaction on one session: what one stages in a temporary table
 * the next ones read, and the last one's result is the answer.
 *
 * A GET may stage too, so its transaction can't be read-only; it is rolled back instead, whatever came of
 * it: nothing that a GET does lasts. */
#include "base/clock.h"
#include "features/query/query.h"
#include "kit/here.h"

static WAITS bool statement_run(struct req *req, const struct query *query, int index, struct pg_tx *tx,
                                struct pg_step *step)
{
    const struct query_statement *statement = &query->statements[index];
    struct pg_batch batch = { .arena = &req->arena, .kind = PG_WRITE, .steps = step, .steps_count = 1 };
    req->db_batches++;
    if (!step->statement)
        return false;
    if (pg_session_run(tx->session, &batch))
        return true;
    query_refused(req, query, statement, &batch.error);
    return false;
}

static void step_done(struct pg_step *step)
{
    pg_result_free(step->result);
    step->result = NULL;
}

static WAITS bool steps_run(struct req *req, const struct query *query, const struct bytes *values,
                            struct pg_tx *tx)
{
    for (int i = 0; i + 1 < query->statements_count; i++) {
        const struct query_statement *statement = &query->statements[i];
        const struct bytes *own = query_values_of(&req->arena, statement, values);
        struct pg_step step = { pg_statement_of(kit_here.pool, statement->sql), own, statement->params_count,
                                NULL };
        const bool well = own && statement_run(req, query, i, tx, &step);
        step_done(&step);
        if (!well)
            return false;
    }
    return true;
}

bool query_run_script(struct req *req, const struct query *query, const struct bytes *values,
                      const struct query_last *last)
{
    auto_tx struct pg_tx tx = { 0 };
    __attribute__((cleanup(step_done))) struct pg_step step = { pg_statement_of(kit_here.pool, last->sql),
                                                                last->params, last->params_count, NULL };
    const bool reads = query->method == HTTP_GET;
    const int64_t started_ns = clock_now_ns();
    if (!pg_begin(kit_here.pool, &tx, reads ? PG_REPEATABLE_READ : PG_READ_COMMITTED))
        return false;
    const int64_t borrowed_ns = clock_now_ns();
    req->pool_wait_ns += borrowed_ns - started_ns;
    uint64_t hash; /* the answer is made before the commit: what is refused (too many rows, none) is undone */
    bool well = steps_run(req, query, values, &tx) &&
                statement_run(req, query, query->statements_count - 1, &tx, &step) &&
                query_result_fits(query, step.result) && query_answer(req, query, last, step.result, &hash);
    if (well && !reads) {
        well = pg_commit(&tx);
        if (well || tx.outcome_unknown)
            req->afterwards = &PROBLEM_OUTCOME_UNKNOWN;
    }
    req->db_ns += clock_now_ns() - borrowed_ns;
    return well;
}
