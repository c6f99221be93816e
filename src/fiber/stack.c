#include "fiber/stack.h"

#include <string.h>
#include <sys/mman.h>

#include "base/account.h"
#include "base/inject.h"

#if __has_include(<valgrind/valgrind.h>)
#include <valgrind/valgrind.h>
#else
#define VALGRIND_STACK_REGISTER(low, high) 0
#define VALGRIND_STACK_DEREGISTER(id)      ((void)(id))
#endif

#define GUARD_BYTES 4096
#define PAGE_BYTES  4096
#define MAP_BYTES   (GUARD_BYTES + STACK_BYTES)
#define PAINT       0xa5
#ifndef MADV_GUARD_INSTALL
#define MADV_GUARD_INSTALL 102 /* Linux 6.13: a guard without splitting the mapping */
#endif

/* What is touched of it is known to the kernel alone: the page that each has touched is counted. */
static struct account stacks =
    ACCOUNT("stacks", "Of fibers, those kept for the next ones included: one page each.");

static struct stack *stack_new(void)
{
    char *map = mmap(NULL, MAP_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
    if (map == MAP_FAILED)
        return NULL;
    if (madvise(map, GUARD_BYTES, MADV_GUARD_INSTALL) != 0 && mprotect(map, GUARD_BYTES, PROT_NONE) != 0) {
        munmap(map, MAP_BYTES);
        return NULL;
    }
    struct stack *stack = (struct stack *)(void *)(map + MAP_BYTES - sizeof(struct stack));
    *stack = (struct stack){ .low = map + GUARD_BYTES, .map = map };
    stack->valgrind_id = VALGRIND_STACK_REGISTER(stack->low, stack);
    account_add(&stacks, PAGE_BYTES);
    return stack;
}

struct stack *stack_borrow(struct stack_pool *pool)
{
    if (inject("fiber.stack"))
        return NULL;
    struct stack *stack = pool->free;
    if (stack) {
        pool->free = stack->next;
        pool->free_count--;
    } else {
        stack = stack_new();
    }
    if (stack && pool->paint)
        memset(stack->low, PAINT, (size_t)((char *)stack - stack->low));
    return stack;
}

static void stack_free(struct stack *stack)
{
    VALGRIND_STACK_DEREGISTER(stack->valgrind_id);
    munmap(stack->map, MAP_BYTES);
    account_add(&stacks, -PAGE_BYTES);
}

void stack_return(struct stack_pool *pool, struct stack *stack)
{
    if (pool->free_count >= STACK_POOL_MAX) {
        stack_free(stack);
        return;
    }
    stack->next = pool->free;
    pool->free = stack;
    pool->free_count++;
}

void stack_pool_done(struct stack_pool *pool)
{
    while (pool->free) {
        struct stack *stack = pool->free;
        pool->free = stack->next;
        stack_free(stack);
    }
    pool->free_count = 0;
}

size_t stack_high_water(const struct stack *stack)
{
    const char *at = stack->low;
    while (at < (const char *)stack && (unsigned char)*at == PAINT)
        at++;
    return (size_t)((const char *)stack - at);
}
