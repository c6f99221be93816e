#pragma once
/* account.h - memory that its owner can sum up himself, by owner: what lies between these sums and the
 * resident memory is nobody's, and that gap is what alerts watch.
 *
 * An account is a static of its room. Every thread writes a cell of its own as long as threads are cores. */
#include <stdatomic.h>

#include "base/check.h"
#include "base/metric.h"

struct account_cell {
    _Alignas(64) _Atomic int64_t bytes;
};
struct account {
    const char *owner, *doc; /* owner: a word for a label */
    struct account *next;
    _Atomic bool listed;
    struct account_cell cells[METRIC_CORES_MAX];
};
#define ACCOUNT(owner_, doc_)                                                                                \
    {                                                                                                        \
        .owner = owner_, .doc = doc_                                                                         \
    }

/* Any thread; bytes may be given back by another than took them. Cost: one add to a line of this core's. */
void account_add(struct account *account, int64_t bytes);
/* malloc() and free() of a block that is one's own to account for; what malloc refuses stops the process. */
void *account_malloc(struct account *account, size_t size) __attribute__((malloc, alloc_size(2)));
void account_free(struct account *account, void *block, size_t size);
int64_t account_bytes(const struct account *account);
/* Calls see() for each account that was ever used, in no order. */
void account_each(void (*see)(void *arg, const struct account *account), void *arg);
