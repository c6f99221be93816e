/* The second stage: from token offsets to the tape. While a container is open, its `skip` is the distance to
 * its parent, so that the tape itself is the stack. */
#include "wire/json.h"

#include "wire/json_error.h"
#include "wire/json_index.h"
#include "wire/json_keys.h"

struct parser {
    struct json_index index;
    struct json_limits limits;
    struct arena *arena;
    struct json_node *nodes;
    size_t nodes_room;
    size_t tokens_seen; /* in all windows, the current one included */
    struct json_keys keys;
    struct json_doc doc;
    struct json_fault fault;
};

/* What the hot loop keeps in registers. It is handed to the cold functions by value, so that it can stay
 * there. */
struct cursor {
    const uint32_t *token, *tokens_end;
    struct json_node *node; /* the next free one */
    struct json_node *top;  /* the innermost open container */
    struct json_node *last; /* the value read last */
    uint32_t depth;
    uint32_t member; /* JSON_NODE_MEMBER inside an object, else 0 */
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
    const size_t needed = used + p->index.count;
    const size_t before = p->tokens_seen - p->index.count;
    const uint64_t tokens_expected =
        (uint64_t)p->tokens_seen * (p->index.size + p->index.size / 16) / p->index.at;
    const uint64_t expected =
        tokens_expected * (before ? used : 5) / (before ? before : 8) + p->index.count / 2;
    const uint64_t most = p->index.size / 2 + JSON_DEPTH_CEILING; /* a comma or a bracket for each */
    const uint64_t wanted = expected < most ? expected : most;
    return wanted > needed ? (size_t)wanted : needed;
}

/* The next window of tokens, and room for as many nodes. */
static COLD struct cursor refill(struct parser *p, struct cursor c)
{
    const size_t used = (size_t)(c.node - p->nodes);
    c.token = c.tokens_end = p->index.tokens;
    if (!json_index_next(&p->index))
        return c;
    p->tokens_seen += p->index.count;
    if (used > p->limits.nodes_max) {
        refuse(p, JSON_ERROR_NODES, p->nodes[p->limits.nodes_max].offset, NULL);
        return c;
    }
    if (used + p->index.count > p->nodes_room) {
        const size_t room = nodes_wanted(p, used);
        struct json_node *nodes =
            arena_grow(p->arena, p->nodes, p->nodes_room * sizeof *nodes, room * sizeof *nodes);
        if (!nodes) {
            refuse(p, JSON_ERROR_MEMORY, p->index.tokens[0], NULL);
            return c;
        }
        if (p->nodes) {
            c.top = nodes + (c.top - p->nodes);
            c.last = nodes + (c.last - p->nodes);
        } else
            c.top = c.last = nodes; /* the root is its own parent */
        c.node = nodes + used;
        p->nodes = nodes;
        p->nodes_room = room;
    }
    c.tokens_end = p->index.tokens + p->index.count;
    return c;
}

/* The next token's offset. False at the end of the text, or where refill() met a limit. */
static HOT bool take(struct parser *p, struct cursor *c, uint32_t *ret_offset)
{
    if (unlikely(c->token == c->tokens_end)) {
        *c = refill(p, *c);
        if (c->token == c->tokens_end)
            return false;
    }
    *ret_offset = *c->token++;
    return true;
}

static HOT void put(struct cursor *c, uint32_t head, uint32_t offset, uint32_t size)
{
    *c->node++ = (struct json_node){ .head = head, .offset = offset, .size = size, .skip = 1 };
}

static unsigned hex4(const char *digits)
{
    unsigned value = 0;
    for (int i = 0; i < 4; i++) {
        const unsigned c = (unsigned char)digits[i], letter = (c | 0x20) - 'a';
        const unsigned digit = c - '0' <= 9 ? c - '0' : letter <= 5 ? letter + 10 : 16;
        if (digit == 16)
            return UINT32_MAX;
        value = value << 4 | digit;
    }
    return value;
}

/* Checks the escapes of a string that may have some. Returns its flags, or UINT32_MAX when refused. */
static __attribute__((noinline)) uint32_t escapes_check(struct parser *p, uint32_t from, uint32_t until)
{
    const char *text = p->index.text;
    uint32_t flags = 0;
    for (;;) {
        const char *slash = memchr(text + from, '\\', until - from);
        if (!slash)
            return flags;
        flags |= JSON_NODE_ESCAPED;
        const uint32_t at = (uint32_t)(slash - text);
        from = at + 2; /* at most `until`: the closing quote is not escaped */
        if (text[at + 1] == 'u') {
            const unsigned unit = until - at >= 6 ? hex4(text + at + 2) : UINT32_MAX;
            if (unit == UINT32_MAX)
                return refuse(p, JSON_ERROR_ESCAPE, at, NULL), UINT32_MAX;
            from = at + 6;
            if (unit == 0) {
                flags |= JSON_NODE_NUL;
                p->doc.has_nul = true;
            }
            if (unit - 0xd800u < 0x400 && until - from >= 6 && text[from] == '\\' && text[from + 1] == 'u' &&
                hex4(text + from + 2) - 0xdc00u < 0x400)
                from += 6;
            else if (unit - 0xd800u < 0x800)
                return refuse(p, JSON_ERROR_SURROGATE, at, NULL), UINT32_MAX;
        } else if (!memchr("\"\\/bfnrt", text[at + 1], 8))
            return refuse(p, JSON_ERROR_ESCAPE, at, NULL), UINT32_MAX;
    }
}

/* A string or key whose opening quote was taken: the next token is the closing one. */
static HOT bool take_string(struct parser *p, struct cursor *c, uint32_t quote, uint32_t head)
{
    uint32_t end;
    if (unlikely(!take(p, c, &end)))
        return refuse_open_string(p, quote);
    const uint32_t start = quote + 1;
    if (unlikely(start < p->index.backslash_until)) {
        const uint32_t flags = escapes_check(p, start, end);
        if (flags == UINT32_MAX)
            return false;
        head |= flags;
    }
    if (unlikely(end - start > p->limits.string_bytes_max))
        return refuse(p, JSON_ERROR_STRING_BYTES, quote, NULL);
    put(c, head, start, end - start);
    return true;
}

/* What may stand behind a number or a literal. */
static const bool ends_word[256] = {
    [' '] = true, ['\t'] = true, ['\n'] = true, ['\r'] = true, [','] = true, [':'] = true,
    ['['] = true, [']'] = true,  ['{'] = true,  ['}'] = true,  ['"'] = true,
};

/* Where a run of digits ends; `at` when there is none. */
static HOT const char *digits_end(const char *at, const char *end)
{
    while (at < end && (unsigned char)(*at - '0') <= 9)
        at++;
    return at;
}

static HOT bool take_number(struct parser *p, struct cursor *c, uint32_t offset, uint32_t head)
{
    const char *const start = p->index.text + offset, *const end = p->index.text + p->index.size;
    const char *part = start + (*start == '-');
    const char *at = digits_end(part, end);
    const char *expected = NULL;
    head |= JSON_NODE_INTEGER;

    if (unlikely(at == part))
        expected = "a digit after '-'";
    else if (unlikely(*part == '0' && at > part + 1)) {
        expected = "no digit after 0";
        at = part + 1;
    }
    if (at < end && *at == '.' && !expected) {
        part = at + 1;
        head &= ~JSON_NODE_INTEGER;
        at = digits_end(part, end);
        expected = at == part ? "a digit after '.'" : NULL;
    }
    if (at < end && (*at | 0x20) == 'e' && !expected) {
        part = at + 1;
        part += part < end && (*part == '+' || *part == '-');
        head &= ~JSON_NODE_INTEGER;
        at = digits_end(part, end);
        expected = at == part ? "a digit in the exponent" : NULL;
    }
    if (at < end && !ends_word[(unsigned char)*at] && !expected)
        expected = "the number to end";
    if (unlikely(expected != NULL))
        return refuse(p, JSON_ERROR_NUMBER, (size_t)(at - p->index.text), expected);
    put(c, head, offset, (uint32_t)(at - start));
    return true;
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
    const char *const start = p->index.text + offset;
    const size_t left = p->index.size - offset;
    const struct word *word = *start == 't' ? &word_true : *start == 'f' ? &word_false : &word_null;
    if (unlikely(left < word->size || memcmp(start, word->text, word->size) != 0 ||
                 (left > word->size && !ends_word[(unsigned char)start[word->size]])))
        return refuse(p, JSON_ERROR_SYNTAX, offset, "a value");
    put(c, head | word->head, offset, word->size);
    return true;
}

static HOT bool take_scalar(struct parser *p, struct cursor *c, uint32_t offset, uint32_t head)
{
    switch (p->index.text[offset]) {
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
    const char *const text = p->index.text;
    if (unlikely(text[*at] != '"'))
        return refuse(p, JSON_ERROR_SYNTAX, *at, "a key in double quotes");
    if (unlikely(!take_string(p, c, *at, JSON_STRING)))
        return false;
    if (unlikely(!take(p, c, at)))
        return refuse(p, JSON_ERROR_SYNTAX, p->index.size, "':' after a key");
    if (unlikely(text[*at] != ':'))
        return refuse(p, JSON_ERROR_SYNTAX, *at, "':' after a key");
    if (unlikely(!take(p, c, at)))
        return refuse(p, JSON_ERROR_SYNTAX, p->index.size, "a value");
    return true;
}

/* Opens the container whose bracket is at *at. Leaves *at at its first value, or closes it when there is
 * none. */
static HOT bool enter(struct parser *p, struct cursor *c, uint32_t *at, bool *ret_empty)
{
    const char *const text = p->index.text;
    const bool object = text[*at] == '{';
    if (unlikely(!open_container(p, c, *at, c->member | (object ? JSON_OBJECT : JSON_ARRAY))))
        return false;
    if (unlikely(!take(p, c, at)))
        return refuse(p, JSON_ERROR_SYNTAX, p->index.size, object ? "a key or '}'" : "a value or ']'");
    *ret_empty = text[*at] == (object ? '}' : ']');
    if (*ret_empty)
        return close_container(p, c, *at);
    c->top->head += JSON_NODE_ONE_CHILD;
    return !object || take_key(p, c, at);
}

/* Behind a value: closes what ends here, and leaves *at at the next value. At the end of the root depth is 0.
 */
static HOT bool leave(struct parser *p, struct cursor *c, uint32_t *at)
{
    const char *const text = p->index.text;
    while (c->depth > 0) {
        const char *const expected = c->member ? "',' or '}' after a member" : "',' or ']' after an element";
        if (unlikely(!take(p, c, at)))
            return refuse(p, JSON_ERROR_SYNTAX, p->index.size, expected);
        if (text[*at] == ',') {
            c->top->head += JSON_NODE_ONE_CHILD;
            if (unlikely(!take(p, c, at)))
                return refuse(p, JSON_ERROR_SYNTAX, p->index.size, c->member ? "a key" : "a value");
            return !c->member || take_key(p, c, at);
        }
        if (unlikely(text[*at] != (c->member ? '}' : ']')))
            return refuse(p, JSON_ERROR_SYNTAX, *at, expected);
        if (unlikely(!close_container(p, c, *at)))
            return false;
    }
    return true;
}

/* Reads the one value of the text into the tape. */
static bool read_text(struct parser *p, struct cursor *c)
{
    const char *const text = p->index.text;
    uint32_t at;
    if (unlikely(!take(p, c, &at)))
        return refuse(p, JSON_ERROR_SYNTAX, p->index.size, "a value");
    do {
        if (text[at] == '{' || text[at] == '[') {
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
    if (unlikely(take(p, c, &at)))
        return refuse(p, JSON_ERROR_SYNTAX, at, "the end of the text after the value");
    return !p->fault.code;
}

/* What the stages notice but leave to the end: the fault that stands first in the text is told. */
static COLD void fault_earlier(struct parser *p, bool parsed)
{
    struct json_fault *const fault = &p->fault;
    const size_t found_at = parsed ? SIZE_MAX : fault->offset;
    if (p->index.control_at < found_at)
        *fault = (struct json_fault){ JSON_ERROR_STRING, p->index.control_at, NULL, 0 };
    const size_t valid_until =
        p->index.high_bits ? json_utf8_check(p->index.text, p->index.size) : p->index.size;
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

bool json_parse(struct bytes text, const struct json_limits *limits, struct arena *arena,
                struct json_doc *ret_doc, struct json_error *ret_error)
{
    struct parser p;
    struct cursor c = { .token = NULL };
    memset(&p.limits, 0, sizeof p - offsetof(struct parser, limits));
    p.limits = limits_or_presets(limits);
    p.arena = arena;
    p.keys.arena = arena;
    p.doc.text = text;
    if (text.size > p.limits.bytes_max)
        p.fault = (struct json_fault){ JSON_ERROR_BYTES, p.limits.bytes_max, NULL, 0 };
    else {
        json_index_init(&p.index, text.data, text.size);
        const bool parsed = read_text(&p, &c);
        p.doc.nodes = p.nodes;
        p.doc.nodes_count = (uint32_t)(c.node - p.nodes);
        if (parsed && p.doc.nodes_count > p.limits.nodes_max)
            refuse(&p, JSON_ERROR_NODES, p.nodes[p.limits.nodes_max].offset, NULL);
        if (unlikely(!parsed || p.index.high_bits || p.index.control_at != SIZE_MAX))
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
