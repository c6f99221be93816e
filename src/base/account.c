#include "base/account.h"

#include <stdlib.h>

static _Atomic(struct account *) all;

/* Once for each: a bool that only one thread can turn. */
static __attribute__((noinline, cold)) void list(struct account *account)
{
    if (atomic_exchange(&account->listed, true))
        return;
    account->next = atomic_load(&all);
    while (!atomic_compare_exchange_weak(&all, &account->next, account)) {
    }
}

void account_add(struct account *account, int64_t bytes)
{
    if (unlikely(!atomic_load_explicit(&account->listed, memory_order_relaxed)))
        list(account);
    /* An add and not a load and a store: threads that are no cores share cell 0. */
    (void)atomic_fetch_add_explicit(&account->cells[metric_cell_here].bytes, bytes, memory_order_relaxed);
}

void *account_malloc(struct account *account, size_t size)
{
    void *block = malloc(size);
    check(block != NULL); /* with overcommit, a failing malloc of bounded size means the machine is lost */
    account_add(account, (int64_t)size);
    return block;
}

void account_free(struct account *account, void *block, size_t size)
{
    if (!block)
        return;
    free(block);
    account_add(account, -(int64_t)size);
}

int64_t account_bytes(const struct account *account)
{
    int64_t bytes = 0;
    for (int i = 0; i < METRIC_CORES_MAX; i++)
        bytes += atomic_load_explicit(&account->cells[i].bytes, memory_order_relaxed);
    return bytes;
}

void account_each(void (*see)(void *arg, const struct account *account), void *arg)
{
    for (const struct account *account = atomic_load(&all); account; account = account->next)
        see(arg, account);
}
