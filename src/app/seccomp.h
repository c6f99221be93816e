#pragma once
/* seccomp.h - the system calls that a server may make: those it, libuv, OpenSSL and libpq need after their
 * start, and no exec, no tracing, no mounts, no kernel modules, no other name spaces.
 *
 * What is refused fails with EPERM where a program in good health would never come, and with ENOSYS for calls
 * that this list does not know, so that a newer libc takes its older way. Source: seccomp(2), libseccomp. */
#include "app/process.h"

/* For this thread and those it will start. Before any other thread. Errors: false with PROBLEM_ENVIRONMENT
 * when the kernel offers no filter. Nothing under sanitizers. */
bool seccomp_install(enum seccomp_mode mode);
/* What is in force: "enforce", "log", "off". */
const char *seccomp_in_force(void);
/* Tries what must be refused, for tests ("seccomp.probe"): logs one line with what came of it. */
void seccomp_probe(void);
