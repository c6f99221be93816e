/* Goal: the fast ways (masks of 64 bytes, AVX2 or not) find what a byte-by-byte walk finds, wherever blocks
 * and windows cut. */
#include "base/test.h"

#include "wire/json_index.c"
#include "wire/json_utf8.c"

static uint64_t random_state = 88172645463325252u;
static uint32_t random_below(uint32_t limit)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return (uint32_t)(random_state >> 32) % limit;
}

#define TEXT_MAX 3000
static uint32_t want[TEXT_MAX], got[TEXT_MAX];

static bool is_one_of(char c, const char *set)
{
    return c && strchr(set, c);
}

/* What json_index.h promises, the plain way. */
static size_t tokens_plainly(const char *text, size_t size, size_t *ret_control_at)
{
    size_t count = 0;
    bool inside = false, scalar = false;
    *ret_control_at = SIZE_MAX;
    for (size_t i = 0; i < size; i++) {
        size_t slashes = 0;
        while (slashes < i && text[i - 1 - slashes] == '\\')
            slashes++;
        if (text[i] == '"' && slashes % 2 == 0) {
            inside = !inside;
            want[count++] = (uint32_t)i;
        } else if (inside) {
            if ((unsigned char)text[i] < 0x20 && *ret_control_at == SIZE_MAX)
                *ret_control_at = i;
        } else if (is_one_of(text[i], "{}[]:,"))
            want[count++] = (uint32_t)i;
        else if (!is_one_of(text[i], " \t\r\n")) {
            if (!scalar)
                want[count++] = (uint32_t)i;
            scalar = true;
            continue;
        }
        scalar = false;
    }
    return count;
}

/* The masks take 0x0c and 0x1a for punctuation when AVX2 is there and for rubbish when it is not; the parser
 * refuses both, so texts outside strings do without them here. */
static void agree(const char *text, size_t size, bool wide)
{
    size_t control_at, count = 0, last_backslash = 0;
    const size_t wanted = tokens_plainly(text, size, &control_at);
    struct json_index *index = malloc(sizeof *index);
    json_index_init(index, text, size);
    index->wide = wide;
    while (json_index_next(index)) {
        expect(index->scan.count <= JSON_WINDOW_BYTES);
        memcpy(got + count, index->tokens, index->scan.count * sizeof *got);
        count += index->scan.count;
    }
    bool high = false;
    for (size_t i = 0; i < size; i++) {
        high |= (unsigned char)text[i] >= 0x80;
        last_backslash = text[i] == '\\' ? i + 1 : last_backslash;
    }
    expect_eq(count, wanted);
    expect(memcmp(got, want, count * sizeof *got) == 0);
    expect_eq(index->scan.control_at, control_at);
    expect_eq(index->scan.high_bits != 0, high);
    expect(index->scan.backslash_until >= last_backslash);
    size_t quotes = 0;
    for (size_t i = 0; i < count; i++)
        quotes += text[want[i]] == '"';
    expect_eq(index->scan.in_string != 0, quotes % 2);
    free(index);
}

static void agree_both(const char *text, size_t size)
{
    struct json_index *here = malloc(sizeof *here);
    json_index_init(here, text, size);
    const bool wide = here->wide;
    free(here);
    char *exact = malloc(size ? size : 1);
    memcpy(exact, text, size);
    agree(exact, size, false);
    if (wide)
        agree(exact, size, true);
    free(exact);
}

TEST(both_indexers_find_what_a_plain_walk_finds)
{
    static const char *const alphabets[] = { "{}[]:,\"a1 ", "\"\\", "\"\\a \n\x01,",
                                             "\"\"\"\\\xc3\xa9[]x\t\r", "a \"" };
    char text[TEXT_MAX];
    for (int round = 0; round < 4000; round++) {
        const char *alphabet = alphabets[round % 5];
        const size_t size = random_below(round % 10 == 0 ? TEXT_MAX : 200);
        for (size_t i = 0; i < size; i++)
            text[i] = alphabet[random_below((uint32_t)strlen(alphabet))];
        agree_both(text, size);
    }
}

TEST(each_byte_alone_is_classified_alike)
{
    char text[130];
    for (int c = 0; c < 256; c++)
        for (size_t at = 0; at < sizeof text; at += 13) {
            if (c == 0x0c || c == 0x1a)
                continue;
            memset(text, ' ', sizeof text);
            text[at] = (char)c;
            agree_both(text, sizeof text);
        }
}

static const unsigned char edges[] = {
    0x00, 0x41, 0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc0, 0xc1, 0xc2,
    0xdf, 0xe0, 0xe1, 0xec, 0xed, 0xee, 0xef, 0xf0, 0xf1, 0xf4, 0xf5, 0xff
};

TEST(the_fast_look_at_utf8_agrees_with_the_walk_on_every_edge)
{
    char text[64];
    const size_t count = sizeof edges;
    for (size_t at = 27; at < 34; at++)
        for (size_t number = 0; number < count * count * count * count; number++) {
            memset(text, 'a', sizeof text);
            size_t rest = number;
            for (size_t i = 0; i < 4; i++, rest /= count)
                text[at + i] = (char)edges[rest % count];
            expect_eq(json_utf8_check(text, sizeof text), utf8_walk(text, sizeof text));
            if (number % 7 == 0) /* cut off behind */
                expect_eq(json_utf8_check(text, at + 4), utf8_walk(text, at + 4));
        }
}

TEST(the_fast_look_at_utf8_agrees_with_the_walk_on_anything)
{
    char text[200];
    for (int round = 0; round < 20000; round++) {
        const size_t size = random_below(sizeof text);
        size_t i = 0;
        while (i < size) { /* mostly well-formed, sometimes not */
            static const char *const pieces[] = { "a", "\xc3\xa9", "\xe2\x82\xac", "\xf0\x9f\x98\x80",
                                                  "plain text" };
            const char *piece = pieces[random_below(5)];
            for (; *piece && i < size; piece++)
                text[i++] = *piece;
        }
        if (size && round % 2)
            text[random_below((uint32_t)size)] = (char)edges[random_below(sizeof edges)];
        char *exact = malloc(size ? size : 1);
        memcpy(exact, text, size);
        expect_eq(json_utf8_check(exact, size), utf8_walk(exact, size));
        free(exact);
    }
}
