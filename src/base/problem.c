#include "base/problem.h"

#include <stdarg.h>
#include <stdio.h>

static _Thread_local struct failure failure_of_thread;
_Thread_local struct failure *failure_here;

static struct failure *here(void)
{
    if (!failure_here)
        failure_here = &failure_of_thread;
    return failure_here;
}

bool fail(const struct problem *problem, const char *format, ...)
{
    struct failure *failure = here();
    if (failure->problem)
        return false;
    failure->problem = problem;
    va_list args;
    va_start(args, format);
    vsnprintf(failure->message, sizeof failure->message, format, args);
    va_end(args);
    return false;
}

bool fail_cause(const char *format, ...)
{
    struct failure *failure = here();
    if (failure->cause[0])
        return false;
    va_list args;
    va_start(args, format);
    vsnprintf(failure->cause, sizeof failure->cause, format, args);
    va_end(args);
    return false;
}

void fail_detail(struct arena *arena, const char *pointer, const char *code, const char *format, ...)
{
    struct failure *failure = here();
    if (failure->details_count++ >= FAILURE_DETAILS_MAX)
        return;
    char message[FAILURE_TEXT_BYTES];
    va_list args;
    va_start(args, format);
    vsnprintf(message, sizeof message, format, args);
    va_end(args);
    struct failure_detail *detail = ARENA_NEW(arena, struct failure_detail);
    if (!detail)
        return;
    detail->pointer = arena_copy(arena, bytes_of(pointer));
    detail->code = arena_copy(arena, bytes_of(code));
    detail->message = arena_copy(arena, bytes_of(message));
    if (!detail->pointer || !detail->code || !detail->message)
        return;
    if (!failure->details_end)
        failure->details_end = &failure->details;
    *failure->details_end = detail;
    failure->details_end = &detail->next;
}

void failure_clear(void)
{
    struct failure *failure = here();
    failure->problem = NULL;
    failure->details = NULL;
    failure->details_end = NULL;
    failure->details_count = 0;
    failure->message[0] = failure->cause[0] = '\0';
}

const struct problem PROBLEM_INTERNAL = { "internal",
                                          500,
                                          false,
                                          "The server failed.",
                                          "A bug or an unforeseen answer of the database. The cause stands "
                                          "in the server's log under the correlation id.",
                                          "0.1" };
const struct problem PROBLEM_TIMEOUT = {
    "timeout",
    504,
    true,
    "The request did not finish in time.",
    "The request's deadline passed. Reads may be repeated; repeat writes only with an Idempotency-Key.",
    "0.1"
};
const struct problem PROBLEM_CANCELLED = {
    "cancelled", 499, true, "The client closed the connection.", "Seen in logs only.", "0.1"
};
const struct problem PROBLEM_OVERLOADED = {
    "overloaded", 503, true, "The server is at its limit.", "Wait as long as Retry-After says, then repeat.",
    "0.1"
};
const struct problem PROBLEM_TOO_LARGE = {
    "too_large",
    413,
    false,
    "The request needs more than its limit.",
    "Body, result or expansion passed a configured limit; the message names it.",
    "0.1"
};
const struct problem PROBLEM_CONFIG = {
    "config", 500, false, "A declaration is wrong.", "Said by the commands; never sent to clients.", "0.1"
};
const struct problem PROBLEM_ENVIRONMENT = { "environment",
                                             500,
                                             false,
                                             "The environment is not as needed.",
                                             "Said by the commands; never sent to clients.",
                                             "0.1" };

const struct problem *const base_problems[] = { &PROBLEM_INTERNAL,   &PROBLEM_TIMEOUT,   &PROBLEM_CANCELLED,
                                                &PROBLEM_OVERLOADED, &PROBLEM_TOO_LARGE, NULL };
