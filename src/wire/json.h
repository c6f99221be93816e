#pragma once
/* json.h - JSON coming in: a whole document, checked strictly, then walked where it lies.
 *
 * One pass writes a *tape*: 16 bytes a value, in the order of the text, each knowing its place in the text
 * and how many nodes its subtree takes. Nothing is copied or converted: strings stay slices until somebody
 * asks for their unescaped bytes, numbers stay the digits that were sent (numeric is never a double). The
 * text and the arena must outlive the document.
 *
 *     {"a":[1,"x"]}      0 object skip 5   1 key "a"   2 array skip 3   3 number   4 string
 *
 * What RFC 8259 leaves open is decided in docs/reference/json-parsing.md: a byte order mark and lone
 * surrogates are refused, `\u0000` is accepted and flagged (PostgreSQL's text cannot hold it), numbers may
 * have any size. No recursion, no allocation but the tape (and scratch for escaped or many keys), no locale,
 * no global. Source: RFC 8259; RFC 6901 (pointers). */
#include "base/arena.h"
#include "base/bytes.h"
#include "base/check.h"
#include "base/text.h"

enum json_type { JSON_NULL, JSON_BOOL, JSON_NUMBER, JSON_STRING, JSON_ARRAY, JSON_OBJECT };

/* What one document may cost. 0 takes the preset. A limit is the largest value that is still accepted. */
struct json_limits {
    size_t bytes_max;        /* of the text; preset JSON_BYTES_PRESET, at most JSON_BYTES_CEILING */
    size_t string_bytes_max; /* of one string or key as written, quotes not counted; preset: no own limit */
    uint32_t depth_max;      /* arrays and objects inside each other; preset 64, at most JSON_DEPTH_CEILING */
    uint32_t nodes_max;      /* values and keys; preset and ceiling JSON_NODES_CEILING */
    bool refuse_duplicate_keys; /* two members of one object with the same (unescaped) name: an error */
};
#define JSON_BYTES_PRESET  ((size_t)16 << 20)
#define JSON_BYTES_CEILING ((size_t)1 << 31)
#define JSON_DEPTH_PRESET  64u
#define JSON_DEPTH_CEILING 1024u
#define JSON_NODES_CEILING ((1u << 24) - 1)

/* Where and why a text was refused. */
struct json_error {
    const char *code;      /* one of JSON_ERROR_…; stable */
    size_t offset;         /* of the first byte that is wrong; the text's size when it ended too early */
    uint32_t line, column; /* from 1; a column is a character, not a byte */
    char message[192];     /* "expected ',' or '}' after a member, found '\"'" */
};
#define JSON_ERROR_SYNTAX        "json.syntax"    /* a wrong token, a missing one, or one too many */
#define JSON_ERROR_NUMBER        "json.number"    /* 01, 1., +1, 0x1, 1e … */
#define JSON_ERROR_STRING        "json.string"    /* not closed, or a control character in it */
#define JSON_ERROR_ESCAPE        "json.escape"    /* \x, \u12 … */
#define JSON_ERROR_SURROGATE     "json.surrogate" /* half of a pair: no character, so it cannot be UTF-8 */
#define JSON_ERROR_UTF8          "json.utf8"      /* bytes that are not UTF-8 (RFC 3629) */
#define JSON_ERROR_DUPLICATE_KEY "json.duplicate_key" /* only where limits.refuse_duplicate_keys */
#define JSON_ERROR_DEPTH         "json.depth"
#define JSON_ERROR_BYTES         "json.bytes"
#define JSON_ERROR_NODES         "json.nodes"
#define JSON_ERROR_STRING_BYTES  "json.string_bytes"
#define JSON_ERROR_MEMORY        "json.memory" /* the arena met its ceiling */

/* One entry of the tape. Read it through the functions below. */
struct json_node {
    uint32_t head;   /* type, JSON_NODE_ flags, and the count of children << 8 */
    uint32_t offset; /* into the text; of a string: behind its quote */
    uint32_t size;   /* bytes as written; of a string: without quotes */
    uint32_t skip;   /* nodes of the subtree, itself included */
};
#define JSON_NODE_TYPE      0x07u
#define JSON_NODE_LAST      0x08u /* no sibling follows */
#define JSON_NODE_MEMBER    0x10u /* the node before this one is its key */
#define JSON_NODE_ESCAPED   0x20u /* a string with a backslash in it */
#define JSON_NODE_NUL       0x40u /* a string with \u0000 in it */
#define JSON_NODE_INTEGER   0x20u /* a number without fraction and exponent */
#define JSON_NODE_TRUE      0x20u
#define JSON_NODE_ONE_CHILD 0x100u

struct json_doc {
    struct bytes text;
    const struct json_node *nodes;
    uint32_t nodes_count;
    bool has_nul; /* some string or key holds \u0000 */
};

/* Checks a whole text and builds its tape in `arena`.
 * limits: NULL for the presets.
 * Errors: false, and *ret_error says where and why (*ret_doc untouched).
 * Owner: *ret_doc points into `text` and `arena`.
 * Cost: 0.5 to 0.8 ns a byte, 5 KiB of stack whatever the depth; 16 bytes of arena a value or key (a tape
 * that had to grow leaves its smaller self behind). Source: RFC 8259. Two stages as in Langdale and Lemire,
 * "Parsing Gigabytes of JSON per Second" (2019). */
bool json_parse(struct bytes text, const struct json_limits *limits, struct arena *arena,
                struct json_doc *ret_doc, struct json_error *ret_error);

/* --- walking --- */

static inline const struct json_node *json_root(const struct json_doc *doc)
{
    return doc->nodes;
}
static inline enum json_type json_type(const struct json_node *node)
{
    return (enum json_type)(node->head & JSON_NODE_TYPE);
}
/* "null", "boolean", "number", "string", "array", "object": JSON Schema's names, for messages. */
const char *json_type_name(enum json_type type);

/* How many elements or members; 0 for anything else. */
static inline uint32_t json_count(const struct json_node *node)
{
    return node->head >> 8;
}
/* The first element, or the first member's value; NULL when there is none. */
static inline const struct json_node *json_first(const struct json_node *node)
{
    if (json_count(node) == 0)
        return NULL;
    return node + 1 + (json_type(node) == JSON_OBJECT);
}
/* The next element, or the next member's value; NULL at the end. */
static inline const struct json_node *json_next(const struct json_node *node)
{
    if (node->head & JSON_NODE_LAST)
        return NULL;
    return node + node->skip + ((node->head & JSON_NODE_MEMBER) != 0);
}
/* The key of a member, given its value: a string node for json_string() and its kin. NULL for what is no
 * member. */
static inline const struct json_node *json_key(const struct json_node *member)
{
    return member->head & JSON_NODE_MEMBER ? member - 1 : NULL;
}
/* The value of the member with this (unescaped) name, or NULL; the last one where a name stands twice, as
 * ECMAScript has it. `object` may be of any type.
 * Cost: linear; for many lookups walk once and look the keys up instead. */
const struct json_node *json_get(const struct json_doc *doc, const struct json_node *object,
                                 struct bytes name);

/* --- values --- */

static inline bool json_is_null(const struct json_node *node)
{
    return json_type(node) == JSON_NULL;
}
static inline bool json_is_true(const struct json_node *node)
{
    return (node->head & (JSON_NODE_TYPE | JSON_NODE_TRUE)) == (JSON_BOOL | JSON_NODE_TRUE);
}
/* A number written without fraction and exponent. Its size is not looked at. */
static inline bool json_is_integer(const struct json_node *node)
{
    return (node->head & (JSON_NODE_TYPE | JSON_NODE_INTEGER)) == (JSON_NUMBER | JSON_NODE_INTEGER);
}
/* A string or key that holds U+0000, which PostgreSQL's text and jsonb refuse. */
static inline bool json_has_nul(const struct json_node *node)
{
    return (node->head & (JSON_NODE_TYPE | JSON_NODE_NUL)) == (JSON_STRING | JSON_NODE_NUL);
}
/* The value as it was written, quotes included: for passing a subtree on (jsonb) or quoting it. */
static inline struct bytes json_raw(const struct json_doc *doc, const struct json_node *node)
{
    const uint32_t quote = json_type(node) == JSON_STRING;
    return (struct bytes){ doc->text.data + node->offset - quote, node->size + 2 * (size_t)quote };
}
/* A number's digits, exactly as written. */
static inline struct bytes json_number_bytes(const struct json_doc *doc, const struct json_node *node)
{
    check(json_type(node) == JSON_NUMBER);
    return (struct bytes){ doc->text.data + node->offset, node->size };
}
/* Errors: false for anything but a number written as an integer that fits. */
bool json_int64(const struct json_doc *doc, const struct json_node *node, int64_t *ret_value);

/* A string's or key's bytes, unescaped: UTF-8, without a NUL behind them. A slice of the text when nothing
 * was escaped. Errors: data NULL when the arena met its ceiling. */
struct bytes json_string(const struct json_doc *doc, const struct json_node *string, struct arena *arena);

/* Whether a string or key, unescaped, is this. Takes no memory. */
bool json_string_is(const struct json_doc *doc, const struct json_node *string, struct bytes want);

/* --- pointers and writing back --- */

/* Appends `/name`, with ~ and / escaped, or `/index`. Source: RFC 6901. */
void json_pointer_append(struct text *pointer, struct bytes name);
void json_pointer_append_index(struct text *pointer, size_t index);

/* Appends the pointer from the root to `node` ("" for the root itself).
 * Cost: the siblings before each step; for error messages, not for hot paths. */
void json_pointer_to(struct text *pointer, const struct json_doc *doc, const struct json_node *node);

/* Appends the value without white space, every string escaped anew (only what must be), numbers as written.
 * Cost: 8 KiB of stack. */
void json_write_node(struct text *text, const struct json_doc *doc, const struct json_node *node);
