#pragma once
/* problem.h - what can be refused, said once.
 *
 * A problem is a constant owned by whoever raises it; its module's descriptor registers it, and GET /errors,
 * docs and OpenAPI are printed from the registration. fail() writes the cause into the *failure* of whoever
 * runs (a fiber, or a thread outside fibers); the first cause stays. The edge (http, CLI) alone reads it. */
#include "base/arena.h"
#include "base/bytes.h"
#include "base/check.h"

struct problem {
    const char *code;  /* "conflict.unique": what stands before the dot is a stable class */
    int status;        /* HTTP status, 400..599 */
    bool retryable;    /* the same request may succeed later, unchanged */
    const char *title; /* one sentence, for people; becomes `message` when no better one is given */
    const char *doc;   /* when it happens and what the client can do */
    const char *since; /* version that introduced it, "0.1" */
};

/* One violation among several: becomes an entry of `details`. */
struct failure_detail {
    struct failure_detail *next;
    const char *pointer; /* JSON Pointer into the body ("/lines/0/sku"), or "" */
    const char *code;    /* "required", "type", "too_long", … */
    const char *message;
};

#define FAILURE_TEXT_BYTES 384
struct failure {
    const struct problem *problem; /* NULL: nothing failed */
    struct failure_detail *details, **details_end;
    int details_count;
    char message[FAILURE_TEXT_BYTES]; /* for the client */
    char cause[FAILURE_TEXT_BYTES];   /* for the log alone: never leaves the server */
};

/* The failure of whoever runs on this thread now. The fiber room swaps it at each switch. */
extern _Thread_local struct failure *failure_here;

/* Says what went wrong and returns false. The first cause stays: a second call adds nothing.
 * format: the client's message, in English, without internals (no SQL, no paths, no constraint names of
 * others). */
bool fail(const struct problem *problem, const char *format, ...) PRINTF_LIKE(2, 3);

/* Adds what only the log may see (the server's own message, an errno). The first call stays. Returns false.
 */
bool fail_cause(const char *format, ...) PRINTF_LIKE(1, 2);

/* Adds one violation to the failure, whatever its problem. Everything is copied into `arena`, which must live
 * as long as the failure is read (the request's). At most FAILURE_DETAILS_MAX are kept; the rest is counted
 * only. */
#define FAILURE_DETAILS_MAX 100
void fail_detail(struct arena *arena, const char *pointer, const char *code, const char *format, ...)
    PRINTF_LIKE(4, 5);

/* Forgets the failure of whoever runs, so that a retry starts clean. */
void failure_clear(void);

/* Problems that belong to no feature. */
extern const struct problem PROBLEM_INTERNAL;    /* 500 */
extern const struct problem PROBLEM_TIMEOUT;     /* 504: a deadline passed */
extern const struct problem PROBLEM_CANCELLED;   /* 499-like; the client is gone, nobody reads it */
extern const struct problem PROBLEM_OVERLOADED;  /* 503: a named limit is reached */
extern const struct problem PROBLEM_TOO_LARGE;   /* 413: the request needs more memory than its ceiling */
extern const struct problem PROBLEM_CONFIG;      /* CLI: a declaration is wrong */
extern const struct problem PROBLEM_ENVIRONMENT; /* CLI: the machine or the database is not as needed */

/* All problems of base, NULL-terminated, for the catalogue. */
extern const struct problem *const base_problems[];
