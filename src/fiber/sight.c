/* sight.c - looking at cores from outside: a registry by index, and a signal that makes a thread say where it
 * is.
 *
 * The handler runs on the core's thread wherever that was interrupted, so it only copies: names, and return
 * addresses by backtrace(3), whose lookup takes no lock on glibc 2.35 and later (_dl_find_object) and whose
 * library is loaded before the first signal can come. Source: signal-safety(7), backtrace(3). */
#include "fiber/sight.h"

#include <errno.h>
#include <execinfo.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/metric.h"
#include "fiber/core_internal.h"

#ifndef sigev_notify_thread_id
#define sigev_notify_thread_id _sigev_un._tid
#endif

#define SIGHT_SIGNAL  (SIGRTMIN + 4)
#define SIGNAL_STACK  (64 * 1024) /* a fiber may have little left of its own */
#define OWN_FRAMES    6           /* at most, of the handler and the kernel's way into it */
#define SIGHT_LOOK_US 200         /* how often an asker looks for the answer */

enum looking { LOOK_NONE, LOOK_ASKED, LOOK_BUSY, LOOK_DONE };

struct sampling {
    struct profile_sample *samples;
    int count;
    _Atomic int inside; /* the handler is at it */
    _Atomic uint64_t lost;
    timer_t timer;
    bool has_timer;
};

struct sight_place {
    struct core *core; /* NULL: no such core */
    pthread_t thread;
    pid_t tid;
    char *stack; /* the signals' own, where the thread had none */
    _Atomic int looking;
    struct core_sight seen;
    struct sampling sampling;
};

static struct sight_place places[METRIC_CORES_MAX];
static pthread_mutex_t lock =
    PTHREAD_MUTEX_INITIALIZER; /* places[].core; cold: no core takes it in its work */
static pthread_mutex_t look_lock = PTHREAD_MUTEX_INITIALIZER; /* one look at a time */
static _Atomic bool profiling;

static void *interrupted_at(const void *context)
{
    const ucontext_t *user = context;
#if defined(__x86_64__)
    return (void *)(uintptr_t)user->uc_mcontext.gregs[REG_RIP];
#elif defined(__aarch64__)
    return (void *)(uintptr_t)user->uc_mcontext.pc;
#else
#error "where does this machine keep its program counter?"
#endif
}

static void copy_name(char *to, size_t room, const char *from)
{
    size_t size = 0;
    for (; from && from[size] && size < room - 1; size++)
        to[size] = from[size];
    to[size] = '\0';
}

/* Where the thread was interrupted, and from where it came there; what leads to the handler is left out. */
static int frames_take(const void *context, void **frames)
{
    void *all[SIGHT_FRAMES_MAX + OWN_FRAMES];
    const int count = backtrace(all, SIGHT_FRAMES_MAX + OWN_FRAMES);
    void *const at = interrupted_at(context);
    int own = 0;
    while (own < count && all[own] != at)
        own++;
    if (own == count) /* the unwinder lost its way: the place itself is known */
        return frames[0] = at, 1;
    int taken = 0;
    for (int i = own; i < count && taken < SIGHT_FRAMES_MAX; i++)
        frames[taken++] = all[i];
    return taken;
}

static void on_look(int number, siginfo_t *info, void *context)
{
    (void)number, (void)info;
    const int saved = errno;
    const struct core *core = core_here();
    struct sight_place *place = core ? core->sight : NULL;
    int asked = LOOK_ASKED;
    if (place && atomic_compare_exchange_strong(&place->looking, &asked, LOOK_BUSY)) {
        const struct fiber *fiber = core->running;
        place->seen.turn_started_ns = atomic_load_explicit(&core->turn_started_ns, memory_order_relaxed);
        place->seen.switches_total = atomic_load_explicit(&core->switches_total, memory_order_relaxed);
        copy_name(place->seen.fiber, sizeof place->seen.fiber, fiber ? fiber->name : NULL);
        copy_name(place->seen.route, sizeof place->seen.route, fiber ? fiber->log.route : NULL);
        copy_name(place->seen.correlation_id, sizeof place->seen.correlation_id,
                  fiber ? fiber->log.correlation_id : NULL);
        place->seen.frames_count = frames_take(context, place->seen.frames);
        atomic_store(&place->looking, LOOK_DONE);
    }
    errno = saved;
}

static void on_sample(int number, siginfo_t *info, void *context)
{
    (void)number, (void)info;
    const int saved = errno;
    const struct core *core = core_here();
    struct sight_place *place = core ? core->sight : NULL;
    if (!place)
        return;
    struct sampling *sampling = &place->sampling;
    atomic_store(&sampling->inside,
                 1); /* before `profiling` is read: profile_stop() looks the other way round */
    if (atomic_load(&profiling) && sampling->samples) {
        if (sampling->count < PROFILE_SAMPLES_MAX) {
            struct profile_sample *sample = &sampling->samples[sampling->count];
            const struct fiber *fiber = core->running;
            copy_name(sample->route, sizeof sample->route,
                      !fiber             ? NULL
                      : fiber->log.route ? fiber->log.route
                                         : fiber->name);
            sample->frames_count = frames_take(context, sample->frames);
            sampling->count++;
        } else {
            atomic_fetch_add(&sampling->lost, 1);
        }
    }
    atomic_store(&sampling->inside, 0);
    errno = saved;
}

static void handlers_set(void)
{
    void *frames[4];
    (void)backtrace(frames, 4); /* loads the unwinder: dlopen is nothing for a signal handler */
    struct sigaction action = { .sa_flags = SA_RESTART | SA_ONSTACK | SA_SIGINFO };
    sigemptyset(&action.sa_mask);
    action.sa_sigaction = on_look;
    (void)sigaction(SIGHT_SIGNAL, &action, NULL);
    action.sa_sigaction = on_sample;
    (void)sigaction(SIGPROF, &action, NULL);
}

void sight_open(struct core *core)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, handlers_set);
    struct sight_place *place = &places[core->index];
    pthread_mutex_lock(&lock);
    if (!place->core) { /* two of one index: tests; the first is the one to see */
        stack_t old;
        if (sigaltstack(NULL, &old) == 0 && (old.ss_flags & SS_DISABLE)) {
            place->stack = malloc(SIGNAL_STACK);
            check(place->stack != NULL);
            (void)sigaltstack(&(stack_t){ .ss_sp = place->stack, .ss_size = SIGNAL_STACK }, NULL);
        }
        place->thread = pthread_self();
        place->tid = (pid_t)syscall(SYS_gettid);
        place->core = core;
        core->sight = place;
    }
    pthread_mutex_unlock(&lock);
}

static void timer_end(struct sight_place *place)
{
    if (place->sampling.has_timer)
        (void)timer_delete(place->sampling.timer);
    place->sampling.has_timer = false;
}

void sight_close(struct core *core)
{
    struct sight_place *place = core->sight;
    if (!place)
        return;
    pthread_mutex_lock(&lock);
    timer_end(place);
    place->core = NULL;
    core->sight = NULL;
    if (place->stack)
        (void)sigaltstack(&(stack_t){ .ss_flags = SS_DISABLE }, NULL);
    free(place->stack);
    place->stack = NULL;
    pthread_mutex_unlock(&lock);
}

/* ---- from outside ---- */

bool core_pulse_read(int index, struct core_pulse *ret_pulse)
{
    check(index >= 0 && index < METRIC_CORES_MAX);
    pthread_mutex_lock(&lock);
    const struct sight_place *place = &places[index];
    const struct core *core = place->core;
    if (core) {
        clockid_t clock;
        struct timespec cpu = { 0 };
        if (pthread_getcpuclockid(place->thread, &clock) == 0)
            (void)clock_gettime(clock, &cpu);
        *ret_pulse = (struct core_pulse){
            .turn_started_ns = atomic_load_explicit(&core->turn_started_ns, memory_order_relaxed),
            .switches_total = atomic_load_explicit(&core->switches_total, memory_order_relaxed),
            .busy_ns = atomic_load_explicit(&core->busy_ns, memory_order_relaxed),
            .cpu_ns = (int64_t)cpu.tv_sec * NS_PER_S + cpu.tv_nsec,
        };
    }
    pthread_mutex_unlock(&lock);
    return core != NULL;
}

bool core_post_to(int index, void (*fn)(void *arg), void *arg)
{
    check(index >= 0 && index < METRIC_CORES_MAX);
    pthread_mutex_lock(&lock);
    struct core *core = places[index].core;
    const bool posted = core && core_post(core, fn, arg);
    pthread_mutex_unlock(&lock);
    return posted;
}

static void pause_briefly(void)
{
    (void)nanosleep(&(struct timespec){ .tv_nsec = SIGHT_LOOK_US * NS_PER_US }, NULL);
}

bool core_sight_take(int index, int64_t within_ns, struct core_sight *ret_sight)
{
    check(index >= 0 && index < METRIC_CORES_MAX && !core_here());
    struct sight_place *place = &places[index];
    pthread_mutex_lock(&look_lock);
    pthread_mutex_lock(&lock);
    const bool there = place->core != NULL;
    if (there) {
        atomic_store(&place->looking, LOOK_ASKED);
        (void)pthread_kill(place->thread, SIGHT_SIGNAL);
    }
    pthread_mutex_unlock(&lock);
    const int64_t until_ns = clock_now_ns() + within_ns;
    while (there && atomic_load(&place->looking) != LOOK_DONE && clock_now_ns() < until_ns)
        pause_briefly();
    int asked = LOOK_ASKED;
    if (!atomic_compare_exchange_strong(&place->looking, &asked, LOOK_NONE))
        while (asked == LOOK_BUSY) { /* it is at it: a few microseconds more */
            pause_briefly();
            asked = atomic_load(&place->looking);
        }
    const bool seen = there && asked == LOOK_DONE;
    if (seen)
        *ret_sight = place->seen;
    atomic_store(&place->looking, LOOK_NONE);
    pthread_mutex_unlock(&look_lock);
    return seen;
}

/* ---- profiling ---- */

static bool timer_begin(struct sight_place *place, int hz)
{
    clockid_t clock;
    struct sigevent event = { .sigev_notify = SIGEV_THREAD_ID, .sigev_signo = SIGPROF };
    event.sigev_notify_thread_id = place->tid;
    if (pthread_getcpuclockid(place->thread, &clock) != 0 ||
        timer_create(clock, &event, &place->sampling.timer) != 0)
        return false;
    place->sampling.has_timer = true;
    const struct timespec every = { .tv_nsec = hz == 1 ? NS_PER_S - 1 : NS_PER_S / hz };
    return timer_settime(place->sampling.timer, 0, &(struct itimerspec){ every, every }, NULL) == 0;
}

bool profile_start(int hz)
{
    check(hz >= 1 && hz <= PROFILE_HZ_MAX);
    bool idle = false;
    if (!atomic_compare_exchange_strong(&profiling, &idle, true))
        return fail(&PROBLEM_OVERLOADED, "a profile is being taken already");
    bool started = true;
    int error = 0;
    pthread_mutex_lock(&lock);
    for (int i = 0; i < METRIC_CORES_MAX && started; i++) {
        struct sampling *sampling = &places[i].sampling;
        if (!places[i].core)
            continue;
        sampling->count = 0;
        atomic_store(&sampling->lost, 0);
        sampling->samples = malloc(sizeof *sampling->samples * PROFILE_SAMPLES_MAX);
        check(sampling->samples != NULL);
        started = timer_begin(&places[i], hz);
        error = errno;
    }
    pthread_mutex_unlock(&lock);
    if (!started) {
        (void)profile_stop(NULL, NULL);
        return fail(&PROBLEM_ENVIRONMENT, "the kernel gives no timers: %s", strerror(error));
    }
    return true;
}

uint64_t profile_stop(void (*see)(void *arg, int core, const struct profile_sample *sample), void *arg)
{
    uint64_t lost = 0;
    pthread_mutex_lock(&lock);
    for (int i = 0; i < METRIC_CORES_MAX; i++)
        timer_end(&places[i]);
    pthread_mutex_unlock(&lock);
    atomic_store(&profiling, false);
    for (int i = 0; i < METRIC_CORES_MAX; i++) {
        struct sampling *sampling = &places[i].sampling;
        while (atomic_load(&sampling->inside)) /* microseconds */
            pause_briefly();
        struct profile_sample *samples = sampling->samples;
        sampling->samples = NULL;
        for (int k = 0; samples && see && k < sampling->count; k++)
            see(arg, i, &samples[k]);
        lost += atomic_load(&sampling->lost);
        free(samples);
    }
    return lost;
}
