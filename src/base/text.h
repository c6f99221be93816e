#pragma once
/* text.h - bytes being written: a buffer that grows inside an arena (or on the heap) up to a ceiling.
 *
 * Appending never fails on the spot: what does not fit sets `failed` and later appends do nothing, so a
 * writer checks once, at the end, with text_ok(). The hot appends are inline. */
#include <stdio.h>

#include "base/arena.h"
#include "base/bytes.h"

struct text {
    char *data;
    size_t size, room;
    size_t ceiling_bytes; /* 0: the arena's own ceiling only */
    struct arena *arena;  /* NULL: heap; end it with text_done() */
    bool failed;
};

/* An empty text in an arena. first_bytes: room taken at once (0: on first append). */
void text_init(struct text *text, struct arena *arena, size_t first_bytes);

/* An empty text on the heap. ceiling_bytes: 0 for none. End with text_done(). */
void text_init_heap(struct text *text, size_t ceiling_bytes);
void text_done(struct text *text);

/* Makes room for `more` further bytes. Errors: false (and sticky `failed`) past a ceiling. */
bool text_reserve(struct text *text, size_t more);

static inline bool text_ok(const struct text *text)
{
    return !text->failed;
}
static inline struct bytes text_bytes(const struct text *text)
{
    return (struct bytes){ text->data, text->size };
}
static inline void text_clear(struct text *text)
{
    text->size = 0;
    text->failed = false;
}
static inline bool text_room(struct text *text, size_t more)
{
    return likely(text->room - text->size >= more && !text->failed) || text_reserve(text, more);
}
static inline void text_byte(struct text *text, char c)
{
    if (text_room(text, 1))
        text->data[text->size++] = c;
}
static inline void text_add(struct text *text, struct bytes more)
{
    if (more.size && text_room(text, more.size)) {
        memcpy(text->data + text->size, more.data, more.size);
        text->size += more.size;
    }
}
static inline void text_add_z(struct text *text, const char *zero_terminated)
{
    text_add(text, bytes_of(zero_terminated));
}
#define text_lit(text, literal) text_add((text), BYTES(literal))

void text_int(struct text *text, int64_t value);
void text_printf(struct text *text, const char *format, ...) PRINTF_LIKE(2, 3);

/* The content NUL-terminated (the NUL is not counted). Errors: NULL if the text failed. */
char *text_z(struct text *text);
