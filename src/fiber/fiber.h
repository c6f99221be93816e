#pragma once
/* fiber.h - who runs when. One core = one thread = one libuv loop; on it, fibers: straight-line C on small
 * guarded stacks that give up the core only inside calls marked WAITS.
 *
 * Between two WAITS calls nobody else runs on this core; across one, everything shared may have changed. A
 * fiber never changes its core and ends only by returning. Every wait ends by the fiber's deadline, or when
 * it is cancelled; then the WAITS call returns false with PROBLEM_TIMEOUT or PROBLEM_CANCELLED in the fiber's
 * failure, and so does every later one. Cleanups never wait.
 *
 *        loop turn:  I/O callbacks, timers ──wake──▶ ready list ──▶ fibers run ──▶ turn tasks (flush lanes,
 * sockets) ──▶ poll
 */
#include "base/check.h"
#include "base/log.h"
#include "base/problem.h"

struct core;
struct fiber;
struct uv_loop_s;

/* ---- cores ---- */

struct core_plan {
    int index;          /* 0..METRIC_CORES_MAX-1; also the metric cell */
    int64_t fibers_max; /* in flight at once on this core; past it fiber_start refuses */
};

/* Makes this thread a core. Errors: false with PROBLEM_ENVIRONMENT. Owner: end with core_close() on the same
 * thread. */
bool core_open(const struct core_plan *plan, struct core **ret_core);
/* Runs the loop until core_stop(). On return no fiber is left running: those in flight were cancelled and
 * have returned. */
void core_run(struct core *core);
/* Any thread. Cancels every fiber, lets them return, then ends core_run(). */
void core_stop(struct core *core);
void core_close(struct core *core);

/* The core of this thread; NULL outside. */
struct core *core_here(void);
int core_index(const struct core *core);
struct uv_loop_s *core_loop(struct core *core);
/* Monotonic time as of this turn (cached; at most one turn old). */
int64_t core_now_ns(void);

/* Runs fn(arg) on that core's loop, soon, outside any fiber. Any thread. Keeps order per sender.
 * Errors: false if the core is closing; then fn is not called. */
bool core_post(struct core *core, void (*fn)(void *arg), void *arg);

/* Calls fn(number, arg) on this core's loop when the process gets that signal. This core only; at most
 * CORE_SIGNALS_MAX. */
#define CORE_SIGNALS_MAX 8
void core_on_signal(struct core *core, int number, void (*fn)(int number, void *arg), void *arg);

/* From an I/O callback, outside fibers: runs what is ready now, instead of after all other I/O of this turn;
 * turn tasks still wait for the turn's end. For fibers that likely end at once: a burst of them then uses one
 * stack, and warm memory. */
void core_run_ready(void);

/* Something to do once at the end of this turn (flush what the turn's fibers queued): intrusive, one per
 * object. */
struct turn_task {
    void (*run)(struct turn_task *task);
    struct turn_task *next;
    bool queued;
};
void core_at_turn_end(struct turn_task *task);
/* Takes a queued task back (its owner dies). Harmless when not queued. */
void core_turn_task_cancel(struct turn_task *task);

/* ---- timers: coarse (4 ms), O(1), intrusive; for deadlines and idle times ---- */

struct timer {
    void (*fire)(struct timer *timer); /* on the loop, outside fibers; the timer is stopped by then */
    int64_t at_ns;
    struct timer *next, **prev; /* prev NULL: not running */
};
/* (Re)starts. This core only. at_ns: monotonic. */
void timer_start(struct timer *timer, int64_t at_ns);
void timer_stop(struct timer *timer);

/* ---- fibers ---- */

typedef void (*fiber_fn)(void *arg);

struct fiber_plan {
    const char *name; /* static: "request", "pg.refresh" */
    fiber_fn run;
    void *arg;
    int64_t deadline_ns; /* monotonic; 0: none */
    bool spared;         /* injected failures pass it by */
};

/* Starts a fiber on this core; it runs before the turn ends. Errors: NULL (PROBLEM_OVERLOADED) at fibers_max.
 */
struct fiber *fiber_start(const struct fiber_plan *plan);

/* The running fiber; NULL on the loop itself. */
struct fiber *fiber_here(void);
/* The running fiber's deadline (monotonic ns; INT64_MAX: none). Setting 0 removes it;
 * setting any lets a fiber whose deadline had passed wait again. */
int64_t fiber_deadline_ns(void);
void fiber_deadline_set(int64_t at_ns);
/* When the running fiber got the core last: the beginning of its present slice (monotonic). */
int64_t fiber_slice_ns(void);
/* How long the running fiber has had its core so far, all slices together, as of now_ns. What it waited is
 * not in it; what others took from this thread (the kernel, a hypervisor) is. */
int64_t fiber_ran_ns(int64_t now_ns);
/* The fiber's log context (correlation id, route); the pointers are borrowed while set. */
struct log_context *fiber_log_context(void);
struct failure *fiber_failure(struct fiber *fiber);

/* Makes every wait of that fiber, now and later, return false with `problem`. This core only; harmless when
 * repeated. */
void fiber_cancel(struct fiber *fiber, const struct problem *problem);
/* True once the running fiber was cancelled or its deadline passed. */
bool fiber_cancelled(void);
/* Shields the running fiber from cancellation and its deadline for a bounded piece of cleanup that must
 * finish (a ROLLBACK with its own timeout). Nestable. */
void fiber_shield(bool on);

/* Parks until fiber_wake(). `what` is static text for the fiber list ("pg.lane"). late_ns: a time of its own
 * for this wait (monotonic; 0: none), which returns false with PROBLEM_TIMEOUT without ending the fiber's
 * later waits. Spurious wakes happen: loop on your condition. Prefer signal_wait(). */
WAITS bool fiber_park(const char *what, int64_t late_ns);
void fiber_wake(struct fiber *fiber);

/* At least for_ns, from now on (not from the beginning of the turn). */
WAITS bool fiber_sleep(int64_t for_ns);
/* Lets everybody else on this core run once. */
WAITS bool fiber_yield(void);

/* ---- things to wait for ---- */

/* Set once, waited for by one fiber. Zero is unset. The waiter must not end before signal_set() unless it
 * removes itself: signal_wait() does that on failure. */
struct signal {
    struct fiber *waiter;
    bool set;
};
WAITS bool signal_wait(struct signal *signal, const char *what, int64_t late_ns);
void signal_set(struct signal *signal);
static inline void signal_reset(struct signal *signal)
{
    signal->set = false;
}

/* A fair counting semaphore for one core. */
struct semaphore_waiter;
struct semaphore {
    int64_t free; /* how many may still enter */
    int64_t waiting;
    struct semaphore_waiter *first, **last;
};
void semaphore_init(struct semaphore *semaphore, int64_t count);
WAITS bool semaphore_take(struct semaphore *semaphore, const char *what, int64_t late_ns);
void semaphore_give(struct semaphore *semaphore);

/* Runs fn(arg) on a helper thread and waits for its end. Not cancellable, since the thread uses arg: fn must
 * be bounded. Errors: false (PROBLEM_OVERLOADED) when it could not be queued. */
WAITS bool offload(void (*fn)(void *arg), void *arg);

/* ---- looking at them ---- */

struct core_stats {
    uint64_t turns_total, fibers_started_total, switches_total;
    int64_t fibers_running, stacks_pooled;
    int64_t busy_ns;         /* time spent outside poll, since core_open */
    int64_t turn_longest_ns; /* since the last reading */
    int64_t turn_started_ns; /* monotonic; 0 while polling. Atomic, for the watchdog */
};
/* Any thread; approximate. Resets turn_longest_ns. */
void core_stats_read(struct core *core, struct core_stats *ret_stats);

/* Of a fiber of this core: its name, what it waits for (NULL: it runs, or is about to), whose it is. */
void fiber_tell(const struct fiber *fiber, const char **ret_name, const char **ret_wait,
                const struct log_context **ret_who);
/* Calls see(name, what it waits for or NULL, correlation id, route, age in ns) for each fiber of this core.
 */
void fiber_each(void (*see)(void *arg, const char *name, const char *wait, const struct log_context *who,
                            int64_t age_ns),
                void *arg);

/* Usable bytes of a fiber's stack in this build. */
size_t fiber_stack_bytes(void);
/* Paints new stacks (tests): fiber_stack_high_water() then tells the deepest use so far on this core, in
 * bytes. */
void fiber_stack_paint(bool on);
size_t fiber_stack_high_water(void);
