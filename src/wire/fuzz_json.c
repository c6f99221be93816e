/* What json_parse() accepts is walked, unescaped, written anew and read again, and must be the same document.
 * What it refuses must have a place inside the text and a reason. */
#include <stdlib.h>

#include "wire/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A place outside is a fault of the parser. */
static void check_error(const struct json_error *error, size_t size)
{
    check(error->code && error->offset <= size && error->line > 0 && error->column > 0 && error->message[0]);
    check(memchr(error->message, 0, sizeof error->message));
}

static void check_same(const struct json_doc *a, const struct json_doc *b, struct arena *arena)
{
    check(a->nodes_count == b->nodes_count && a->has_nul == b->has_nul);
    for (uint32_t i = 0; i < a->nodes_count; i++) {
        const struct json_node *left = a->nodes + i, *right = b->nodes + i;
        const uint32_t written_anew = json_type(left) == JSON_STRING ? JSON_NODE_ESCAPED : 0;
        check((left->head & ~written_anew) == (right->head & ~written_anew) && left->skip == right->skip);
        if (json_type(left) == JSON_STRING) {
            const struct bytes content = json_string(a, left, arena);
            check(bytes_is_utf8(content) && bytes_equal(content, json_string(b, right, arena)));
            check(json_string_is(a, left, content) && json_string_is(b, right, content));
            check(json_has_nul(left) == (memchr(content.data, 0, content.size) != NULL));
        } else if (json_type(left) < JSON_ARRAY)
            check(bytes_equal(json_raw(a, left), json_raw(b, right)));
    }
}

/* Counts must agree with what a walk sees, and raw slices must be documents themselves. */
static void check_walk(const struct json_doc *doc, struct arena *arena)
{
    for (uint32_t i = 0; i < doc->nodes_count; i++) {
        uint32_t children = 0;
        const struct json_node *node = doc->nodes + i;
        if (json_type(node) >= JSON_ARRAY) {
            const struct json_node *child = json_first(node);
            for (; child; child = json_next(child), children++)
                check(child > node && child < node + node->skip &&
                      !json_key(child) == (json_type(node) == JSON_ARRAY));
        }
        check(children == json_count(node));
    }
    struct text pointer;
    text_init(&pointer, arena, 0);
    json_pointer_to(&pointer, doc, doc->nodes + doc->nodes_count / 2);
    check(text_ok(&pointer));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    /* The first byte chooses the limits. */
    const struct json_limits limits = {
        .depth_max = data[0] & 1 ? 5 : 200,
        .refuse_duplicate_keys = data[0] & 2,
        .nodes_max = data[0] & 4 ? 50 : 0,
        .string_bytes_max = data[0] & 8 ? 20 : 0,
    };
    char *exact = malloc(size - 1 ? size - 1 : 1);
    memcpy(exact, data + 1, size - 1);
    const struct bytes text = { exact, size - 1 };
    struct arena arena;
    arena_init(&arena, 0);
    struct json_doc doc, again;
    struct json_error error;
    if (json_parse(text, &limits, &arena, &doc, &error)) {
        struct text written;
        text_init(&written, &arena, 0);
        json_write_node(&written, &doc, json_root(&doc));
        check(text_ok(&written) && written.size <= text.size);
        check(json_parse(text_bytes(&written), &(struct json_limits){ .depth_max = 200 }, &arena, &again,
                         &error));
        check_same(&doc, &again, &arena);
        check_walk(&doc, &arena);
    } else
        check_error(&error, text.size);
    arena_done(&arena);
    free(exact);
    return 0;
}
