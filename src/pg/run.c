/* run.c - pg_run: one batch from wish to outcome, with the retries that are safe. */
#include "pg/pg_internal.h"

#include "base/log.h"
#include "pg/sqlstate.h"

#define UNSENT_MAX    3 /* connections that may break before taking a batch */
#define CONFLICTS_MAX 4 /* repetitions after 40001 or 40P01 */

/* ---- the batch itself ---- */

bool pg_batch_check(struct pg_batch *batch, int64_t *ret_bytes)
{
    int64_t bytes = 0;
    check(batch->steps_count >= 0 && batch->steps_count <= PG_STEPS_MAX);
    check(batch->settings_count >= 0 && batch->settings_count <= PG_SETTINGS_MAX);
    for (int i = 0; i < batch->settings_count; i++) {
        const struct bytes value = batch->settings[i].value;
        bytes += (int64_t)value.size;
        if (value.size && memchr(value.data, 0, value.size))
            return fail(&PROBLEM_VALUE,
                        "a value contains the character U+0000, which PostgreSQL cannot store");
    }
    for (int i = 0; i < batch->steps_count; i++) {
        const struct pg_step *step = &batch->steps[i];
        if (step->params_count > 65535)
            return fail(&PROBLEM_TOO_LARGE, "a statement has more than 65535 parameters");
        for (int k = 0; k < step->params_count; k++) {
            bytes += (int64_t)step->params[k].size;
            if (step->params[k].size && memchr(step->params[k].data, 0, step->params[k].size))
                return fail(&PROBLEM_VALUE,
                            "a value contains the character U+0000, which PostgreSQL cannot store");
        }
    }
    if (bytes > BATCH_BYTES_MAX)
        return fail(&PROBLEM_TOO_LARGE, "the values are larger than 512 MiB");
    *ret_bytes = bytes;
    return true;
}

void pg_batch_forget_results(struct pg_batch *batch)
{
    for (int i = 0; i < batch->steps_count; i++) {
        pg_result_free(batch->steps[i].result);
        batch->steps[i].result = NULL;
    }
}

void pg_batch_done(struct pg_batch *batch)
{
    pg_batch_forget_results(batch);
}

static void error_clear(struct pg_batch *batch)
{
    batch->error = (struct pg_error){ .step = -1,
                                      .message = "",
                                      .detail = "",
                                      .schema = "",
                                      .table = "",
                                      .column = "",
                                      .constraint = "",
                                      .datatype = "" };
}

/* ---- where it goes ---- */

enum role pg_run_role(const struct run *run)
{
    const struct pg_batch *batch = run->batch;
    if (batch->session_only || run->large || run->describe)
        return ROLE_SESSION;
    if (unlikely(run->pool->pooled) && batch->kind == PG_READ && batch->steps_count > 1)
        return ROLE_SESSION; /* one snapshot takes a BEGIN there: pg_pooler_brackets() */
    for (int i = 0; i < batch->steps_count; i++)
        if (unlikely(!batch->steps[i].statement->earned))
            return ROLE_SESSION;
    return batch->kind == PG_WRITE ? ROLE_WRITER : ROLE_LANE;
}

bool pg_run_probed_enough(const struct run *run, int64_t now_ns)
{
    for (int i = 0; i < run->batch->steps_count; i++)
        if (pg_statement_probed_enough(run->batch->steps[i].statement, now_ns))
            return true;
    return false;
}

/* ---- what its end tells of the server ---- */

void pg_pool_well(struct pg_pool *pool)
{
    if (likely(!pool->breaker.failures))
        return;
    if (breaker_well(&pool->breaker)) {
        metric_set(&pg_breaker_open, 0);
        log_event(LOG_INFO, "database_answers", NULL);
    }
}

void pg_pool_unwell(struct pg_pool *pool)
{
    const struct breaker_plan plan = { .failures_max = pool->conf.breaker_failures,
                                       .pause_ns = pool->conf.breaker_pause_ns,
                                       .pause_max_ns = pool->conf.breaker_pause_ns * BREAKER_PAUSE_GROWTH };
    if (!breaker_failed(&pool->breaker, &plan, clock_now_ns(), pg_pool_random(pool, 1024)))
        return;
    metric_add(&pg_breaker_opens, 1);
    metric_set(&pg_breaker_open, 1);
    log_event(LOG_WARN, "database_breaker_opens", "\"failures\":%lld,\"database\":\"%s\"",
              (long long)pool->breaker.failures, log_string_z(pool->home->label));
}

static void judge(struct run *run)
{
    if (likely(run->outcome == OUTCOME_OK || run->outcome == OUTCOME_REFUSED)) {
        pg_pool_well(run->pool);
    } else if (unlikely(run->tries)) {
        if (run->outcome == OUTCOME_DOWN || run->outcome == OUTCOME_BROKEN)
            pg_pool_unwell(run->pool);
        else
            breaker_untold(&run->pool->breaker);
    }
    run->tries = false;
}

/* Its deadline passed, or its client left. A deadline tells of the server only if that said nothing at all
 * for a while: a slow statement is nobody's failure but its own. */
static void judge_given_up(struct run *run)
{
    struct pg_pool *pool = run->pool;
    const bool silent = run->entry && clock_now_ns() - pool->heard_ns > UNHEARD_NS;
    if (silent && failure_here->problem == &PROBLEM_TIMEOUT) {
        if (run->tries)
            pg_pool_unwell(pool);
        else if (pool->unanswered++ == 0)
            pool->unanswered_ns =
                clock_now_ns(); /* a server that is well answers the cancel: the tick looks */
    } else if (run->tries)
        breaker_untold(&pool->breaker);
    run->tries = false;
}

bool pg_run_wait(struct run *run, const char *what)
{
    if (likely(signal_wait(&run->done, what, 0))) {
        judge(run);
        return true;
    }
    judge_given_up(run);
    const bool sent = run->entry != NULL;
    pg_run_abandon(run);
    if (run->batch) {
        pg_batch_forget_results(run->batch);
        run->batch->error.outcome_unknown = sent && run->access == PG_ACCESS_WRITE;
    }
    return false;
}

/* ---- what became of it ---- */

static void count_error(const struct pg_error *error)
{
    char labels[32];
    snprintf(labels, sizeof labels, "class=\"%.2s\"", error->sqlstate);
    metric_series_add(metric_series_of(&pg_errors, labels), 1);
}

bool pg_run_fail(struct run *run)
{
    struct pg_pool *pool = run->pool;
    switch (run->outcome) {
    case OUTCOME_REFUSED:
        count_error(&run->batch->error);
        if (pool->changed && pg_error_means(&run->batch->error)->schema_changed)
            pool->changed(pool->changed_arg);
        return pg_error_fail(&run->batch->error);
    case OUTCOME_BROKEN:
        if (run->access == PG_ACCESS_WRITE) {
            run->batch->error.outcome_unknown = true;
            return fail(&PROBLEM_OUTCOME_UNKNOWN, "%s", PROBLEM_OUTCOME_UNKNOWN.title);
        }
        return fail(&PROBLEM_DATABASE_DOWN, "%s", PROBLEM_DATABASE_DOWN.title);
    case OUTCOME_EXHAUSTED:
        pg_pool_holders_cause(pool);
        metric_add(&pg_acquire_timeouts, 1);
        return fail(&PROBLEM_POOL_EXHAUSTED, "%s", PROBLEM_POOL_EXHAUSTED.title);
    case OUTCOME_MISUSED:
        (void)fail_cause("a statement that changes its session travelled on a shared connection");
        return fail(&PROBLEM_INTERNAL, "%s", PROBLEM_INTERNAL.title);
    default:
        if (pool->last_error[0] && !pool->ready)
            (void)fail_cause("%s", pool->last_error);
        return fail(&PROBLEM_DATABASE_DOWN, "%s", PROBLEM_DATABASE_DOWN.title);
    }
}

/* Everything that is sent again by itself shares a budget, a share of what goes well, so that a bad day is
 * not multiplied. Not a plan that DDL made obsolete: the server did no work for it, and each statement has
 * that once. */
bool pg_retry_token(struct pg_pool *pool, int64_t reserve)
{
    if (pool->retry_tokens < 100 + reserve) {
        metric_add(&pg_retries_refused, 1);
        return false;
    }
    pool->retry_tokens -= 100;
    return true;
}

static void retry_earn(struct pg_pool *pool)
{
    if (pool->retry_tokens < PG_RETRY_TOKENS_MAX)
        pool->retry_tokens += pool->conf.retry_percent;
}

struct tries {
    int unsent, broken, replans, conflicts;
};

/* Whether the run is to be sent again. Waits between repetitions after a conflict. */
WAITS static bool again(struct run *run, struct tries *tries)
{
    struct pg_pool *pool = run->pool;
    switch (run->outcome) {
    case OUTCOME_UNSENT:
        return ++tries->unsent <= UNSENT_MAX && pg_retry_token(pool, 0);
    case OUTCOME_MOVED:
        return true; /* paid for when it was moved */
    case OUTCOME_BROKEN:
        return run->access == PG_ACCESS_READ && tries->broken++ == 0 && pg_retry_token(pool, 0);
    case OUTCOME_REFUSED:
        break;
    default:
        return false;
    }
    if (run->replan)
        return tries->replans++ == 0; /* nothing of it was kept: the batch is one transaction */
    if (!pg_sqlstate_find(run->batch->error.sqlstate)->retry || tries->conflicts >= CONFLICTS_MAX ||
        !pg_retry_token(pool, 0))
        return false;
    const int64_t ceiling_ns = (2 * NS_PER_MS) << tries->conflicts++;
    const int64_t pause_ns = NS_PER_MS / 2 + pg_pool_random(pool, ceiling_ns);
    return core_now_ns() + pause_ns < fiber_deadline_ns() && fiber_sleep(pause_ns);
}

static bool run_through(struct run *run)
{
    struct pg_pool *pool = run->pool;
    struct tries tries = { 0 };
    for (;;) {
        error_clear(run->batch);
        run->outcome = OUTCOME_NONE;
        run->replan = false;
        signal_reset(&run->done);
        run->role = pg_run_role(run);
        pg_pool_enqueue(pool, run);
        if (unlikely(!pg_run_wait(run, "pg.batch")))
            return false;
        if (likely(run->outcome == OUTCOME_OK)) {
            retry_earn(pool);
            return true;
        }
        if (!again(run, &tries))
            return pg_run_fail(run);
        run->batch->retries++;
        metric_add(&pg_retries, 1);
    }
}

static bool holds_session(const struct pg_pool *pool)
{
    for (const struct pg_session *session = pool->held; session; session = session->next_held)
        if (session->holder == fiber_here())
            return true;
    return false;
}

static bool run_as(struct pg_pool *pool, struct pg_batch *batch, bool describe)
{
    check(!holds_session(pool)); /* PostgreSQL could not see that deadlock */
    check(batch->steps_count >= 1);
    int64_t bytes;
    if (unlikely(!pg_batch_check(batch, &bytes)))
        return false;
    batch->waited_ns = batch->took_ns = batch->behind_ns = 0;
    batch->retries = 0;
    struct run run = {
        .pool = pool,
        .batch = batch,
        .access = batch->kind == PG_READ ? PG_ACCESS_READ : PG_ACCESS_WRITE,
        .large = bytes > LARGE_BATCH_BYTES,
        .describe = describe,
        .who = fiber_log_context(),
    };
    for (int i = 0; i < batch->steps_count; i++)
        pg_statement_ref(batch->steps[i].statement);
    const bool well = run_through(&run);
    for (int i = 0; i < batch->steps_count; i++)
        pg_statement_unref(batch->steps[i].statement);
    return well;
}

bool pg_run(struct pg_pool *pool, struct pg_batch *batch)
{
    return run_as(pool, batch, false);
}

bool pg_describe(struct pg_pool *pool, struct pg_batch *batch)
{
    check(batch->steps_count == 1);
    return run_as(pool, batch, true);
}
