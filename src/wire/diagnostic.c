#include "wire/diagnostic.h"

#include <stdarg.h>
#include <stdio.h>

void diagnostics_init(struct diagnostics *list, struct arena *arena)
{
    *list = (struct diagnostics){ .arena = arena };
}

static const char *format_into(struct arena *arena, const char *format, va_list args)
{
    char text[1024];
    vsnprintf(text, sizeof text, format, args);
    const char *copy = arena_copy(arena, bytes_of(text));
    return copy ? copy : "";
}

struct diagnostic *diagnostics_add(struct diagnostics *list, enum diagnostic_severity severity, const char *file, int line,
                                   int column, const char *format, ...)
{
    list->errors += severity == DIAGNOSTIC_ERROR;
    if (list->count == list->room && list->room < DIAGNOSTICS_MAX) {
        const int room = list->room ? list->room * 2 : 25;
        struct diagnostic *items = ARENA_ARRAY(list->arena, struct diagnostic, (size_t)room);
        if (items) {
            if (list->count)
                memcpy(items, list->items, sizeof *items * (size_t)list->count);
            list->items = items;
            list->room = room;
        }
    }
    if (list->count == list->room) {
        list->dropped++;
        return NULL;
    }
    struct diagnostic *item = &list->items[list->count++];
    va_list args;
    va_start(args, format);
    const char *path = arena_copy(list->arena, bytes_of(file));
    *item = (struct diagnostic){ severity, path ? path : "", line, column, format_into(list->arena, format, args), NULL };
    va_end(args);
    return item;
}

void diagnostic_fix(struct diagnostics *list, struct diagnostic *diagnostic, const char *format, ...)
{
    if (!diagnostic)
        return;
    va_list args;
    va_start(args, format);
    diagnostic->fix = format_into(list->arena, format, args);
    va_end(args);
}
