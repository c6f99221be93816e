/* core.c - one thread, one loop: turns, messages from other cores, stopping. */
#include "base/clock.h"
#include "base/metric.h"
#include "fiber/core_internal.h"

#include <stdlib.h>

#define ROUNDS_A_TURN 64 /* ready fibers may wake others; after so many rounds I/O gets its chance */

void fiber_run(struct fiber *fiber); /* fiber.c */

static _Thread_local struct core *here;

struct core *core_here(void)
{
    return here;
}

int core_index(const struct core *core)
{
    return core->index;
}

struct uv_loop_s *core_loop(struct core *core)
{
    return &core->loop;
}

int64_t core_now_ns(void)
{
    return here ? here->now_ns : clock_now_ns();
}

static void run_posts(struct core *core)
{
    pthread_mutex_lock(&core->posts_lock);
    struct post *post = core->posts;
    core->posts = NULL;
    core->posts_end = &core->posts;
    pthread_mutex_unlock(&core->posts_lock);
    while (post) {
        struct post *next = post->next;
        post->fn(post->arg);
        free(post);
        post = next;
    }
}

static void keep_loop_awake(uv_idle_t *idle)
{
    (void)idle;
}

/* Runs each fiber that is ready now once. */
static void run_round(struct core *core)
{
    struct fiber *fiber = core->ready;
    core->ready = NULL;
    core->ready_end = &core->ready;
    while (fiber) {
        struct fiber *next = fiber->ready_next;
        fiber->ready = false;
        fiber_run(fiber);
        fiber = next;
    }
}

/* Runs what is ready, then the turn's end tasks, until nothing is left or the round limit is met. */
static void run_ready(struct core *core)
{
    for (int round = 0; round < ROUNDS_A_TURN && (core->ready || core->tasks); round++) {
        if (core->ready)
            core->slice_ns = clock_now_ns(); /* what came between is no fiber's */
        run_round(core);
        if (core->ready)
            continue;
        while (core->tasks) {
            struct turn_task *task = core->tasks;
            core->tasks = task->next;
            if (!core->tasks)
                core->tasks_end = &core->tasks;
            task->queued = false;
            task->run(task);
        }
    }
    if (core->ready || core->tasks)
        uv_idle_start(&core->idle, keep_loop_awake);
    else
        uv_idle_stop(&core->idle);
}

/* libuv 1.44 runs I/O callbacks inside poll: the turn is timed from the first that runs fibers, or from after
 * poll. */
static void turn_begins(struct core *core)
{
    core->now_ns = clock_now_ns();
    if (!atomic_load_explicit(&core->turn_started_ns, memory_order_relaxed))
        atomic_store_explicit(&core->turn_started_ns, core->now_ns, memory_order_relaxed);
}

static void before_poll(uv_prepare_t *handle)
{
    struct core *core = handle->data;
    if (core->ready) /* woken by a timer, which comes before this and outside poll */
        turn_begins(core);
    run_ready(core);
    const int64_t now_ns = clock_now_ns();
    const int64_t started_ns = atomic_load_explicit(&core->turn_started_ns, memory_order_relaxed);
    if (started_ns) {
        const int64_t took_ns = now_ns - started_ns;
        atomic_store_explicit(&core->busy_ns,
                              atomic_load_explicit(&core->busy_ns, memory_order_relaxed) + took_ns,
                              memory_order_relaxed);
        if (took_ns > atomic_load_explicit(&core->turn_longest_ns, memory_order_relaxed))
            atomic_store_explicit(&core->turn_longest_ns, took_ns, memory_order_relaxed);
    }
    atomic_store_explicit(&core->turn_started_ns, 0, memory_order_relaxed);
    atomic_store_explicit(&core->turns_total,
                          atomic_load_explicit(&core->turns_total, memory_order_relaxed) + 1,
                          memory_order_relaxed);
    if (core->stopping && atomic_load_explicit(&core->fibers_running, memory_order_relaxed) == 0)
        uv_stop(&core->loop);
}

static void after_poll(uv_check_t *handle)
{
    struct core *core = handle->data;
    turn_begins(core);
    run_ready(core);
}

void core_run_ready(void)
{
    check(here && !here->running);
    turn_begins(here);
    here->slice_ns = here->now_ns;
    run_round(here);
}

static void stop_now(void *arg)
{
    struct core *core = arg;
    core->stopping = true;
    for (struct fiber *fiber = core->all; fiber; fiber = fiber->all_next)
        fiber_cancel(fiber, &PROBLEM_CANCELLED);
}

static void woken_up(uv_async_t *handle)
{
    run_posts(handle->data);
}

bool core_open(const struct core_plan *plan, struct core **ret_core)
{
    check(!here && plan->index >= 0 && plan->index < METRIC_CORES_MAX);
    struct core *core = calloc(1, sizeof *core);
    if (!core || uv_loop_init(&core->loop) != 0) {
        free(core);
        return fail(&PROBLEM_ENVIRONMENT, "cannot open an event loop");
    }
    core->index = plan->index;
    core->fibers_max = plan->fibers_max;
    core->now_ns = clock_now_ns();
    core->ready_end = &core->ready;
    core->tasks_end = &core->tasks;
    core->posts_end = &core->posts;
    pthread_mutex_init(&core->posts_lock, NULL);
    uv_prepare_init(&core->loop, &core->prepare);
    uv_check_init(&core->loop, &core->after_poll);
    uv_idle_init(&core->loop, &core->idle);
    uv_async_init(&core->loop, &core->wakeup, woken_up);
    core->prepare.data = core->after_poll.data = core->idle.data = core->wakeup.data = core;
    uv_prepare_start(&core->prepare, before_poll);
    uv_check_start(&core->after_poll, after_poll);
    here = core;
    metric_cell_here = plan->index < metric_cells ? plan->index : metric_cells - 1;
    wheel_open(core);
    sight_open(core);
    *ret_core = core;
    return true;
}

void core_run(struct core *core)
{
    check(here == core);
    uv_run(&core->loop, UV_RUN_DEFAULT);
}

static void signalled(uv_signal_t *handle, int number)
{
    const struct signal_watch *watch = container_of(handle, struct signal_watch, handle);
    watch->fn(number, watch->arg);
}

void core_on_signal(struct core *core, int number, void (*fn)(int number, void *arg), void *arg)
{
    check(here == core && core->signals_count < CORE_SIGNALS_MAX);
    struct signal_watch *watch = &core->signals[core->signals_count++];
    watch->fn = fn;
    watch->arg = arg;
    uv_signal_init(&core->loop, &watch->handle);
    uv_signal_start(&watch->handle, signalled, number);
}

void core_stop(struct core *core)
{
    (void)core_post(core, stop_now, core);
}

static void close_handle(uv_handle_t *handle, void *arg)
{
    (void)arg;
    if (!uv_is_closing(handle))
        uv_close(handle, NULL);
}

void core_close(struct core *core)
{
    check(here == core);
    sight_close(core);
    pthread_mutex_lock(&core->posts_lock);
    core->posts_closed = true;
    pthread_mutex_unlock(&core->posts_lock);
    run_posts(core);
    uv_walk(&core->loop, close_handle, NULL);
    while (uv_run(&core->loop, UV_RUN_NOWAIT) != 0) {
    }
    check(uv_loop_close(&core->loop) == 0);
    stack_pool_done(&core->stacks);
    pthread_mutex_destroy(&core->posts_lock);
    arena_pool_drop();
    here = NULL;
    free(core);
}

bool core_post(struct core *core, void (*fn)(void *arg), void *arg)
{
    struct post *post = malloc(sizeof *post);
    check(post != NULL);
    *post = (struct post){ .fn = fn, .arg = arg };
    pthread_mutex_lock(&core->posts_lock);
    const bool open = !core->posts_closed;
    if (open) {
        *core->posts_end = post;
        core->posts_end = &post->next;
        uv_async_send(&core->wakeup);
    }
    pthread_mutex_unlock(&core->posts_lock);
    if (!open)
        free(post);
    return open;
}

void core_at_turn_end(struct turn_task *task)
{
    if (task->queued)
        return;
    task->queued = true;
    task->next = NULL;
    *here->tasks_end = task;
    here->tasks_end = &task->next;
}

void core_turn_task_cancel(struct turn_task *task)
{
    if (!task->queued)
        return;
    struct turn_task **at = &here->tasks;
    while (*at != task)
        at = &(*at)->next;
    *at = task->next;
    if (!*at)
        here->tasks_end = at;
    task->queued = false;
}

void core_stats_read(struct core *core, struct core_stats *ret_stats)
{
    *ret_stats = (struct core_stats){
        .turns_total = atomic_load_explicit(&core->turns_total, memory_order_relaxed),
        .fibers_started_total = atomic_load_explicit(&core->started_total, memory_order_relaxed),
        .switches_total = atomic_load_explicit(&core->switches_total, memory_order_relaxed),
        .fibers_running = atomic_load_explicit(&core->fibers_running, memory_order_relaxed),
        .stacks_pooled = core->stacks.free_count,
        .busy_ns = atomic_load_explicit(&core->busy_ns, memory_order_relaxed),
        .turn_longest_ns = atomic_exchange_explicit(&core->turn_longest_ns, 0, memory_order_relaxed),
        .turn_started_ns = atomic_load_explicit(&core->turn_started_ns, memory_order_relaxed),
    };
}
