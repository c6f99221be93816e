/* Goal: two equal keys are found by every way there is, and different keys are never taken for equal. */
#include "base/test.h"

#include "wire/json_keys.c"

static struct arena arena;

static struct json_error error;

static bool unique(struct bytes text)
{
    struct json_doc doc;
    arena_done(&arena);
    return json_parse(text, &(struct json_limits){ .refuse_duplicate_keys = true }, &arena, &doc, &error);
}

TEST(long_keys_that_differ_in_the_middle_alone_are_different)
{
    expect(unique(BYTES("{\"abcdefgh1stuvwxyz\":1,\"abcdefgh2stuvwxyz\":2}")));
    expect(!unique(BYTES("{\"abcdefgh1stuvwxyz\":1,\"abcdefgh1stuvwxyz\":2}")));
    expect(unique(BYTES("{\"\":1,\"a\":1,\"aa\":1,\"aaa\":1,\"aaaaaaa\":1,\"aaaaaaaa\":1,\"aaaaaaaaa\":1}")));
    /* Nothing behind the object, so that a key cannot be read eight bytes at once. */
    expect(unique(BYTES("{\"b\":1,\"a\":1}")));
    expect(!unique(BYTES("{\"a\":1,\"a\":1}")));
    expect(!unique(BYTES("{\"ab\":1,\"ab\":[]}")));
}

/* `count` keys of eight bytes; the ones at `first` and `second` are equal, unless they are the same one. */
static struct bytes object_of(struct text *text, uint32_t count, uint32_t first, uint32_t second)
{
    text_clear(text);
    for (uint32_t i = 0; i < count; i++)
        text_printf(text, "%c\"k%07u\":{\"x\":%u}", i ? ',' : '{',
                    (i == second ? first : i) * 2654435761u % 10000000, i);
    text_byte(text, '}');
    return text_bytes(text);
}

TEST(a_pair_is_found_at_every_two_places_and_in_objects_around_every_threshold)
{
    static const uint32_t counts[] = {
        2, 3, KEYS_PAIRED, KEYS_PAIRED + 1, KEYS_MARKED, KEYS_MARKED + 1, 200
    };
    struct text text;
    text_init_heap(&text, 0);
    for (size_t i = 0; i < array_count(counts); i++)
        for (uint32_t second = 0; second < counts[i]; second++) {
            expect(unique(object_of(&text, counts[i], second, second)));
            for (uint32_t first = 0; first < second; first += 1 + counts[i] / 20) {
                expect(!unique(object_of(&text, counts[i], first, second)));
                expect_str(error.code, JSON_ERROR_DUPLICATE_KEY);
                const char *key = text.data + error.offset;
                expect(bytes_find((struct bytes){ key, 20 }, ':') == 10);
                /* The second of the two is told. */
                expect(strtoul(strstr(key, "\"x\":") + 4, NULL, 10) == second);
            }
        }
    text_done(&text);
}

TEST(scratch_of_one_object_is_not_too_small_for_a_larger_one)
{
    struct text text;
    text_init_heap(&text, 0);
    text_lit(&text, "[{");
    for (int i = 0; i < 32; i++)
        text_printf(&text, "\"\\u0061%d\":1,", i);
    text.size--;
    text_lit(&text, "},{");
    for (int i = 0; i < 32; i++)
        text_printf(&text, "\"\\u0061%d\":1,", i);
    text_lit(&text, "\"a31\":1}]");
    expect(!unique(text_bytes(&text)));
    expect_str(error.code, JSON_ERROR_DUPLICATE_KEY);
    text_done(&text);
}

TEST(sorting_finds_what_hashing_would_when_somebody_chose_the_keys)
{
    char names[600][16];
    struct json_node nodes[600];
    struct json_key keys[600];
    struct json_fault fault;
    for (uint32_t count = 2; count < 600; count += 1 + count / 3)
        for (uint32_t twin = 0; twin <= count; twin += 1 + count / 7) {
            for (uint32_t i = 0; i < count; i++) {
                const uint32_t number = (i + 1 == count && twin < i ? twin : i) * 2654435761u;
                snprintf(names[i], sizeof names[i], "%u", number);
                nodes[i] = (struct json_node){ .offset = i + 1 };
                keys[i] = (struct json_key){ bytes_of(names[i]), &nodes[i], 0 };
            }
            const bool different = twin >= count - 1;
            expect_eq(sorted_differ(keys, count, &fault), different);
            if (!different) {
                expect_eq(fault.offset, count - 1);
                expect_eq(fault.other, twin);
            }
        }
}

TEST(probing_gives_up_for_sorting_and_still_finds_the_pair)
{
    /* 63 keys in 64 slots must meet each other; with no probe allowed the first meeting ends in sorting. */
    char names[63][8];
    struct json_node nodes[63];
    struct json_key keys[63];
    uint32_t slots[64];
    struct json_keys room = { .keys = keys, .slots = slots, .keys_room = 63, .slots_room = 64 };
    struct json_fault fault;
    for (int twins = 0; twins < 2; twins++) {
        for (uint32_t i = 0; i < 63; i++) {
            snprintf(names[i], sizeof names[i], "%u", i == 62 && twins ? 3 : i);
            nodes[i] = (struct json_node){ .offset = i + 1 };
            keys[i] = (struct json_key){ bytes_of(names[i]), &nodes[i], 0 };
        }
        expect_eq(many_differ(&room, 63, 0, &fault), !twins);
        for (uint32_t i = 1; i < 63; i++)
            expect(bytes_compare(keys[i - 1].name, keys[i].name) <= 0); /* it did sort */
    }
    arena_done(&arena);
}
