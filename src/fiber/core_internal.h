#pragma once
/* core_internal.h - what the files of the fiber room share: the core, its wheel, a fiber. No other room
 * includes this. */
#include <pthread.h>
#include <stdatomic.h>
#include <uv.h>

#include "fiber/fiber.h"
#include "fiber/stack.h"

#define WHEEL_SLOTS 1024
struct wheel {
    struct timer *slots[WHEEL_SLOTS];
    int64_t count, done_tick, armed_ns;
    uv_timer_t handle;
};

struct post {
    struct post *next;
    void (*fn)(void *arg);
    void *arg;
};

struct signal_watch {
    uv_signal_t handle;
    void (*fn)(int number, void *arg);
    void *arg;
};

struct fiber {
    void *context; /* where it will continue */
    struct core *core;
    struct stack *stack;
    const char *name, *wait; /* wait: what it is parked on; NULL while running or ready */
    fiber_fn run;
    void *arg;
    struct fiber *ready_next;
    struct fiber *all_next, **all_prev; /* every fiber of the core, for the fiber list and gdb */
    bool ready, parked, woken, spared;
    int shields;
    const struct problem *ended_by; /* cancelled or out of time */
    int64_t started_ns, deadline_ns;
    int64_t ran_ns; /* of the slices that have ended */
    struct timer deadline, late;
    bool late_fired;
    struct failure failure;
    struct log_context log;
    void *asan_fake_stack, *tsan_fiber;
};

struct core {
    uv_loop_t loop;
    uv_prepare_t prepare;
    uv_check_t after_poll;
    uv_idle_t idle;
    uv_async_t wakeup;
    int index;
    int64_t fibers_max;
    int64_t now_ns;
    int64_t slice_ns; /* the last switch: since when the running fiber has the core */
    bool stopping;
    struct sight_place *sight; /* for those who look from outside: sight.c */

    void *loop_context; /* of the loop while a fiber runs */
    struct fiber *running;
    struct fiber *ready, **ready_end;
    struct fiber *all;
    struct turn_task *tasks, **tasks_end;
    struct signal_watch signals[CORE_SIGNALS_MAX];
    int signals_count;
    struct stack_pool stacks;
    struct wheel wheel;
    size_t stack_high_water;

    pthread_mutex_t posts_lock;
    struct post *posts, **posts_end;
    bool posts_closed;

    _Atomic uint64_t turns_total, started_total, switches_total;
    _Atomic int64_t fibers_running, busy_ns, turn_longest_ns, turn_started_ns;

    const void *asan_loop_stack;
    size_t asan_loop_stack_size;
    void *tsan_loop;
    struct failure *loop_failure;
};

void wheel_open(struct core *core);

/* sight.c: a core that others can see, from its opening to its closing. On its own thread. */
void sight_open(struct core *core);
void sight_close(struct core *core);
