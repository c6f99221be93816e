/* recur_doctor.c - the verb: all that is watched, the dearest first, and advice for what recurs. */
#include "features/query/recur_doctor.h"

#include <stdlib.h>

#include "base/clock.h"
#include "features/query/query.h"
#include "fiber/fiber.h"
#include "kit/here.h"

#define DOCTOR_NS    (20 * NS_PER_S)
#define DOCTOR_BYTES (64 << 20)
#define ADVISED_MAX  10 /* of those that recur, the dearest */

static int by_time(const void *a, const void *b)
{
    const struct recur_advice *x = a, *y = b;
    return x->sums.took_ns > y->sums.took_ns ? -1 : x->sums.took_ns < y->sums.took_ns;
}

/* Those that were called; the text of a snapshot that is gone may still be among them for a moment. */
static int all_judge(struct recur_watch *const *watches, int count, struct recur_advice *ret_advice)
{
    int called = 0;
    for (int i = 0; i < count; i++) {
        struct recur_advice *advice = &ret_advice[called];
        *advice = (struct recur_advice){ .subject = &watches[i]->subject };
        recur_sum(watches[i], &advice->sums);
        recur_judge(&advice->sums, &advice->verdict);
        called += advice->sums.calls > 0;
    }
    qsort(ret_advice, (size_t)called, sizeof *ret_advice, by_time);
    return called;
}

static void all_advise(struct arena *arena, struct recur_advice *advice, int count)
{
    int advised = 0;
    for (int i = 0; i < count && advised < ADVISED_MAX; i++) {
        if (advice[i].verdict.state != RECUR_RECURS)
            continue;
        advised++;
        if (recur_advise(arena, &advice[i]))
            continue;
        /* The database is away, or slow: the numbers still tell. */
        const char *why = arena_printf(arena, "it was not found out: %s", failure_here->message);
        advice[i].blocked = why ? why : "";
        failure_clear();
        return;
    }
}

bool recur_doctor_run(void *room, int argc, const char *const *argv, struct text *answer)
{
    struct query_room *queries = room;
    struct recur_watch *watches[RECUR_WATCHES_MAX];
    struct arena arena;
    (void)argv;
    if (argc != 1)
        return fail(&PROBLEM_CONFIG, "usage: recurring");
    fiber_deadline_set(core_now_ns() + DOCTOR_NS);
    const int count = recur_all(&queries->recur, watches);
    arena_init(&arena, DOCTOR_BYTES);
    struct recur_advice *advice = ARENA_ARRAY(&arena, struct recur_advice, (size_t)count + 1);
    bool well = advice || fail(&PROBLEM_TOO_LARGE, "there is too much to be judged at once");
    const int called = well ? all_judge(watches, count, advice) : 0;
    if (well && kit_here.pool && kit_here.set)
        all_advise(&arena, advice, called);
    if (well)
        recur_report(advice, called, queries->recur.left_out, queries->conf->recurring_every == 0, answer);
    for (int i = 0; i < count; i++)
        recur_unref(&queries->recur, watches[i]);
    arena_done(&arena);
    return well;
}
