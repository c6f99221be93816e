#include "model/violations.h"

#include <stdlib.h>

#include "model/schema.h"

static void add(struct violations *violations, const char *pointer, const char *code, const char *message,
                bool of_rule)
{
    if (violations->count == VIOLATIONS_KEPT_MAX) {
        violations->more++;
        return;
    }
    if (violations->count == violations->room) {
        const int room = violations->room ? 2 * violations->room : 8;
        struct violation *items =
            arena_grow(violations->arena, violations->items, sizeof *items * (size_t)violations->room,
                       sizeof *items * (size_t)room);
        if (!items) {
            violations->more++;
            return;
        }
        violations->items = items;
        violations->room = room;
    }
    const char *pointer_kept = arena_copy(violations->arena, bytes_of(pointer)),
               *message_kept = arena_copy(violations->arena, bytes_of(message));
    if (!pointer_kept || !message_kept) {
        violations->more++;
        return;
    }
    violations->items[violations->count] = (struct violation){ .pointer = pointer_kept,
                                                               .code = code,
                                                               .message = message_kept,
                                                               .order = (uint32_t)violations->count,
                                                               .of_rule = of_rule };
    violations->count++;
}

void violations_add(struct violations *violations, const char *pointer, const char *code, const char *message)
{
    add(violations, pointer, code, message, false);
}

void violations_add_rule(struct violations *violations, const char *pointer, const char *code,
                         const char *message)
{
    add(violations, pointer, code, message, true);
}

/* Of what is not there: behind the last thing inside what should hold it. */
static uint32_t position_of(const struct json_doc *doc, struct bytes pointer)
{
    const struct json_node *node = schema_at(doc, pointer);
    if (node)
        return node->offset;
    while (pointer.size && !node) {
        while (pointer.size && pointer.data[pointer.size - 1] != '/')
            pointer.size--;
        pointer.size -= pointer.size > 0;
        node = schema_at(doc, pointer);
    }
    return node ? node->offset + node->size : 0;
}

static int by_position(const void *left, const void *right)
{
    const struct violation *a = left, *b = right;
    if (a->position != b->position)
        return a->position < b->position ? -1 : 1;
    return a->order < b->order ? -1 : a->order > b->order;
}

/* What stands at one place stands together: only those are compared. */
static bool is_told(const struct violations *violations, int count, const struct violation *item)
{
    for (int i = count - 1; i >= 0 && violations->items[i].position == item->position; i--) {
        const struct violation *other = &violations->items[i];
        if (strcmp(other->pointer, item->pointer) != 0)
            continue;
        const bool same_message = strcmp(other->message, item->message) == 0;
        if (same_message || (strcmp(other->code, item->code) == 0 && !item->of_rule))
            return true;
    }
    return false;
}

void violations_order(struct violations *violations, const struct json_doc *doc, size_t prefix)
{
    for (int i = 0; doc && i < violations->count; i++)
        violations->items[i].position =
            position_of(doc, bytes_from(bytes_of(violations->items[i].pointer), prefix));
    if (violations->count)
        qsort(violations->items, (size_t)violations->count, sizeof *violations->items, by_position);
    int count = 0;
    for (int i = 0; i < violations->count; i++)
        if (!is_told(violations, count, &violations->items[i]))
            violations->items[count++] = violations->items[i];
    violations->count = count;
}

int64_t violations_tell(struct violations *violations, const struct json_doc *doc)
{
    violations_order(violations, doc, 0);
    for (int i = 0; i < violations->count; i++)
        fail_detail(violations->arena, violations->items[i].pointer, violations->items[i].code, "%s",
                    violations->items[i].message);
    return violations->count + violations->more;
}
