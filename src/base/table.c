#include "base/table.h"

#include <stdlib.h>

static struct table_slot *slot_of(const struct table *table, struct bytes key, uint64_t hash)
{
    size_t i = hash & (table->room - 1);
    while (table->slots[i].key.data &&
           !(table->slots[i].hash == hash && bytes_equal(table->slots[i].key, key)))
        i = (i + 1) & (table->room - 1);
    return &table->slots[i];
}

void *table_get(const struct table *table, struct bytes key)
{
    return table->room ? slot_of(table, key, bytes_hash(key))->value : NULL;
}

static void table_grow(struct table *table)
{
    struct table old = *table;
    table->room = old.room ? old.room * 2 : 16;
    table->slots = calloc(table->room, sizeof *table->slots);
    check(table->slots != NULL);
    for (size_t i = 0; i < old.room; i++)
        if (old.slots[i].key.data)
            *slot_of(table, old.slots[i].key, old.slots[i].hash) = old.slots[i];
    free(old.slots);
}

void *table_put(struct table *table, struct bytes key, void *value)
{
    check(value != NULL);
    if ((table->count + 1) * 4 > table->room * 3)
        table_grow(table);
    if (!key.data)
        key.data = "";
    const uint64_t hash = bytes_hash(key);
    struct table_slot *slot = slot_of(table, key, hash);
    void *before = slot->value;
    if (!slot->key.data)
        table->count++;
    *slot = (struct table_slot){ key, hash, value };
    return before;
}

void *table_remove(struct table *table, struct bytes key)
{
    if (!table->room)
        return NULL;
    struct table_slot *slot = slot_of(table, key, bytes_hash(key));
    void *value = slot->value;
    if (!slot->key.data)
        return NULL;
    *slot = (struct table_slot){ 0 };
    table->count--;
    /* Backward shift: whoever probed past the hole moves into it, so no tombstones are needed. */
    size_t hole = (size_t)(slot - table->slots);
    for (size_t i = (hole + 1) & (table->room - 1); table->slots[i].key.data;
         i = (i + 1) & (table->room - 1)) {
        const size_t home = table->slots[i].hash & (table->room - 1);
        if (((i - home) & (table->room - 1)) >= ((i - hole) & (table->room - 1))) {
            table->slots[hole] = table->slots[i];
            table->slots[i] = (struct table_slot){ 0 };
            hole = i;
        }
    }
    return value;
}

void table_done(struct table *table)
{
    free(table->slots);
    *table = (struct table){ 0 };
}

const struct table_slot *table_next(const struct table *table, size_t *at)
{
    while (*at < table->room) {
        const struct table_slot *slot = &table->slots[(*at)++];
        if (slot->key.data)
            return slot;
    }
    return NULL;
}
