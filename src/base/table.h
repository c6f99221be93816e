#pragma once
/* table.h - a hash table from bytes to pointers, open addressing. Keys are borrowed: they must outlive their
 * entry. One thread at a time. Zero is a valid beginning. */
#include "base/bytes.h"
#include "base/check.h"

struct table_slot {
    struct bytes key; /* data NULL: free */
    uint64_t hash;
    void *value;
};
struct table {
    struct table_slot *slots;
    size_t count, room; /* room: a power of two, or 0 */
};

/* The value, or NULL. */
void *table_get(const struct table *table, struct bytes key);
/* Puts or replaces; `value` must not be NULL. Returns the value that was there before, or NULL. */
void *table_put(struct table *table, struct bytes key, void *value);
/* Removes; returns what was there, or NULL. */
void *table_remove(struct table *table, struct bytes key);
/* Frees the slots; keys and values are the caller's. */
void table_done(struct table *table);
/* Walks: start with *at = 0; NULL at the end. The table must not change meanwhile. */
const struct table_slot *table_next(const struct table *table, size_t *at);
