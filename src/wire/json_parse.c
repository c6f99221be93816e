/* The second stage: from token offsets to the tape. While a container is open, its `skip` is the distance to
 * its parent, so that the tape itself is the stack. */
#include "wire/json.h"

#include <emmintrin.h>

#include "wire/json_error.h"
#include "wire/json_index.h"
#include "wire/json_keys.h"
#include "wire/json_token.h"
#include "wire/json_utf8.h"

/* What the hot loop keeps in registers; only take() puts it into the parser and fetches it again, for
 * refill(). */
struct cursor {
    const char *text;
    const uint32_t *token, *tokens_end;
    struct json_node *node; /* the next free one */
    struct json_node *top;  /* the innermost open container */
    struct json_node *last; /* the value read last */
    uint32_t depth;
    uint32_t member; /* JSON_NODE_MEMBER inside an object, else 0 */
};

struct parser {
    struct json_limits limits;
    struct arena *arena;
    struct json_node *nodes;
    size_t nodes_room;
    size_t tokens_seen; /* in all windows, the current one included */
    struct cursor cursor;
    struct json_keys keys;
    struct json_doc doc;
    struct json_fault fault;
    struct json_index index; /* last, since most of it begins uninitialised */
};

#define COLD __attribute__((noinline, cold))
#define HOT  __attribute__((always_inline)) inline

/* Keeps the first fault; returns false. */
static COLD bool refuse(struct parser *p, const char *code, size_t offset, const char *expected)
{
    if (!p->fault.code)
        p->fault = (struct json_fault){ code, offset, expected, 0 };
    return false;
}

static COLD bool refuse_open_string(struct parser *p, uint32_t quote)
{
    refuse(p, JSON_ERROR_STRING, p->index.size, NULL);
    p->fault.other = quote;
    return false;
}

/* How many nodes to make room for: what this window may bring, and for the rest of the text as much as the
 * text so far suggests. */
static size_t nodes_wanted(const struct parser *p, size_t used)
{
    const size_t needed = used + p->index.scan.count;
    const size_t before = p->tokens_seen - p->index.scan.count;
    const uint64_t tokens_expected =
        (uint64_t)p->tokens_seen * (p->index.size + p->index.size / 16) / p->index.scan.at;
    const uint64_t expected =
        tokens_expected * (before ? used : 5) / (before ? before : 8) + p->index.scan.count / 2;
    const uint64_t most = p->limits.nodes_max;
    const uint64_t wanted = expected < most ? expected : most;
    return wanted > needed ? (size_t)wanted : needed;
}

static bool nodes_grow(struct parser *p, size_t used)
{
    const size_t room = nodes_wanted(p, used);
    struct json_node *nodes =
        arena_grow(p->arena, p->nodes, p->nodes_room * sizeof *nodes, room * sizeof *nodes);
    if (!nodes)
        return refuse(p, JSON_ERROR_MEMORY, p->index.tokens[0], NULL);
    if (p->nodes) {
        p->cursor.top = nodes + (p->cursor.top - p->nodes);
        p->cursor.last = nodes + (p->cursor.last - p->nodes);
    } else
        p->cursor.top = p->cursor.last = nodes; /* the root is its own parent */
    p->cursor.node = nodes + used;
    p->nodes = nodes;
    p->nodes_room = room;
    return true;
}

/* Told at the first node too many. */
static COLD bool refuse_nodes(struct parser *p)
{
    const struct json_node *node = &p->nodes[p->limits.nodes_max];
    return refuse(p, JSON_ERROR_NODES, node->offset - (json_type(node) == JSON_STRING), NULL);
}

/* The next window of tokens, and room for as many nodes. False at the end of the text, or past a limit. */
static __attribute__((noinline)) bool refill(struct parser *p)
{
    const size_t used = (size_t)(p->cursor.node - p->nodes);
    p->cursor.token = p->cursor.tokens_end = p->index.tokens;
    if (!json_index_next(&p->index))
        return false;
    p->tokens_seen += p->index.scan.count;
    if (used > p->limits.nodes_max)
        return refuse_nodes(p);
    if (used + p->index.scan.count > p->nodes_room && !nodes_grow(p, used))
        return false;
    p->cursor.tokens_end = p->index.tokens + p->index.scan.count;
    return true;
}

/* The next token's offset. False at the end of the text, or where refill() met a limit. */
static HOT bool take(struct parser *p, struct cursor *c, uint32_t *ret_offset)
{
    if (unlikely(c->token == c->tokens_end)) {
        p->cursor = *c;
        const bool filled = refill(p);
        *c = p->cursor;
        if (!filled)
            return false;
    }
    *ret_offset = *c->token++;
    return true;
}

static HOT void put(struct cursor *c, uint32_t head, uint32_t offset, uint32_t size)
{
    *c->node++ = (struct json_node){ .head = head, .offset = offset, .size = size, .skip = 1 };
}

/* A string or key whose opening quote was taken: the next token is the closing one. */
static HOT bool take_string(struct parser *p, struct cursor *c, uint32_t quote, uint32_t head)
{
    uint32_t end;
    if (unlikely(!take(p, c, &end)))
        return refuse_open_string(p, quote);
    const uint32_t start = quote + 1;
    if (unlikely(start < p->index.scan.backslash_until)) {
        const uint32_t flags = json_escapes_scan(p->doc.text, start, end, &p->fault);
        if (flags == UINT32_MAX)
            return false;
        p->doc.has_nul |= (flags & JSON_NODE_NUL) != 0;
        head |= flags;
    }
    if (unlikely(end - start > p->limits.string_bytes_max))
        return refuse(p, JSON_ERROR_STRING_BYTES, quote, NULL);
    put(c, head, start, end - start);
    return true;
}

/* The usual number ends within 16 bytes and has no exponent: its digits are found all at once. */
static HOT bool take_number(struct parser *p, struct cursor *c, uint32_t offset, uint32_t head)
{
    const char *const start = c->text + offset;
    const uint32_t sign = *start == '-';
    if (likely(p->index.size - offset > 16)) {
        const __m128i bytes = _mm_loadu_si128((const __m128i *)(const void *)(start + sign));
        const __m128i digits = _mm_sub_epi8(bytes, _mm_set1_epi8('0'));
        const __m128i others =
            _mm_cmpgt_epi8(_mm_xor_si128(digits, _mm_set1_epi8((char)0x80)), _mm_set1_epi8(9 - 128));
        const unsigned stops = (unsigned)_mm_movemask_epi8(others) | 0x10000;
        const uint32_t whole = (uint32_t)__builtin_ctz(stops);
        const char *const end = start + sign + whole;
        if (likely(whole - 1 < 15 && (start[sign] != '0' || whole == 1))) {
            if (json_ends_word[(unsigned char)*end]) {
                put(c, head | JSON_NODE_INTEGER, offset, sign + whole);
                return true;
            }
            const uint32_t size = (uint32_t)__builtin_ctz((stops & (stops - 1)) | 0x10000);
            if (*end == '.' && size > whole + 1 && size < 16 &&
                json_ends_word[(unsigned char)start[sign + size]]) {
                put(c, head, offset, sign + size);
                return true;
            }
        }
    }
    uint32_t flags = 0;
    const uint32_t size = json_number_scan(p->doc.text, offset, &flags, &p->fault);
    put(c, head | flags, offset, size);
    return size > 0;
}

struct word {
    char text[8];
    uint32_t size, head;
};
static const struct word word_true = { "true", 4, JSON_BOOL | JSON_NODE_TRUE };
static const struct word word_false = { "false", 5, JSON_BOOL };
static const struct word word_null = { "null", 4, JSON_NULL };

static HOT bool take_word(struct parser *p, struct cursor *c, uint32_t offset, uint32_t head)
{
    const char *const start = c->text + offset;
    const size_t left = p->index.size - offset;
    const struct word *word = *start == 't' ? &word_true : *start == 'f' ? &word_false : &word_null;
    if (unlikely(left < word->size || memcmp(start, word->text, word->size) != 0 ||
                 (left > word->size && !json_ends_word[(unsigned char)start[word->size]])))
        return refuse(p, JSON_ERROR_SYNTAX, offset, "a value");
    put(c, head | word->head, offset, word->size);
    return true;
}

static HOT bool take_scalar(struct parser *p, struct cursor *c, uint32_t offset, uint32_t head)
{
    switch (c->text[offset]) {
    case '"':
        return take_string(p, c, offset, head | JSON_STRING);
    case '-':
    case '0' ... '9':
        return take_number(p, c, offset, head | JSON_NUMBER);
    case 't':
    case 'f':
    case 'n':
        return take_word(p, c, offset, head);
    default:
        return refuse(p, JSON_ERROR_SYNTAX, offset, "a value");
    }
}

static HOT bool open_container(struct parser *p, struct cursor *c, uint32_t offset, uint32_t head)
{
    if (unlikely(c->depth == p->limits.depth_max))
        return refuse(p, JSON_ERROR_DEPTH, offset, NULL);
    struct json_node *const parent = c->top;
    c->top = c->node;
    put(c, head, offset, 0);
    c->top->skip = (uint32_t)(c->top - parent);
    c->depth++;
    c->member = (head & JSON_NODE_TYPE) == JSON_OBJECT ? JSON_NODE_MEMBER : 0;
    return true;
}

/* Ends the innermost container with the bracket at `offset`. */
static HOT bool close_container(struct parser *p, struct cursor *c, uint32_t offset)
{
    struct json_node *const top = c->top;
    if (json_count(top) > 0)
        c->last->head |= JSON_NODE_LAST;
    c->last = top;
    c->top = top - top->skip;
    top->skip = (uint32_t)(c->node - top);
    top->size = offset + 1 - top->offset;
    c->depth--;
    if (c->member && p->limits.refuse_duplicate_keys && json_count(top) > 1 &&
        unlikely(!json_keys_differ(&p->keys, &p->doc, top, &p->fault)))
        return false;
    c->member = json_type(c->top) == JSON_OBJECT ? JSON_NODE_MEMBER : 0;
    return true;
}

/* A key whose first token is at *at, and its colon. Leaves *at at the value. */
static HOT bool take_key(struct parser *p, struct cursor *c, uint32_t *at)
{
    if (unlikely(c->text[*at] != '"'))
        return refuse(p, JSON_ERROR_SYNTAX, *at, "a key in double quotes");
    if (unlikely(!take_string(p, c, *at, JSON_STRING)))
        return false;
    if (unlikely(!take(p, c, at)))
        return refuse(p, JSON_ERROR_SYNTAX, p->index.size, "':' after a key");
    if (unlikely(c->text[*at] != ':'))
        return refuse(p, JSON_ERROR_SYNTAX, *at, "':' after a key");
    if (unlikely(!take(p, c, at)))
        return refuse(p, JSON_ERROR_SYNTAX, p->index.size, "a value");
    return true;
}

/* Opens the container whose bracket is at *at. Leaves *at at its first value, or closes it when there is
 * none. */
static HOT bool enter(struct parser *p, struct cursor *c, uint32_t *at, bool *ret_empty)
{
    const bool object = c->text[*at] == '{';
    if (unlikely(!open_container(p, c, *at, c->member | (object ? JSON_OBJECT : JSON_ARRAY))))
        return false;
    if (unlikely(!take(p, c, at)))
        return refuse(p, JSON_ERROR_SYNTAX, p->index.size, object ? "a key or '}'" : "a value or ']'");
    *ret_empty = c->text[*at] == (object ? '}' : ']');
    if (*ret_empty)
        return close_container(p, c, *at);
    c->top->head += JSON_NODE_ONE_CHILD;
    return !object || take_key(p, c, at);
}

/* Behind a value: closes what ends here, and leaves *at at the next value. At the end of the root depth is 0.
 */
static HOT bool leave(struct parser *p, struct cursor *c, uint32_t *at)
{
    while (c->depth > 0) {
        const char *const expected = c->member ? "',' or '}' after a member" : "',' or ']' after an element";
        if (unlikely(!take(p, c, at)))
            return refuse(p, JSON_ERROR_SYNTAX, p->index.size, expected);
        if (c->text[*at] == ',') {
            c->top->head += JSON_NODE_ONE_CHILD;
            if (unlikely(!take(p, c, at)))
                return refuse(p, JSON_ERROR_SYNTAX, p->index.size, c->member ? "a key" : "a value");
            return !c->member || take_key(p, c, at);
        }
        if (unlikely(c->text[*at] != (c->member ? '}' : ']')))
            return refuse(p, JSON_ERROR_SYNTAX, *at, expected);
        if (unlikely(!close_container(p, c, *at)))
            return false;
    }
    return true;
}

/* Reads the one value of the text into the tape. */
static HOT bool read_value(struct parser *p, struct cursor *c)
{
    uint32_t at;
    if (unlikely(!take(p, c, &at)))
        return refuse(p, JSON_ERROR_SYNTAX, p->index.size, "a value");
    do {
        if (c->text[at] == '{' || c->text[at] == '[') {
            bool empty = false;
            if (unlikely(!enter(p, c, &at, &empty)))
                return false;
            if (!empty)
                continue;
        } else {
            if (unlikely(!take_scalar(p, c, at, c->member)))
                return false;
            c->last = c->node - 1;
        }
        if (unlikely(!leave(p, c, &at)))
            return false;
    } while (c->depth > 0);
    if (c->token < c->tokens_end || p->index.scan.at < p->index.size)
        if (unlikely(take(p, c, &at)))
            return refuse(p, JSON_ERROR_SYNTAX, at, "the end of the text after the value");
    return !p->fault.code;
}

static __attribute__((noinline)) bool read_text(struct parser *p)
{
    struct cursor c = { .text = p->doc.text.data };
    const bool parsed = read_value(p, &c);
    p->doc.nodes = p->nodes;
    p->doc.nodes_count = (uint32_t)(c.node - p->nodes);
    return parsed;
}

/* What the stages notice but leave to the end: the fault that stands first in the text is told. */
static COLD void fault_earlier(struct parser *p, bool parsed)
{
    struct json_fault *const fault = &p->fault;
    const size_t found_at = parsed ? SIZE_MAX : fault->offset;
    if (p->index.scan.control_at < found_at)
        *fault = (struct json_fault){ JSON_ERROR_STRING, p->index.scan.control_at, NULL, 0 };
    const size_t valid_until =
        p->index.scan.high_bits ? json_utf8_check(p->index.text, p->index.size) : p->index.size;
    if (valid_until < p->index.size && (!fault->code || valid_until <= fault->offset))
        *fault = (struct json_fault){ JSON_ERROR_UTF8, valid_until, NULL, 0 };
}

static struct json_limits limits_or_presets(const struct json_limits *given)
{
    struct json_limits limits = given ? *given : (struct json_limits){ 0 };
    if (limits.bytes_max == 0)
        limits.bytes_max = JSON_BYTES_PRESET;
    if (limits.string_bytes_max == 0)
        limits.string_bytes_max = JSON_BYTES_CEILING;
    if (limits.depth_max == 0)
        limits.depth_max = JSON_DEPTH_PRESET;
    if (limits.nodes_max == 0)
        limits.nodes_max = JSON_NODES_CEILING;
    check(limits.bytes_max <= JSON_BYTES_CEILING && limits.depth_max <= JSON_DEPTH_CEILING &&
          limits.nodes_max <= JSON_NODES_CEILING);
    return limits;
}

static void parser_init(struct parser *p, struct bytes text, const struct json_limits *limits,
                        struct arena *arena)
{
    p->limits = limits_or_presets(limits);
    p->arena = arena;
    p->nodes = NULL;
    p->nodes_room = p->tokens_seen = 0;
    p->keys = (struct json_keys){ .arena = arena };
    p->doc = (struct json_doc){ .text = text };
    p->fault = (struct json_fault){ NULL };
    json_index_init(&p->index, text.data, text.size);
}

bool json_parse(struct bytes text, const struct json_limits *limits, struct arena *arena,
                struct json_doc *ret_doc, struct json_error *ret_error)
{
    struct parser p;
    parser_init(&p, text, limits, arena);
    if (text.size > p.limits.bytes_max)
        refuse(&p, JSON_ERROR_BYTES, p.limits.bytes_max, NULL);
    else {
        const bool parsed = read_text(&p);
        if (parsed && p.doc.nodes_count > p.limits.nodes_max)
            refuse_nodes(&p);
        if (unlikely(!parsed || p.index.scan.high_bits || p.index.scan.control_at != SIZE_MAX))
            fault_earlier(&p, parsed);
    }
    if (unlikely(p.fault.code != NULL)) {
        json_error_tell(text, &p.limits, &p.fault, ret_error);
        return false;
    }
    arena_shrink(arena, p.nodes, p.nodes_room * sizeof *p.nodes, p.doc.nodes_count * sizeof *p.nodes);
    *ret_doc = p.doc;
    return true;
}
