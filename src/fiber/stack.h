#pragma once
/* stack.h - pooled stacks with a guard below: 64 KiB usable (256 KiB under ASan). One pool a core. */
#include "base/check.h"

#ifdef __has_feature
#if __has_feature(address_sanitizer)
#define FIBER_ASAN 1
#endif
#if __has_feature(thread_sanitizer)
#define FIBER_TSAN 1
#endif
#endif
#ifdef __SANITIZE_ADDRESS__
#define FIBER_ASAN 1
#endif

#ifdef FIBER_ASAN
#define STACK_BYTES (256 * 1024)
#else
#define STACK_BYTES (64 * 1024)
#endif

struct stack {
    struct stack *next; /* stands at the top of the mapping, above the usable part */
    char *low;          /* lowest usable byte */
    char *map;
    unsigned valgrind_id;
};

struct stack_pool {
    struct stack *free;
    int64_t free_count;
    bool paint;
};

#define STACK_POOL_MAX 512 /* 32 MiB of address space; at most what was touched is resident */

/* A stack; from the pool if there is one. Errors: NULL when the kernel refuses. */
struct stack *stack_borrow(struct stack_pool *pool);
void stack_return(struct stack_pool *pool, struct stack *stack);
void stack_pool_done(struct stack_pool *pool);
/* Deepest use in bytes since it was painted. */
size_t stack_high_water(const struct stack *stack);
static inline char *stack_top(struct stack *stack)
{
    return (char *)stack; /* grows down from just below the header */
}
