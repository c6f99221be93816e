#pragma once
/* process.h - the module `process`: settings of the processes themselves, their metrics, and the verb
 * `upgrade`. */
#include "kit/module.h"

/* Sanitizers trace, map and ask what a filtered process may not. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED true
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED true
#endif
#endif
#ifndef SANITIZED
#define SANITIZED false
#endif

enum seccomp_mode { SECCOMP_ENFORCE, SECCOMP_LOG, SECCOMP_OFF };

struct process_conf {
    const char *user; /* whom the server becomes when it is started as root; "": nobody else */
    int64_t seccomp;  /* enum seccomp_mode */
    bool core_dumps;
    int64_t stall_ns, upgrade_timeout_ns;
    int64_t restart_burst, restart_window_ns, restart_delay_max_ns;
};
extern const struct module process_module;
extern struct metric process_restarts;
