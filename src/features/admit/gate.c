#include "features/admit/gate.h"

#include <stddef.h>

#include "base/check.h"

#define CALM_BESIDE 1 /* alone: that tells what a route takes by itself */
#define REST_PEAKS  4 /* a limit that is not reached is kept at so many times what was used */

void gate_open(struct gate *gate, const struct gate_plan *plan, int64_t now_ns)
{
    check(plan->limit_min >= 1 && plan->limit_min <= plan->limit_start &&
          plan->limit_start <= plan->limit_max);
    *gate = (struct gate){ .limit = (double)plan->limit_start,
                           .threshold = (double)plan->limit_max,
                           .since_ns = now_ns,
                           .span_ns = GATE_INTERVAL_NS };
    for (int i = 0; i < GATE_PRIORITIES; i++)
        gate->queues[i].last = &gate->queues[i].first;
}

/* High goes a little beyond the limit, low stays well below it: low is the first to feel a shortage. */
static int64_t limit_of(const struct gate *gate, enum gate_priority priority)
{
    const int64_t limit = (int64_t)gate->limit;
    switch (priority) {
    case GATE_HIGH:
        return limit + limit / 4 + 1;
    case GATE_LOW:
        return limit - limit / 4;
    default:
        return limit;
    }
}

static bool nobody_before(const struct gate *gate, enum gate_priority priority)
{
    for (int i = 0; i <= (int)priority; i++)
        if (gate->queues[i].first)
            return false;
    return true;
}

static void let_in(struct gate *gate)
{
    gate->in_flight++;
    if (gate->in_flight > gate->peak)
        gate->peak = gate->in_flight;
}

bool gate_enter(struct gate *gate, const struct gate_plan *plan, enum gate_priority priority, int64_t now_ns)
{
    (void)plan, (void)now_ns;
    if (unlikely(gate->in_flight >= limit_of(gate, priority) ||
                 (gate->queued && !nobody_before(gate, priority)))) {
        gate->pressed = true;
        return false;
    }
    let_in(gate);
    return true;
}

/* ---- the queue ---- */

static void take_out(struct gate *gate, struct gate_waiter *waiter)
{
    struct gate_queue *queue = &gate->queues[waiter->priority];
    *waiter->prev = waiter->next;
    if (waiter->next)
        waiter->next->prev = waiter->prev;
    else
        queue->last = waiter->prev;
    waiter->prev = NULL;
    gate->queued--;
}

static bool is_crowded(const struct gate *gate, const struct gate_plan *plan)
{
    return gate->in_flight + gate->queued > plan->limit_start;
}

static void turned_away(struct gate *gate, int64_t now_ns)
{
    if (!gate->flooded || now_ns >= gate->try_ns)
        gate->try_ns = now_ns + GATE_FLOODED_NS;
    gate->flooded = true;
    gate->shed_ns = now_ns;
}

static void calm_down(struct gate *gate, const struct gate_plan *plan, int64_t now_ns)
{
    if (unlikely(gate->flooded) && now_ns - gate->shed_ns > GATE_FLOODED_NS &&
        (!gate->queued || !is_crowded(gate, plan)))
        gate->flooded = false;
}

int64_t gate_patience_ns(const struct gate *gate, const struct gate_plan *plan, int64_t now_ns)
{
    if (is_crowded(gate, plan))
        return gate->flooded ? plan->patience_ns : plan->burst_ns;
    return gate->flooded && now_ns < gate->try_ns ? plan->patience_ns : GATE_PATIENT;
}

static struct gate_waiter *last_of(const struct gate_queue *queue)
{
    return (struct gate_waiter *)(void *)((char *)queue->last - offsetof(struct gate_waiter, next));
}

/* Who leaves for one of that priority: the one that would be served last. NULL: nobody. */
static struct gate_waiter *least_of_all(struct gate *gate, enum gate_priority priority)
{
    for (int i = GATE_PRIORITIES - 1; i >= (int)priority; i--) {
        struct gate_queue *queue = &gate->queues[i];
        if (queue->first && (i > (int)priority || gate->flooded))
            return gate->flooded ? queue->first : last_of(queue);
    }
    return NULL;
}

bool gate_queue(struct gate *gate, const struct gate_plan *plan, struct gate_waiter *waiter, int64_t now_ns,
                struct gate_waiter **ret_out)
{
    struct gate_waiter *out = NULL;
    calm_down(gate, plan, now_ns);
    if (waiter->priority == GATE_LOW && gate->flooded)
        return false;
    if (gate->queued >= plan->queue_max) {
        turned_away(gate, now_ns);
        out = least_of_all(gate, waiter->priority);
        if (!out)
            return false;
        take_out(gate, out);
        out->verdict = GATE_SHED;
    }
    struct gate_queue *queue = &gate->queues[waiter->priority];
    waiter->verdict = GATE_WAITING;
    waiter->since_ns = now_ns;
    waiter->next = NULL;
    waiter->prev = queue->last;
    *queue->last = waiter;
    queue->last = &waiter->next;
    gate->queued++;
    *ret_out = out;
    return true;
}

void gate_quit(struct gate *gate, const struct gate_plan *plan, struct gate_waiter *waiter, int64_t now_ns)
{
    if (!waiter->prev)
        return;
    take_out(gate, waiter);
    if (now_ns - waiter->since_ns >= gate_patience_ns(gate, plan, now_ns))
        turned_away(gate, now_ns);
}

/* The oldest of the queue, if it waited too long. */
static struct gate_waiter *overdue(struct gate *gate, const struct gate_plan *plan, struct gate_queue *queue,
                                   int64_t now_ns)
{
    struct gate_waiter *waiter = queue->first;
    if (!waiter || now_ns - waiter->since_ns <= gate_patience_ns(gate, plan, now_ns))
        return NULL;
    take_out(gate, waiter);
    waiter->verdict = GATE_SHED;
    turned_away(gate, now_ns);
    return waiter;
}

struct gate_waiter *gate_next(struct gate *gate, const struct gate_plan *plan, int64_t now_ns)
{
    for (int i = 0; i < GATE_PRIORITIES && gate->queued; i++) {
        struct gate_queue *queue = &gate->queues[i];
        struct gate_waiter *waiter = overdue(gate, plan, queue, now_ns);
        if (waiter)
            return waiter;
        if (!queue->first)
            continue;
        if (gate->in_flight >= limit_of(gate, (enum gate_priority)i))
            return NULL; /* nor is there room for those behind */
        waiter = gate->flooded ? last_of(queue) : queue->first;
        take_out(gate, waiter);
        waiter->verdict = GATE_GO;
        let_in(gate);
        return waiter;
    }
    calm_down(gate, plan, now_ns);
    return NULL;
}

/* ---- the limit ---- */

/* Most were late: down, the more so the later they were. Few were, and the limit was in the way: up. It was
 * not in the way: what nobody uses is not kept, or a sudden rush would find it open wide. */
static void judge(struct gate *gate, const struct gate_plan *plan)
{
    const double least = (double)plan->limit_min, most = (double)plan->limit_max;
    double limit = gate->limit;
    if (gate->late * 2 > gate->done) {
        if (limit > (double)gate->peak)
            limit = (double)gate->peak;
        limit *= gate->very_late * 2 > gate->done ? 0.6 : 0.9;
        gate->threshold = limit;
    } else if (gate->pressed) {
        const bool freely = gate->late * 8 < gate->done && limit < gate->threshold;
        const double step = freely ? limit / 2 : limit / 8;
        limit += freely && step < 1 ? 1 : step;
    } else {
        const double kept = (double)(gate->peak * REST_PEAKS), start = (double)plan->limit_start;
        const double rest = kept > start ? kept : start;
        limit = limit > rest ? rest : limit < start ? limit + 1 : limit;
        gate->threshold = most;
    }
    gate->limit = limit < least ? least : limit > most ? most : limit;
}

static void judge_when_due(struct gate *gate, const struct gate_plan *plan, int64_t now_ns)
{
    const int64_t lasted_ns = now_ns - gate->since_ns;
    if (likely(lasted_ns < GATE_INTERVAL_NS))
        return;
    /* A few late ones are chance, or connections being opened: nothing is taken away for that. */
    const bool mostly_late = gate->late * 2 > gate->done;
    if (gate->done < GATE_SAMPLES_MIN &&
        lasted_ns < (mostly_late ? GATE_INTERVAL_LONGEST_NS : GATE_INTERVAL_LONG_NS))
        return;
    if (!mostly_late && lasted_ns < gate->span_ns)
        return; /* what was let in before the last change must not be taken for its effect */
    judge(gate, plan);
    const int64_t twice_ns = gate->done ? 2 * (gate->took_ns / gate->done) : 0;
    gate->span_ns = twice_ns < GATE_INTERVAL_NS        ? GATE_INTERVAL_NS
                    : twice_ns > GATE_INTERVAL_LONG_NS ? GATE_INTERVAL_LONG_NS
                                                       : twice_ns;
    gate->since_ns = now_ns;
    gate->done = gate->late = gate->very_late = gate->took_ns = 0;
    gate->peak = gate->in_flight;
    gate->pressed = gate->queued > 0;
}

/* Letting in fewer did not make it quicker: it takes what it takes. */
static bool in_vain(const struct gate *gate, const struct gate_plan *plan, const struct gate_sample *sample,
                    const struct gate_calm *calm)
{
    return gate->limit <= (double)plan->limit_min && sample->took_ns / 3 >= calm->crowded_ns / 4;
}

/* Learns what the route takes by itself: from requests that came alone; or when few are let in and that does
 * not help: then the route itself has become slower. What was learnt in a crowd shows when one takes less
 * than half of it. */
static void learn(const struct gate *gate, const struct gate_plan *plan, const struct gate_sample *sample,
                  struct gate_calm *calm)
{
    if (sample->beside >= 2 * plan->limit_min)
        calm->crowded_ns += (sample->took_ns - calm->crowded_ns) / 8;
    if (unlikely(calm->mean_ns == 0))
        calm->mean_ns = sample->took_ns;
    else if (sample->beside <= CALM_BESIDE || sample->took_ns < calm->mean_ns / 2 ||
             in_vain(gate, plan, sample, calm))
        calm->mean_ns += (sample->took_ns - calm->mean_ns) / 8;
}

void gate_leave(struct gate *gate, const struct gate_plan *plan, const struct gate_sample *sample,
                struct gate_calm *calm, int64_t now_ns)
{
    check(gate->in_flight > 0);
    gate->in_flight--;
    if (likely(sample != NULL)) {
        int64_t allowed_ns = plan->delay_target_ns, beyond_ns = 0;
        if (calm) {
            learn(gate, plan, sample, calm);
            const int64_t stretched_ns = calm->mean_ns / 100 * plan->stretch_percent;
            allowed_ns = stretched_ns > allowed_ns ? stretched_ns : allowed_ns;
            beyond_ns = sample->took_ns - calm->mean_ns;
        }
        gate->done++;
        gate->took_ns += sample->took_ns;
        gate->late += sample->waited_ns > plan->wait_target_ns || beyond_ns > allowed_ns;
        gate->very_late += sample->waited_ns > 4 * plan->wait_target_ns || beyond_ns > 3 * allowed_ns;
    }
    judge_when_due(gate, plan, now_ns);
}
