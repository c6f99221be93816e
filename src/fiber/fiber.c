/* fiber.c - starting, switching, parking and waking fibers. The hot path: no malloc, no lock. */
#include "fiber/fiber.h"

#include <string.h>

#include "base/clock.h"
#include "base/inject.h"
#include "fiber/core_internal.h"

#ifdef FIBER_ASAN
#include <sanitizer/common_interface_defs.h>
#endif

/* Directly before each jump, in the jumping function itself: ThreadSanitizer keeps a call stack for each. */
#ifdef FIBER_TSAN
#include <sanitizer/tsan_interface.h>
#define TSAN_CREATE()       __tsan_create_fiber(0)
#define TSAN_DESTROY(fiber) __tsan_destroy_fiber(fiber)
#define TSAN_HERE()         __tsan_get_current_fiber()
#define TSAN_SWITCH(fiber)  __tsan_switch_to_fiber(fiber, 0)
#else
#define TSAN_CREATE()       NULL
#define TSAN_DESTROY(fiber) ((void)(fiber))
#define TSAN_HERE()         NULL
#define TSAN_SWITCH(fiber)  ((void)(fiber))
#endif

/* Boost.Context's C entry points (boost/context/detail/fcontext.hpp). */
typedef struct {
    void *context, *data;
} transfer;
extern transfer jump_fcontext(void *to, void *data);
extern void *make_fcontext(void *stack_top, size_t size, void (*run)(transfer));

static void asan_leave(void **fake, const void *bottom, size_t size)
{
#ifdef FIBER_ASAN
    __sanitizer_start_switch_fiber(fake, bottom, size);
#else
    (void)fake, (void)bottom, (void)size;
#endif
}

static void asan_arrive(void *fake, const void **bottom, size_t *size)
{
#ifdef FIBER_ASAN
    __sanitizer_finish_switch_fiber(fake, bottom, size);
#else
    (void)fake, (void)bottom, (void)size;
#endif
}

struct fiber *fiber_here(void)
{
    struct core *core = core_here();
    return core ? core->running : NULL;
}

/* From the fiber back to the loop. */
static void switch_to_loop(struct fiber *fiber, bool ending)
{
    struct core *core = fiber->core;
    asan_leave(ending ? NULL : &fiber->asan_fake_stack, core->asan_loop_stack, core->asan_loop_stack_size);
    TSAN_SWITCH(core->tsan_loop);
    const transfer back = jump_fcontext(core->loop_context, fiber);
    /* Resumed by fiber_run: */
    asan_arrive(fiber->asan_fake_stack, &core->asan_loop_stack, &core->asan_loop_stack_size);
    core->loop_context = back.context;
}

static void fiber_entry(transfer from)
{
    struct fiber *fiber = from.data;
    struct core *core = fiber->core;
    asan_arrive(NULL, &core->asan_loop_stack, &core->asan_loop_stack_size);
    core->loop_context = from.context;
    fiber->run(fiber->arg);
    fiber->name = NULL; /* ended */
    switch_to_loop(fiber, true);
    check(false);
}

static void fiber_end(struct fiber *fiber)
{
    struct core *core = fiber->core;
    timer_stop(&fiber->deadline);
    timer_stop(&fiber->late);
    TSAN_DESTROY(fiber->tsan_fiber);
    *fiber->all_prev = fiber->all_next;
    if (fiber->all_next)
        fiber->all_next->all_prev = fiber->all_prev;
    atomic_fetch_sub_explicit(&core->fibers_running, 1, memory_order_relaxed);
    if (core->stacks.paint) {
        const size_t depth = stack_high_water(fiber->stack);
        if (depth > core->stack_high_water)
            core->stack_high_water = depth;
    }
    stack_return(&core->stacks, fiber->stack); /* the fiber's own struct stands on it */
}

/* From the loop into the fiber, until it parks or ends. */
void fiber_run(struct fiber *fiber);
void fiber_run(struct fiber *fiber)
{
    struct core *core = fiber->core;
    void *fake = NULL;
    core->running = fiber;
    core->loop_failure = failure_here;
    failure_here = &fiber->failure;
    log_context_here = &fiber->log;
    inject_spared = fiber->spared;
    atomic_store_explicit(&core->switches_total,
                          atomic_load_explicit(&core->switches_total, memory_order_relaxed) + 1,
                          memory_order_relaxed);
    asan_leave(&fake, fiber->stack->low, (size_t)((char *)fiber->stack - fiber->stack->low));
    core->tsan_loop = TSAN_HERE();
    TSAN_SWITCH(fiber->tsan_fiber);
    const transfer back = jump_fcontext(fiber->context, fiber);
    asan_arrive(fake, NULL, NULL);
    fiber->context = back.context;
    const int64_t now_ns = clock_now_ns(); /* ends this slice and begins the next one's */
    fiber->ran_ns += now_ns - core->slice_ns;
    core->slice_ns = now_ns;
    core->running = NULL;
    inject_spared = false;
    failure_here = core->loop_failure;
    log_context_here = NULL;
    if (!fiber->name)
        fiber_end(fiber);
}

static void make_ready(struct fiber *fiber)
{
    if (fiber->ready)
        return;
    struct core *core = fiber->core;
    fiber->ready = true;
    fiber->ready_next = NULL;
    *core->ready_end = fiber;
    core->ready_end = &fiber->ready_next;
}

static void deadline_fire(struct timer *timer)
{
    fiber_cancel(container_of(timer, struct fiber, deadline), &PROBLEM_TIMEOUT);
}

static void late_fire(struct timer *timer)
{
    struct fiber *fiber = container_of(timer, struct fiber, late);
    fiber->late_fired = true;
    make_ready(fiber);
}

struct fiber *fiber_start(const struct fiber_plan *plan)
{
    struct core *core = core_here();
    check(core != NULL && plan->run != NULL && plan->name != NULL);
    struct stack *stack = NULL;
    if (atomic_load_explicit(&core->fibers_running, memory_order_relaxed) < core->fibers_max &&
        !core->stopping && !inject("fiber.start"))
        stack = stack_borrow(&core->stacks);
    if (!stack) {
        (void)fail(&PROBLEM_OVERLOADED, "too many requests are in flight");
        return NULL;
    }
    /* The fiber's struct stands at the top of its own stack: no second allocation, and it dies with it. */
    char *top = stack_top(stack) - ((sizeof(struct fiber) + 63) & ~(size_t)63);
    top = (char *)((uintptr_t)top & ~(uintptr_t)63);
    struct fiber *fiber = (struct fiber *)(void *)top;
    *fiber = (struct fiber){
        .core = core,
        .stack = stack,
        .name = plan->name,
        .run = plan->run,
        .arg = plan->arg,
        .started_ns = core->now_ns,
        .deadline_ns = INT64_MAX,
        .spared = plan->spared,
        .deadline.fire = deadline_fire,
        .late.fire = late_fire,
        .tsan_fiber = TSAN_CREATE(),
        .context = make_fcontext(top, (size_t)(top - stack->low), fiber_entry),
        .all_next = core->all,
        .all_prev = &core->all,
    };
    if (core->all)
        core->all->all_prev = &fiber->all_next;
    core->all = fiber;
    atomic_fetch_add_explicit(&core->fibers_running, 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&core->started_total, 1, memory_order_relaxed);
    if (plan->deadline_ns) {
        fiber->deadline_ns = plan->deadline_ns;
        timer_start(&fiber->deadline, plan->deadline_ns);
    }
    make_ready(fiber);
    return fiber;
}

int64_t fiber_deadline_ns(void)
{
    const struct fiber *fiber = fiber_here();
    return fiber ? fiber->deadline_ns : INT64_MAX;
}

void fiber_deadline_set(int64_t at_ns)
{
    struct fiber *fiber = fiber_here();
    check(fiber != NULL);
    fiber->deadline_ns = at_ns ? at_ns : INT64_MAX;
    if (fiber->ended_by == &PROBLEM_TIMEOUT)
        fiber->ended_by = NULL; /* the new deadline counts, not the one that passed */
    if (at_ns)
        timer_start(&fiber->deadline, at_ns);
    else
        timer_stop(&fiber->deadline);
}

int64_t fiber_slice_ns(void)
{
    const struct fiber *fiber = fiber_here();
    return fiber ? fiber->core->slice_ns : clock_now_ns();
}

int64_t fiber_ran_ns(int64_t now_ns)
{
    const struct fiber *fiber = fiber_here();
    return fiber ? fiber->ran_ns + now_ns - fiber->core->slice_ns : 0;
}

struct log_context *fiber_log_context(void)
{
    struct fiber *fiber = fiber_here();
    return fiber ? &fiber->log : NULL;
}

struct failure *fiber_failure(struct fiber *fiber)
{
    return &fiber->failure;
}

void fiber_cancel(struct fiber *fiber, const struct problem *problem)
{
    if (fiber->ended_by)
        return;
    fiber->ended_by = problem;
    if (fiber->parked)
        make_ready(fiber);
}

bool fiber_cancelled(void)
{
    const struct fiber *fiber = fiber_here();
    return fiber && fiber->ended_by && !fiber->shields;
}

void fiber_shield(bool on)
{
    struct fiber *fiber = fiber_here();
    check(fiber != NULL);
    fiber->shields += on ? 1 : -1;
    check(fiber->shields >= 0);
}

void fiber_wake(struct fiber *fiber)
{
    fiber->woken = true;
    if (fiber->parked)
        make_ready(fiber);
}

/* What may befall any wait, by injection. */
static void wait_injected(struct fiber *fiber, int64_t *late_ns)
{
    if (fiber->deadline_ns != INT64_MAX && inject("fiber.deadline"))
        fiber_cancel(fiber, &PROBLEM_TIMEOUT);
    if (strcmp(fiber->name, "request") == 0 && inject("fiber.cancel"))
        fiber_cancel(fiber, &PROBLEM_CANCELLED);
    if (*late_ns && inject("fiber.late"))
        *late_ns = 1;
    if (inject("fiber.wake"))
        fiber->woken = true;
}

bool fiber_park(const char *what, int64_t late_ns)
{
    struct fiber *fiber = fiber_here();
    check(fiber != NULL); /* a WAITS call on the loop itself */
    if (inject_is_armed())
        wait_injected(fiber, &late_ns);
    if (fiber_cancelled())
        return fail(fiber->ended_by,
                    fiber->ended_by == &PROBLEM_TIMEOUT ? "the deadline passed while waiting for %s"
                                                        : "cancelled while waiting for %s",
                    what);
    if (fiber->woken) {
        fiber->woken = false;
        return true;
    }
    fiber->wait = what;
    fiber->parked = true;
    fiber->late_fired = false;
    if (late_ns && late_ns < fiber->deadline_ns)
        timer_start(&fiber->late, late_ns);
    switch_to_loop(fiber, false);
    timer_stop(&fiber->late);
    fiber->parked = false;
    fiber->wait = NULL;
    if (fiber->woken) {
        fiber->woken = false;
        return true; /* what was waited for came, even if time ran out as well: the next wait will say so */
    }
    if (fiber_cancelled())
        return fail(fiber->ended_by,
                    fiber->ended_by == &PROBLEM_TIMEOUT ? "the deadline passed while waiting for %s"
                                                        : "cancelled while waiting for %s",
                    what);
    if (fiber->late_fired)
        return fail(&PROBLEM_TIMEOUT, "waited too long for %s", what);
    return true;
}

static void sleep_fire(struct timer *timer);
struct sleeper {
    struct timer timer;
    struct signal done;
};

static void sleep_fire(struct timer *timer)
{
    signal_set(&container_of(timer, struct sleeper, timer)->done);
}

bool fiber_sleep(int64_t for_ns)
{
    struct sleeper sleeper = { .timer.fire = sleep_fire };
    timer_start(&sleeper.timer, clock_now_ns() + for_ns);
    const bool slept = signal_wait(&sleeper.done, "sleep", 0);
    timer_stop(&sleeper.timer);
    return slept;
}

bool fiber_yield(void)
{
    struct fiber *fiber = fiber_here();
    check(fiber != NULL);
    fiber->woken = false;
    fiber->parked = true;
    make_ready(fiber);
    fiber->wait = "turn";
    switch_to_loop(fiber, false);
    fiber->parked = false;
    fiber->wait = NULL;
    return fiber_cancelled() ? fail(fiber->ended_by, "cancelled") : true;
}

bool signal_wait(struct signal *signal, const char *what, int64_t late_ns)
{
    while (!signal->set) {
        signal->waiter = fiber_here();
        const bool woken = fiber_park(what, late_ns);
        signal->waiter = NULL;
        if (!woken && !signal->set)
            return false;
    }
    return true;
}

void signal_set(struct signal *signal)
{
    signal->set = true;
    if (signal->waiter)
        fiber_wake(signal->waiter);
}

struct semaphore_waiter {
    struct semaphore_waiter *next;
    struct signal given;
};

void semaphore_init(struct semaphore *semaphore, int64_t count)
{
    *semaphore = (struct semaphore){ .free = count };
    semaphore->last = &semaphore->first;
}

bool semaphore_take(struct semaphore *semaphore, const char *what, int64_t late_ns)
{
    if (semaphore->free > 0 && !semaphore->first) {
        semaphore->free--;
        return true;
    }
    struct semaphore_waiter waiter = { 0 };
    *semaphore->last = &waiter;
    semaphore->last = &waiter.next;
    semaphore->waiting++;
    const bool taken = signal_wait(&waiter.given, what, late_ns);
    if (taken)
        return true; /* whoever gave took us off the list */
    struct semaphore_waiter **at = &semaphore->first;
    while (*at != &waiter)
        at = &(*at)->next;
    *at = waiter.next;
    if (!*at)
        semaphore->last = at;
    semaphore->waiting--;
    return false;
}

void semaphore_give(struct semaphore *semaphore)
{
    struct semaphore_waiter *waiter = semaphore->first;
    if (!waiter) {
        semaphore->free++;
        return;
    }
    semaphore->first = waiter->next;
    if (!semaphore->first)
        semaphore->last = &semaphore->first;
    semaphore->waiting--;
    signal_set(&waiter->given);
}

struct offload_work {
    uv_work_t work;
    void (*fn)(void *arg);
    void *arg;
    struct signal done;
};

static void offload_run(uv_work_t *work)
{
    struct offload_work *self = container_of(work, struct offload_work, work);
    self->fn(self->arg);
}

static void offload_done(uv_work_t *work, int status)
{
    (void)status;
    signal_set(&container_of(work, struct offload_work, work)->done);
}

bool offload(void (*fn)(void *arg), void *arg)
{
    struct offload_work self = { .fn = fn, .arg = arg };
    if (inject("offload.queue") ||
        uv_queue_work(core_loop(core_here()), &self.work, offload_run, offload_done) != 0)
        return fail(&PROBLEM_OVERLOADED, "no helper thread is free");
    fiber_shield(true); /* the thread uses our stack: nothing ends this wait but its end */
    while (!self.done.set)
        (void)!signal_wait(&self.done, "offload", 0);
    fiber_shield(false);
    return true;
}

void fiber_each(void (*see)(void *arg, const char *name, const char *wait, const struct log_context *who,
                            int64_t age_ns),
                void *arg)
{
    const struct core *core = core_here();
    for (const struct fiber *fiber = core ? core->all : NULL; fiber; fiber = fiber->all_next)
        see(arg, fiber->name, fiber->wait, &fiber->log, core->now_ns - fiber->started_ns);
}

void fiber_tell(const struct fiber *fiber, const char **ret_name, const char **ret_wait,
                const struct log_context **ret_who)
{
    *ret_name = fiber->name;
    *ret_wait = fiber->wait;
    *ret_who = &fiber->log;
}

size_t fiber_stack_bytes(void)
{
    return STACK_BYTES;
}

void fiber_stack_paint(bool on)
{
    core_here()->stacks.paint = on;
}

size_t fiber_stack_high_water(void)
{
    return core_here()->stack_high_water;
}
