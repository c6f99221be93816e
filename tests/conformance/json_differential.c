/* Random documents, and the same with damage: json_parse() and jansson must agree on what is JSON, and
 * jansson must read the same document from our rewriting as from the original. Argument: a seed, to look
 * elsewhere. Exit 77 (skipped) without jansson. */
#include <stdio.h>
#include <stdlib.h>

#include "json_jansson.h"
#include "wire/json.h"

#define SKIPPED   77
#define DOCUMENTS 6000

static uint64_t random_state = 0x2545f4914f6cdd1du;
static uint32_t random_below(uint32_t limit)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return (uint32_t)(random_state >> 32) % limit;
}

static void add_space(struct text *text)
{
    for (uint32_t i = random_below(4) ? 0 : random_below(90); i > 0; i--)
        text_byte(text, " \t\r\n"[random_below(4)]);
}

static void add_string(struct text *text)
{
    static const char *const pieces[] = { "a",
                                          "Z",
                                          " ",
                                          "\xc3\xa9",
                                          "\xe2\x82\xac",
                                          "\xf0\x9f\x98\x80",
                                          "\\\"",
                                          "\\\\",
                                          "\\/",
                                          "\\b",
                                          "\\f",
                                          "\\n",
                                          "\\r",
                                          "\\t",
                                          "\\u0041",
                                          "\\u00e9",
                                          "\\uD83d\\ude00",
                                          "\\u001f",
                                          "{[:,]}",
                                          "\\uffff",
                                          "\x7f",
                                          "long run of plain text ",
                                          "'" };
    text_byte(text, '"');
    for (uint32_t i = random_below(random_below(20) ? 6 : 60); i > 0; i--)
        text_add_z(text, pieces[random_below(array_count(pieces))]);
    text_byte(text, '"');
}

/* Numbers that fit jansson's types; larger ones are ours alone to accept. */
static void add_number(struct text *text)
{
    if (random_below(2))
        text_byte(text, '-');
    text_printf(text, "%u", random_below(3) ? random_below(1000) : random_below(UINT32_MAX));
    if (random_below(3) == 0)
        text_printf(text, ".%0*u", (int)random_below(20) + 1, random_below(10));
    if (random_below(4) == 0)
        text_printf(
            text, "%c%s%02u", "eE" [random_below(2)], (const char *const[]) { "-", "+", "" }[random_below(3)],
            random_below(30));
}

static void add_value(struct text *text, int depth)
{
    add_space(text);
    const uint32_t kind = random_below(depth > 0 ? 8 : 6);
    if (kind < 2)
        add_string(text);
    else if (kind < 4)
        add_number(text);
    else if (kind < 6)
        text_add_z(text, (const char *const[]){ "true", "false", "null" }[random_below(3)]);
    else {
        text_byte(text, kind == 6 ? '[' : '{');
        for (uint32_t left = random_below(random_below(8) ? 8 : 80); left > 0; left--) {
            if (kind == 7) {
                add_space(text);
                add_string(text);
                add_space(text);
                text_byte(text, ':');
            }
            add_value(text, depth - 1);
            if (left > 1)
                text_byte(text, ',');
        }
        add_space(text);
        text_byte(text, kind == 6 ? ']' : '}');
    }
    add_space(text);
}

/* No NUL: jansson takes one behind the document for its end. */
static void damage(struct text *text)
{
    static const char bytes[] = "\"\\{}[]:,0-+.eEtfn u\x01\x80\xc3\xff\n";
    const size_t at = random_below((uint32_t)text->size);
    switch (random_below(4)) {
    case 0:
        text->data[at] = bytes[random_below(sizeof bytes - 1)];
        break;
    case 1:
        memmove(text->data + at, text->data + at + 1, text->size - at - 1);
        text->size--;
        break;
    case 2:
        text->size = at;
        break;
    default:
        text_byte(text, bytes[random_below(sizeof bytes - 1)]);
    }
}

static int complain(const char *what, struct bytes text, const struct json_error *error)
{
    printf("%s: %s\n%.*s\n", what, error->message, BYTES_ARG(text));
    return 1;
}

/* Both must accept or both refuse, with and without double names; and read the same document. */
static int compare(struct bytes text, struct arena *arena)
{
    struct json_error error = { .message = "accepted" };
    struct json_doc doc;
    bool overflow, accepted = false;
    for (int strict = 1; strict >= 0; strict--) {
        accepted =
            json_parse(text, &(struct json_limits){ .refuse_duplicate_keys = strict }, arena, &doc, &error);
        const bool theirs = jansson_accepts(text, strict, &overflow);
        if (accepted != theirs && !(accepted && overflow))
            return complain(theirs ? "jansson alone accepts" : "jansson alone refuses", text, &error);
    }
    if (!accepted || overflow)
        return 0;
    struct text written;
    text_init(&written, arena, 0);
    json_write_node(&written, &doc, json_root(&doc));
    char *original = jansson_rewrite(text, 0), *rewritten = jansson_rewrite(text_bytes(&written), 0);
    const bool same = original && rewritten && strcmp(original, rewritten) == 0;
    free(original);
    free(rewritten);
    return same ? 0 : complain("rewriting changed", text, &error);
}

int main(int argc, char **argv)
{
    if (argc > 1)
        random_state ^= strtoull(argv[1], NULL, 10) * 0x9e3779b97f4a7c15u;
    if (!jansson_open()) {
        puts("skipped: libjansson.so.4 is not here");
        return SKIPPED;
    }
    int wrong = 0, accepted = 0;
    for (int i = 0; i < DOCUMENTS; i++) {
        struct arena arena;
        struct json_doc doc;
        struct json_error error;
        struct text text;
        arena_init(&arena, 0);
        text_init(&text, &arena, 0);
        add_value(&text, 5);
        accepted += json_parse(text_bytes(&text), NULL, &arena, &doc, &error);
        wrong += compare(text_bytes(&text), &arena);
        for (int j = 0; j < 3 && text.size > 0; j++) {
            damage(&text);
            wrong += compare(text_bytes(&text), &arena);
        }
        arena_done(&arena);
    }
    printf("%d documents, %d accepted, %d disagreements\n", DOCUMENTS, accepted, wrong);
    return wrong || accepted < DOCUMENTS;
}
