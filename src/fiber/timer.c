/* timer.c - a hashed wheel: 1024 slots of 4 ms. Start and stop are list operations; a timer further away than
 * one turn of the wheel (4.1 s) stays in its slot and is looked at again each turn. Source: Varghese & Lauck
 * 1987, scheme 6. */
#include "fiber/core_internal.h"

#include "base/clock.h"
#include "base/inject.h"

#define TICK_NS (4 * NS_PER_MS)

static void wheel_arm(struct core *core);

static void wheel_tick(uv_timer_t *handle)
{
    struct core *core = handle->data;
    struct wheel *wheel = &core->wheel;
    core->now_ns = clock_now_ns();
    const int64_t now_tick = core->now_ns / TICK_NS;
    int64_t tick = wheel->done_tick + 1;
    if (now_tick - tick >= WHEEL_SLOTS)
        tick = now_tick - WHEEL_SLOTS + 1; /* after a long stall: each slot once */
    for (; tick <= now_tick; tick++) {
        struct timer *timer = wheel->slots[tick % WHEEL_SLOTS], *next;
        for (; timer; timer = next) {
            next = timer->next;
            if (timer->at_ns > core->now_ns)
                continue;
            timer_stop(timer);
            /* A callback may stop the next one: look it up again by restarting the slot. */
            timer->fire(timer);
            next = wheel->slots[tick % WHEEL_SLOTS];
        }
    }
    wheel->done_tick = now_tick - 1; /* the current slot may still hold timers of this very tick */
    wheel->armed_ns = INT64_MAX;
    wheel_arm(core);
}

static void wheel_arm_at(struct core *core, int64_t at_ns)
{
    if (at_ns >= core->wheel.armed_ns)
        return;
    core->wheel.armed_ns = at_ns;
    const int64_t away_ns = at_ns - clock_now_ns();
    uv_update_time(&core->loop);
    uv_timer_start(&core->wheel.handle, wheel_tick, away_ns <= 0 ? 1 : (uint64_t)(away_ns / NS_PER_MS + 1),
                   0);
}

/* Arms for the nearest slot that holds anything. */
static void wheel_arm(struct core *core)
{
    struct wheel *wheel = &core->wheel;
    if (wheel->count == 0)
        return;
    const int64_t from = core->now_ns / TICK_NS;
    for (int64_t tick = from; tick < from + WHEEL_SLOTS; tick++)
        if (wheel->slots[tick % WHEEL_SLOTS]) {
            wheel_arm_at(core, (tick + 1) * TICK_NS);
            return;
        }
}

void timer_start(struct timer *timer, int64_t at_ns)
{
    struct core *core = core_here();
    check(core != NULL && timer->fire != NULL);
    timer_stop(timer);
    if (at_ns < core->now_ns || inject("timer.early"))
        at_ns = core->now_ns;
    const int64_t tick = at_ns / TICK_NS;
    struct timer **slot = &core->wheel.slots[tick % WHEEL_SLOTS];
    timer->at_ns = at_ns;
    timer->next = *slot;
    timer->prev = slot;
    if (*slot)
        (*slot)->prev = &timer->next;
    *slot = timer;
    core->wheel.count++;
    const int64_t horizon_ns = core->now_ns + (WHEEL_SLOTS - 1) * TICK_NS;
    wheel_arm_at(core, (tick + 1) * TICK_NS < horizon_ns ? (tick + 1) * TICK_NS : horizon_ns);
}

void timer_stop(struct timer *timer)
{
    if (!timer->prev)
        return;
    *timer->prev = timer->next;
    if (timer->next)
        timer->next->prev = timer->prev;
    timer->prev = NULL;
    core_here()->wheel.count--;
}

void wheel_open(struct core *core)
{
    uv_timer_init(&core->loop, &core->wheel.handle);
    core->wheel.handle.data = core;
    core->wheel.done_tick = core->now_ns / TICK_NS - 1;
    core->wheel.armed_ns = INT64_MAX;
}
