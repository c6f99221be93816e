#include "wire/jsonschema_simple.h"

struct reader {
    struct bytes rest;
    struct js_simple_piece pieces[JS_SIMPLE_PIECES_MAX];
    uint32_t count;
    bool to_the_end;
};

static inline void set_add(uint64_t *set, unsigned c)
{
    set[c / 64] |= (uint64_t)1 << c % 64;
}
static inline bool set_has(const uint64_t *set, unsigned char c)
{
    return c < 128 && (set[c / 64] >> c % 64 & 1);
}

static void set_add_range(uint64_t *set, unsigned from, unsigned to)
{
    for (; from <= to; from++)
        set_add(set, from);
}

static int take(struct reader *reader)
{
    if (reader->rest.size == 0)
        return -1;
    const unsigned char c = (unsigned char)reader->rest.data[0];
    reader->rest = bytes_from(reader->rest, 1);
    return c;
}

static int peek(const struct reader *reader)
{
    return reader->rest.size ? (unsigned char)reader->rest.data[0] : -1;
}

/* Behind '\': \d, \w, or a character that stands for itself. *ret_single: the character, or -1. */
static bool read_escape(struct reader *reader, uint64_t *set, int *ret_single)
{
    const int c = take(reader);
    *ret_single = -1;
    if (c == 'd' || c == 'w')
        set_add_range(set, '0', '9');
    if (c == 'w') {
        set_add_range(set, 'a', 'z');
        set_add_range(set, 'A', 'Z');
        set_add(set, '_');
    }
    if (c == 'd' || c == 'w')
        return true;
    if (c < 0 || !strchr("^$\\.*+?()[]{}|/-", c))
        return false;
    set_add(set, (unsigned)c);
    *ret_single = c;
    return true;
}

static bool read_class_member(struct reader *reader, uint64_t *set, int *ret_single)
{
    const int c = take(reader);
    if (c == '\\')
        return read_escape(reader, set, ret_single);
    if (c < 0x20 || c >= 128)
        return false;
    *ret_single = c;
    set_add(set, (unsigned)c);
    return true;
}

/* Behind '['. */
static bool read_class(struct reader *reader, uint64_t *set)
{
    if (peek(reader) == '^' || peek(reader) == ']')
        return false;
    while (peek(reader) != ']') {
        int from, to;
        if (!read_class_member(reader, set, &from))
            return false;
        if (peek(reader) != '-' || reader->rest.size < 2 || reader->rest.data[1] == ']')
            continue;
        take(reader);
        if (from < 0 || !read_class_member(reader, set, &to) || to < from)
            return false;
        set_add_range(set, (unsigned)from, (unsigned)to);
    }
    take(reader);
    return true;
}

static bool read_count(struct reader *reader, uint32_t *ret_count)
{
    uint32_t count = 0;
    if (!(peek(reader) >= '0' && peek(reader) <= '9'))
        return false;
    while (peek(reader) >= '0' && peek(reader) <= '9' && count < 100000)
        count = count * 10 + (uint32_t)(take(reader) - '0');
    *ret_count = count;
    return count < 65536;
}

static bool read_quantifier(struct reader *reader, struct js_simple_piece *piece)
{
    piece->min = piece->max = 1;
    const int c = peek(reader);
    if (c != '*' && c != '+' && c != '?' && c != '{')
        return true;
    take(reader);
    if (c == '*' || c == '?')
        piece->min = 0;
    if (c == '*' || c == '+')
        piece->max = UINT32_MAX;
    if (c == '{') {
        if (!read_count(reader, &piece->min))
            return false;
        piece->max = piece->min;
        if (peek(reader) == ',') {
            take(reader);
            piece->max = UINT32_MAX;
            if (peek(reader) != '}' && !read_count(reader, &piece->max))
                return false;
        }
        if (take(reader) != '}' || piece->max < piece->min)
            return false;
    }
    return peek(reader) != '?'; /* lazy ones are left alone */
}

static bool read_piece(struct reader *reader)
{
    struct js_simple_piece piece = { 0 };
    int single;
    const int c = take(reader);
    if (c == '[') {
        if (!read_class(reader, piece.set))
            return false;
    } else if (c == '\\') {
        if (!read_escape(reader, piece.set, &single))
            return false;
    } else if (c < 0x20 || c >= 128 || strchr("^$.*+?()]{}|", c))
        return false;
    else
        set_add(piece.set, (unsigned)c);
    if (reader->count == JS_SIMPLE_PIECES_MAX || !read_quantifier(reader, &piece))
        return false;
    reader->pieces[reader->count++] = piece;
    return true;
}

/* Whether taking as many as there are is right for each piece that may vary. */
static bool is_greedy_safe(const struct reader *reader)
{
    for (uint32_t i = 0; i < reader->count; i++) {
        const struct js_simple_piece *piece = &reader->pieces[i];
        if (piece->min == piece->max)
            continue;
        for (uint32_t next = i + 1; next < reader->count; next++) {
            const struct js_simple_piece *follower = &reader->pieces[next];
            if ((piece->set[0] & follower->set[0]) || (piece->set[1] & follower->set[1]))
                return false;
            if (follower->min > 0)
                break;
        }
    }
    return true;
}

const struct js_simple *js_simple_compile(struct arena *arena, struct bytes pattern)
{
    struct reader reader = { .rest = pattern };
    if (take(&reader) != '^')
        return NULL;
    while (reader.rest.size > 0) {
        if (bytes_is(reader.rest, "$")) {
            reader.to_the_end = true;
            break;
        }
        if (!read_piece(&reader))
            return NULL;
    }
    if (!is_greedy_safe(&reader))
        return NULL;
    struct js_simple *simple = arena_alloc(arena, sizeof *simple + reader.count * sizeof *simple->pieces);
    if (!simple)
        return NULL;
    simple->count = reader.count;
    simple->to_the_end = reader.to_the_end;
    memcpy(simple->pieces, reader.pieces, reader.count * sizeof *simple->pieces);
    return simple;
}

bool js_simple_match(const struct js_simple *simple, struct bytes subject)
{
    const char *at = subject.data, *const end = subject.data + subject.size;
    for (uint32_t i = 0; i < simple->count; i++) {
        const struct js_simple_piece *piece = &simple->pieces[i];
        uint32_t taken = 0;
        while (taken < piece->max && at < end && set_has(piece->set, (unsigned char)*at)) {
            at++;
            taken++;
        }
        if (taken < piece->min)
            return false;
    }
    return !simple->to_the_end || at == end;
}
