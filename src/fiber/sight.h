#pragma once
/* sight.h - cores as seen from outside, by their index: their pulse, what they are at this very moment, and
 * where their time goes. For watchdogs and doctors; the cores themselves pay nothing for it while nobody
 * looks.
 *
 * Any thread may call these at any time: a core that has gone meanwhile is a plain `false`. */
#include "base/check.h"
#include "fiber/fiber.h"

struct core_pulse {
    int64_t turn_started_ns; /* monotonic; 0 while it polls */
    uint64_t switches_total; /* into fibers: unchanged in one turn means that nobody gave way */
    int64_t cpu_ns;          /* of its thread */
    int64_t busy_ns;         /* outside poll, since it was opened */
};
bool core_pulse_read(int index, struct core_pulse *ret_pulse);

/* core_post() to the core of that index. */
bool core_post_to(int index, void (*fn)(void *arg), void *arg);

#define SIGHT_FRAMES_MAX 48
struct core_sight {
    int64_t turn_started_ns; /* as in the pulse, at this very moment */
    uint64_t switches_total;
    char fiber[32];                 /* its name; "" on the loop itself */
    char route[96];                 /* "" without one */
    char correlation_id[64];        /* "" without one */
    void *frames[SIGHT_FRAMES_MAX]; /* where it is, the innermost first; names: base/symbol.h */
    int frames_count;
};
/* Interrupts that core's thread to see what it does; it goes on at once, but a sleep of libc's ends early
 * (EINTR). Waits:  at most within_ns, blocking this thread: not for cores themselves. Errors: false when it
 * did not come in time (the thread sits in the kernel uninterruptibly, or gets no CPU).
 */
bool core_sight_take(int index, int64_t within_ns, struct core_sight *ret_sight);

/* ---- profiling: where CPU time goes, by route ---- */

struct profile_sample {
    char route[56]; /* cut; "" without one */
    int frames_count;
    void *frames[SIGHT_FRAMES_MAX];
};
#define PROFILE_SAMPLES_MAX 4096 /* of one core; further ones are counted only */
#define PROFILE_HZ_MAX      1000
/* From here on each core's thread is sampled `hz` times a second of its CPU time. One at a time in the
 * process. Errors: false when one runs already, or the kernel gives no timers. */
bool profile_start(int hz);
/* Ends it and calls see() for each sample, then frees them; returns how many samples found no room. */
uint64_t profile_stop(void (*see)(void *arg, int core, const struct profile_sample *sample), void *arg);
