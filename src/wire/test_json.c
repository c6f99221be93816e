/* Goal: what RFC 8259 allows is read exactly, everything else is refused at the right place, and each limit
 * holds at its edge. */
#include "base/test.h"

#include "base/problem.h"
#include "wire/json.h"
#include "wire/json_index.h"
#include "wire/json_write.h"

static struct arena arena;
static struct json_doc doc;
static struct json_error error;

/* The text lies in a block of its own size, so that a sanitizer sees a read past its end. */
static char *exact;
static struct bytes place(struct bytes text)
{
    free(exact);
    exact = malloc(text.size ? text.size : 1);
    memcpy(exact, text.data, text.size);
    return (struct bytes){ exact, text.size };
}

static bool parse_with(struct bytes text, const struct json_limits *limits)
{
    arena_done(&arena);
    memset(&error, 0, sizeof error);
    return json_parse(place(text), limits, &arena, &doc, &error);
}

static bool parse(struct bytes text)
{
    return parse_with(text, NULL);
}

static const struct json_node *at_pointer(const char *pointer)
{
    struct text text;
    text_init(&text, &arena, 0);
    for (uint32_t i = 0; i < doc.nodes_count; i++) {
        text_clear(&text);
        json_pointer_to(&text, &doc, doc.nodes + i);
        if (bytes_is(text_bytes(&text), pointer) &&
            (i + 1 == doc.nodes_count || json_key(doc.nodes + i + 1) != doc.nodes + i))
            return doc.nodes + i;
    }
    return NULL;
}

static struct bytes compact(const struct json_node *node)
{
    struct text text;
    text_init(&text, &arena, 0);
    json_write_node(&text, &doc, node);
    expect(text_ok(&text));
    return text_bytes(&text);
}

static void refused_at(struct bytes text, const char *code, size_t offset, const char *message)
{
    if (parse(text) || strcmp(error.code, code) != 0 || error.offset != offset ||
        strcmp(error.message, message) != 0) {
        print_error("%.*s\n  got  %s at %zu: %s\n  want %s at %zu: %s\n", BYTES_ARG(text),
                    error.code ? error.code : "ok", error.offset, error.message, code, offset, message);
        expect(false);
    }
}
/* The same with much behind it, so that numbers are not the last sixteen bytes. */
static void refused_anywhere(struct bytes text, const char *code, size_t offset, const char *message)
{
    refused_at(text, code, offset, message);
    if (offset == text.size || strstr(message, "not closed"))
        return;
    struct text longer;
    text_init_heap(&longer, 0);
    text_add(&longer, text);
    text_printf(&longer, "%40s", "");
    refused_at(text_bytes(&longer), code, offset, message);
    text_done(&longer);
}
#define REFUSED(text, code, offset, message) refused_anywhere(BYTES(text), code, offset, message)

TEST(a_document_is_walked_where_it_lies)
{
    expect(parse(BYTES(
        " {\"id\": 12, \"tags\" : [true,false , null,\"x\"],\"empty\":{},\"none\":[ ], \"n\":-1.50e+3}\n")));
    const struct json_node *root = json_root(&doc);
    expect_eq(json_type(root), JSON_OBJECT);
    expect_eq(json_count(root), 5);
    expect_eq(doc.nodes_count, 15);
    const struct json_node *member = json_first(root);
    expect(json_string_is(&doc, json_key(member), BYTES("id")));
    expect(json_is_integer(member));
    expect_bytes(json_number_bytes(&doc, member), "12");
    member = json_next(member);
    expect_bytes(json_string(&doc, json_key(member), &arena), "tags");
    expect_eq(json_count(member), 4);
    expect_bytes(json_raw(&doc, member), "[true,false , null,\"x\"]");
    const struct json_node *element = json_first(member);
    expect(json_is_true(element) && !json_key(element));
    element = json_next(element);
    expect(json_type(element) == JSON_BOOL && !json_is_true(element));
    element = json_next(element);
    expect(json_is_null(element));
    element = json_next(element);
    expect_bytes(json_raw(&doc, element), "\"x\"");
    expect(json_next(element) == NULL);
    member = json_next(member);
    expect(json_type(member) == JSON_OBJECT && json_count(member) == 0 && !json_first(member));
    member = json_next(member);
    expect(json_type(member) == JSON_ARRAY && json_count(member) == 0 && !json_first(member));
    member = json_next(member);
    expect_bytes(json_number_bytes(&doc, member), "-1.50e+3");
    expect(!json_is_integer(member));
    expect(json_next(member) == NULL);
    expect_bytes(compact(root),
                 "{\"id\":12,\"tags\":[true,false,null,\"x\"],\"empty\":{},\"none\":[],\"n\":-1.50e+3}");
    expect_bytes(
        json_raw(&doc, root),
        "{\"id\": 12, \"tags\" : [true,false , null,\"x\"],\"empty\":{},\"none\":[ ], \"n\":-1.50e+3}");
}

TEST(members_are_found_by_their_unescaped_names_and_the_last_of_two_wins)
{
    expect(parse(BYTES("{\"a\":1,\"\\u0062\\/\":2,\"\\ud83d\\ude00\":3,\"a\":4,\"ab\":5,\"\":6}")));
    const struct json_node *root = json_root(&doc);
    expect_bytes(json_raw(&doc, json_get(&doc, root, BYTES("a"))), "4");
    expect_bytes(json_raw(&doc, json_get(&doc, root, BYTES("b/"))), "2");
    expect_bytes(json_raw(&doc, json_get(&doc, root, BYTES("\xf0\x9f\x98\x80"))), "3");
    expect_bytes(json_raw(&doc, json_get(&doc, root, BYTES(""))), "6");
    expect(json_get(&doc, root, BYTES("b")) == NULL);
    expect(json_get(&doc, root, BYTES("b/x")) == NULL);
    expect(json_get(&doc, json_first(root), BYTES("a")) == NULL);
}

TEST(integers_are_read_when_they_fit_and_were_written_as_such)
{
    expect(parse(BYTES("[9223372036854775807,-9223372036854775808,9223372036854775808,-0,1.0,1e2,\"1\","
                       "123456789012345678901234567890]")));
    int64_t value = 0;
    const struct json_node *number = json_first(json_root(&doc));
    expect(json_int64(&doc, number, &value) && value == INT64_MAX);
    number = json_next(number);
    expect(json_int64(&doc, number, &value) && value == INT64_MIN);
    number = json_next(number);
    expect(json_is_integer(number) && !json_int64(&doc, number, &value) && value == INT64_MIN);
    number = json_next(number);
    expect(json_int64(&doc, number, &value) && value == 0);
    for (int i = 0; i < 3; i++) {
        number = json_next(number);
        expect(!json_is_integer(number) && !json_int64(&doc, number, &value));
    }
    number = json_next(number);
    expect_bytes(json_number_bytes(&doc, number), "123456789012345678901234567890");
}

TEST(strings_are_unescaped_when_asked_for_and_lent_when_nothing_was_escaped)
{
    expect(parse(BYTES("[\"plain\",\"\",\"\\\"\\\\\\/"
                       "\\b\\f\\n\\r\\t\",\"\\u0041\\u00e9\\u20AC\\uD83D\\uDE00z\",\"a\\u0000b\"]")));
    const struct json_node *string = json_first(json_root(&doc));
    expect(json_string(&doc, string, &arena).data == exact + 2);
    string = json_next(string);
    expect(json_string(&doc, string, &arena).data != NULL);
    expect_bytes(json_string(&doc, string, &arena), "");
    string = json_next(string);
    expect_bytes(json_string(&doc, string, &arena), "\"\\/\b\f\n\r\t");
    expect(!json_has_nul(string));
    string = json_next(string);
    expect_bytes(json_string(&doc, string, &arena), "A\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80z");
    string = json_next(string);
    expect(bytes_equal(json_string(&doc, string, &arena), BYTES("a\0b")));
    expect(json_has_nul(string) && doc.has_nul);
    expect_bytes(compact(json_root(&doc)),
                 "[\"plain\",\"\",\"\\\"\\\\/"
                 "\\b\\f\\n\\r\\t\",\"A\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80z\",\"a\\u0000b\"]");
    struct arena full;
    arena_init(&full, 1);
    expect(json_string(&doc, string, &full).data == NULL);
    expect(json_string_is(&doc, string, BYTES("a\0b")));
    expect(!json_string_is(&doc, string, BYTES("a")));
    expect(!json_string_is(&doc, string, BYTES("a\0bc")));
}

TEST(a_value_alone_is_a_document)
{
    static const char *const texts[] = { "0",     "-0",   "12", "\"\"", "\"a\"",         "true",
                                         "false", "null", "[]", "{}",   " \t\r\n1.5E-7 " };
    for (size_t i = 0; i < array_count(texts); i++) {
        expect(parse(bytes_of(texts[i])));
        expect_eq(doc.nodes_count, 1);
        expect_bytes(compact(json_root(&doc)), i + 1 < array_count(texts) ? texts[i] : "1.5E-7");
    }
}

TEST(what_is_wrong_is_told_with_its_place_and_what_was_expected)
{
    REFUSED("", JSON_ERROR_SYNTAX, 0, "expected a value, found the end of the text");
    REFUSED("  ", JSON_ERROR_SYNTAX, 2, "expected a value, found the end of the text");
    REFUSED("{\"a\" 1}", JSON_ERROR_SYNTAX, 5, "expected ':' after a key, found '1'");
    REFUSED("{\"a\":1 \"b\":2}", JSON_ERROR_SYNTAX, 7, "expected ',' or '}' after a member, found '\"'");
    REFUSED("{\"a\":1,}", JSON_ERROR_SYNTAX, 7, "expected a key in double quotes, found '}'");
    REFUSED("{a:1}", JSON_ERROR_SYNTAX, 1, "expected a key in double quotes, found 'a'");
    REFUSED("{'a':1}", JSON_ERROR_SYNTAX, 1, "expected a key in double quotes, found a single quote");
    REFUSED("[1 2]", JSON_ERROR_SYNTAX, 3, "expected ',' or ']' after an element, found '2'");
    REFUSED("[1,]", JSON_ERROR_SYNTAX, 3, "expected a value, found ']'");
    REFUSED("[1}", JSON_ERROR_SYNTAX, 2, "expected ',' or ']' after an element, found '}'");
    REFUSED("[1", JSON_ERROR_SYNTAX, 2, "expected ',' or ']' after an element, found the end of the text");
    REFUSED("[", JSON_ERROR_SYNTAX, 1, "expected a value or ']', found the end of the text");
    REFUSED("{", JSON_ERROR_SYNTAX, 1, "expected a key or '}', found the end of the text");
    REFUSED("{\"a\"", JSON_ERROR_SYNTAX, 4, "expected ':' after a key, found the end of the text");
    REFUSED("{\"a\":", JSON_ERROR_SYNTAX, 5, "expected a value, found the end of the text");
    REFUSED("{\"a\":1,", JSON_ERROR_SYNTAX, 7, "expected a key, found the end of the text");
    REFUSED("1 2", JSON_ERROR_SYNTAX, 2, "expected the end of the text after the value, found '2'");
    REFUSED("{}{", JSON_ERROR_SYNTAX, 2, "expected the end of the text after the value, found '{'");
    REFUSED("\"a\"x", JSON_ERROR_SYNTAX, 3, "expected the end of the text after the value, found 'x'");
    REFUSED("[True]", JSON_ERROR_SYNTAX, 1, "expected a value, found 'True'");
    REFUSED("[nulL]", JSON_ERROR_SYNTAX, 1, "expected a value, found 'nulL'");
    REFUSED("[falsy]", JSON_ERROR_SYNTAX, 1, "expected a value, found 'falsy'");
    REFUSED("[truefalse]", JSON_ERROR_SYNTAX, 1, "expected a value, found 'truefalse'");
    REFUSED("[NaN]", JSON_ERROR_SYNTAX, 1, "expected a value, found 'NaN'");
    REFUSED("tru", JSON_ERROR_SYNTAX, 0, "expected a value, found 'tru'");
    REFUSED("\xef\xbb\xbf{}", JSON_ERROR_SYNTAX, 0, "expected a value, found a byte order mark");
    REFUSED("[\x01]", JSON_ERROR_SYNTAX, 1, "expected a value, found the byte 0x01");
    REFUSED("[1\x0c,2]", JSON_ERROR_NUMBER, 2, "expected the number to end, found the byte 0x0c");
    REFUSED("[1,\x1a]", JSON_ERROR_SYNTAX, 3, "expected a value, found the byte 0x1a");
    REFUSED("[\\\"a\\\"]", JSON_ERROR_SYNTAX, 1, "expected a value, found '\\'");
}

TEST(numbers_are_only_what_the_grammar_allows)
{
    REFUSED("01", JSON_ERROR_NUMBER, 1, "expected no digit after 0, found '1'");
    REFUSED("[-01]", JSON_ERROR_NUMBER, 3, "expected no digit after 0, found '1'");
    REFUSED("-", JSON_ERROR_NUMBER, 1, "expected a digit after '-', found the end of the text");
    REFUSED("[-a]", JSON_ERROR_NUMBER, 2, "expected a digit after '-', found 'a'");
    REFUSED("1.", JSON_ERROR_NUMBER, 2, "expected a digit after '.', found the end of the text");
    REFUSED("[1.e1]", JSON_ERROR_NUMBER, 3, "expected a digit after '.', found 'e'");
    REFUSED("[1e]", JSON_ERROR_NUMBER, 3, "expected a digit in the exponent, found ']'");
    REFUSED("[1E+]", JSON_ERROR_NUMBER, 4, "expected a digit in the exponent, found ']'");
    REFUSED("[1e1.5]", JSON_ERROR_NUMBER, 4, "expected the number to end, found '.'");
    REFUSED("[0x1F]", JSON_ERROR_NUMBER, 2, "expected the number to end, found 'x'");
    REFUSED("[1-2]", JSON_ERROR_NUMBER, 2, "expected the number to end, found '-'");
    REFUSED("[+1]", JSON_ERROR_SYNTAX, 1, "expected a value, found '+'");
    REFUSED("[.5]", JSON_ERROR_SYNTAX, 1, "expected a value, found '.'");
    static const char *const good[] = { "0",
                                        "-0",
                                        "0.0",
                                        "0e0",
                                        "0E-0",
                                        "10",
                                        "-12345678901234567890.12345678901234567890e+12345678901234567890",
                                        "1234567890123456",
                                        "12345678901234567",
                                        "0.12345678901234",
                                        "0.123456789012345",
                                        "1e5",
                                        "1.5e5" };
    for (size_t i = 0; i < array_count(good); i++) {
        char text[128];
        snprintf(text, sizeof text, "[%s]", good[i]);
        expect(parse(bytes_of(text)));
        expect_bytes(json_number_bytes(&doc, json_first(json_root(&doc))), good[i]);
        snprintf(text, sizeof text, "%s", good[i]);
        expect(parse(bytes_of(text)));
        expect_bytes(json_number_bytes(&doc, json_root(&doc)), good[i]);
        snprintf(text, sizeof text, "%s%40s", good[i], "");
        expect(parse(bytes_of(text)));
        expect_bytes(json_number_bytes(&doc, json_root(&doc)), good[i]);
        expect_eq(json_is_integer(json_root(&doc)), strpbrk(good[i], ".eE") == NULL);
    }
}

TEST(strings_refuse_control_characters_bad_escapes_and_half_pairs)
{
    REFUSED("\"abc", JSON_ERROR_STRING, 4, "the string that begins at line 1, column 1 is not closed");
    REFUSED("[\n\"abc\\\"]", JSON_ERROR_STRING, 9,
            "the string that begins at line 2, column 1 is not closed");
    REFUSED("\"\\", JSON_ERROR_STRING, 2, "the string that begins at line 1, column 1 is not closed");
    REFUSED("[\"a\nb\"]", JSON_ERROR_STRING, 3, "the control character 0x0a must be escaped inside a string");
    REFUSED("[\"a\0b\"]", JSON_ERROR_STRING, 3, "the control character 0x00 must be escaped inside a string");
    REFUSED("[\"\\x41\"]", JSON_ERROR_ESCAPE, 2, "expected one of \" \\ / b f n r t u after '\\', found 'x'");
    REFUSED("[\"\\u12\"]", JSON_ERROR_ESCAPE, 2, "expected four hexadecimal digits after '\\u'");
    REFUSED("[\"\\u12g4\"]", JSON_ERROR_ESCAPE, 2, "expected four hexadecimal digits after '\\u'");
    REFUSED("[\"\\ud800\"]", JSON_ERROR_SURROGATE, 2,
            "'\\ud800' is half of a surrogate pair and stands for no character");
    REFUSED("[\"x\\uDC00\"]", JSON_ERROR_SURROGATE, 3,
            "'\\uDC00' is half of a surrogate pair and stands for no character");
    REFUSED("[\"\\ud800\\ud800\"]", JSON_ERROR_SURROGATE, 2,
            "'\\ud800' is half of a surrogate pair and stands for no character");
    REFUSED("[\"\\ud800\\n\"]", JSON_ERROR_SURROGATE, 2,
            "'\\ud800' is half of a surrogate pair and stands for no character");
    REFUSED("[\"\\ud800\\udc0\"]", JSON_ERROR_SURROGATE, 2,
            "'\\ud800' is half of a surrogate pair and stands for no character");
    expect(parse(BYTES("[\"\\ud800\\udc00\\udbff\\uDFFF\\ue000\\ud7ff\"]")));
    expect_bytes(json_string(&doc, json_first(json_root(&doc)), &arena),
                 "\xf0\x90\x80\x80\xf4\x8f\xbf\xbf\xee\x80\x80\xed\x9f\xbf");
    expect(parse(BYTES("[\"\x7f\"]")));
}

TEST(the_fault_that_stands_first_is_told_whichever_stage_saw_it)
{
    REFUSED("[\"a\nb\", x]", JSON_ERROR_STRING, 3,
            "the control character 0x0a must be escaped inside a string");
    REFUSED("[x, \"a\nb\"]", JSON_ERROR_SYNTAX, 1, "expected a value, found 'x'");
    REFUSED("[\"\xff\", x]", JSON_ERROR_UTF8, 2, "the byte 0xff is not UTF-8 here");
    REFUSED("[x, \"\xff\"]", JSON_ERROR_SYNTAX, 1, "expected a value, found 'x'");
    REFUSED("[\"\xff\", \"a\nb\"]", JSON_ERROR_UTF8, 2, "the byte 0xff is not UTF-8 here");
    REFUSED("[\"a\nb\", \"\xff\"]", JSON_ERROR_STRING, 3,
            "the control character 0x0a must be escaped inside a string");
    REFUSED("[\"abc\ndef", JSON_ERROR_STRING, 5,
            "the control character 0x0a must be escaped inside a string");
}

TEST(lines_are_counted_and_a_column_is_a_character)
{
    expect(!parse(BYTES("{\n  \"gr\xc3\xb6\xc3\x9f\x65\": 1,\r\n  \"\xf0\x9f\x98\x80\": tru\n}")));
    expect_eq(error.line, 3);
    expect_eq(error.column, 8);
    expect(!parse(BYTES("x")));
    expect_eq(error.line, 1);
    expect_eq(error.column, 1);
    expect(!parse(BYTES("[\n\n")));
    expect_eq(error.line, 3);
    expect_eq(error.column, 1);
}

/* Text of `size` bytes: spaces around, `middle` at `offset`. */
static struct bytes padded(size_t size, size_t offset, struct bytes middle)
{
    static char text[8192];
    check(size <= sizeof text && offset + middle.size <= size);
    memset(text, ' ', size);
    memcpy(text + offset, middle.data, middle.size);
    return (struct bytes){ text, size };
}

TEST(a_document_is_the_same_wherever_blocks_and_windows_cut_it)
{
    const struct bytes middle =
        BYTES("{\"k\\\\\\\"y\":[-12.5e1,\"\\u00e9\\\\\",true,{\"a\":null},\"{[,:]}\"]}");
    for (size_t offset = 0; offset < 2200; offset += offset == 130 ? 800 : 1) {
        expect(parse(padded(offset + middle.size, offset, middle)));
        expect_bytes(compact(json_root(&doc)),
                     "{\"k\\\\\\\"y\":[-12.5e1,\"\xc3\xa9\\\\\",true,{\"a\":null},\"{[,:]}\"]}");
        expect(parse(padded(offset + middle.size + 70, offset, middle)));
        expect(!parse(padded(offset + middle.size - 1, offset, bytes_first(middle, middle.size - 1))));
        expect_eq(error.offset, offset + middle.size - 1);
    }
}

/* Every node of a finished document lies where its neighbours say. */
static uint32_t nodes_walked(void)
{
    uint32_t walked = 1;
    for (uint32_t i = 0; i < doc.nodes_count; i++) {
        uint32_t children = 0;
        for (const struct json_node *child = json_first(doc.nodes + i); child; child = json_next(child)) {
            expect(child < doc.nodes + i + doc.nodes[i].skip);
            children++;
            walked += 1 + (json_key(child) != NULL);
        }
        expect_eq(children, json_count(doc.nodes + i));
    }
    return walked;
}

TEST(a_tape_that_moves_while_it_grows_keeps_what_is_half_done)
{
    struct text text;
    text_init_heap(&text, 0);
    for (int sparse = 8 * 1024; sparse < 9 * 1024; sparse++) {
        text_clear(&text);
        text_printf(&text, "[\"%0*d\",[", sparse, 0);
        for (int i = 0; i < 512; i++)
            text_lit(&text, "[],");
        text_lit(&text, "1],{\"a\":2");
        for (int i = 0; i < 300; i++)
            text_lit(&text, ",\"\":0");
        text_lit(&text, "}]");
        expect(parse(text_bytes(&text)));
        expect_eq(doc.nodes_count, 1 + 1 + 1 + 513 + 1 + 602);
        expect_eq(nodes_walked(), doc.nodes_count);
    }
    text_done(&text);
}

TEST(the_tape_of_a_large_document_is_not_copied_again_and_again)
{
    struct text text;
    text_init_heap(&text, 0);
    for (int i = 0; i < 20000; i++)
        text_printf(&text, "%c{\"id\":%d,\"name\":\"somebody\"}", i ? ',' : '[', i);
    text_byte(&text, ']');
    expect(parse(text_bytes(&text)));
    expect_eq(doc.nodes_count, 100001);
    expect(arena.used_bytes < 2 * 100001 * sizeof(struct json_node));
    expect(!parse_with(text_bytes(&text), &(struct json_limits){ .nodes_max = 10 }));
    expect_str(error.code, JSON_ERROR_NODES);
    expect(bytes_starts(bytes_from(text_bytes(&text), error.offset), BYTES("\"somebody\"},{\"id\":2")));
    expect(arena.used_bytes <= 4 * ARENA_CHUNK_BYTES);
    text_done(&text);
}

TEST(runs_of_backslashes_end_a_string_only_when_they_are_even)
{
    char text[400];
    for (size_t offset = 0; offset < 130; offset++)
        for (size_t slashes = 0; slashes < 140; slashes += slashes < 5 ? 1 : 9) {
            memset(text, ' ', offset);
            text[offset] = '"';
            memset(text + offset + 1, '\\', slashes);
            text[offset + 1 + slashes] = '"';
            expect_eq(parse((struct bytes){ text, offset + slashes + 2 }), slashes % 2 == 0);
            if (slashes % 2 == 0)
                expect_eq(json_string(&doc, json_root(&doc), &arena).size, slashes / 2);
            text[offset + 2 + slashes] = '"';
            expect_eq(parse((struct bytes){ text, offset + slashes + 3 }), slashes % 2 == 1);
        }
}

TEST(only_utf8_is_a_string)
{
    static const char *const good[] = {
        "\xc2\x80",     "\xdf\xbf",     "\xe0\xa0\x80",     "\xed\x9f\xbf",
        "\xee\x80\x80", "\xef\xbf\xbf", "\xf0\x90\x80\x80", "\xf4\x8f\xbf\xbf"
    };
    static const char *const bad[] = { "\x80",
                                       "\xc0\x80",
                                       "\xc1\xbf",
                                       "\xc2",
                                       "\xc2\x41",
                                       "\xe0\x9f\xbf",
                                       "\xe2\x82",
                                       "\xe2\x82x",
                                       "\xed\xa0\x80",
                                       "\xed\xbf\xbf",
                                       "\xf0\x8f\xbf\xbf",
                                       "\xf4\x90\x80\x80",
                                       "\xf5\x80\x80\x80",
                                       "\xf0\x9f\x98",
                                       "\xf0\x9f\x98z",
                                       "\xff",
                                       "\xfe",
                                       "\xc3\xa9\xa9" };
    char text[256];
    for (size_t offset = 1; offset < 140; offset++) {
        memset(text, 'a', sizeof text);
        text[0] = '"';
        for (size_t i = 0; i < array_count(good); i++) {
            memcpy(text + offset, good[i], strlen(good[i]));
            text[offset + strlen(good[i])] = '"';
            expect(parse((struct bytes){ text, offset + strlen(good[i]) + 1 }));
        }
        for (size_t i = 0; i < array_count(bad); i++) {
            memcpy(text + offset, bad[i], strlen(bad[i]));
            text[offset + strlen(bad[i])] = '"';
            expect(!parse((struct bytes){ text, offset + strlen(bad[i]) + 1 }));
            expect_str(error.code, JSON_ERROR_UTF8);
            expect_eq(error.offset, offset + (i == array_count(bad) - 1 ? 2 : 0));
        }
    }
}

TEST(each_limit_is_met_and_passed_by_one)
{
    expect(parse_with(BYTES("[1,2]"), &(struct json_limits){ .bytes_max = 5 }));
    expect(!parse_with(BYTES("[1,2] "), &(struct json_limits){ .bytes_max = 5 }));
    expect_str(error.code, JSON_ERROR_BYTES);
    expect_str(error.message, "6 bytes, where 5 are allowed");

    expect(parse_with(BYTES("[{\"a\":[]}]"), &(struct json_limits){ .depth_max = 3 }));
    expect(!parse_with(BYTES("[{\"a\":[[]]}]"), &(struct json_limits){ .depth_max = 3 }));
    expect_str(error.code, JSON_ERROR_DEPTH);
    expect_eq(error.offset, 7);
    expect_str(error.message, "more than 3 arrays and objects inside each other");

    expect(parse_with(BYTES("[1,{\"a\":2}]"), &(struct json_limits){ .nodes_max = 5 }));
    expect(!parse_with(BYTES("[1,{\"a\":2},3]"), &(struct json_limits){ .nodes_max = 5 }));
    expect_str(error.code, JSON_ERROR_NODES);
    expect_eq(error.offset, 11);

    expect(parse_with(BYTES("{\"abcde\":\"fghij\"}"), &(struct json_limits){ .string_bytes_max = 5 }));
    expect(!parse_with(BYTES("{\"abcde\":\"fghijk\"}"), &(struct json_limits){ .string_bytes_max = 5 }));
    expect_str(error.code, JSON_ERROR_STRING_BYTES);
    expect_eq(error.offset, 9);
    expect(!parse_with(BYTES("{\"abcdef\":1}"), &(struct json_limits){ .string_bytes_max = 5 }));
    expect_eq(error.offset, 1);
}

TEST(a_hundred_thousand_brackets_are_refused_at_the_depth_limit)
{
    char *text = malloc(200000);
    memset(text, '[', 100000);
    memset(text + 100000, ']', 100000);
    expect(!parse((struct bytes){ text, 200000 }));
    expect_str(error.code, JSON_ERROR_DEPTH);
    expect_eq(error.offset, 64);
    expect(!parse_with((struct bytes){ text, 200000 },
                       &(struct json_limits){ .depth_max = JSON_DEPTH_CEILING }));
    expect_eq(error.offset, JSON_DEPTH_CEILING);
    const size_t deepest = JSON_DEPTH_CEILING;
    expect(parse_with((struct bytes){ text + 100000 - deepest, 2 * deepest },
                      &(struct json_limits){ .depth_max = JSON_DEPTH_CEILING }));
    expect_eq(compact(json_root(&doc)).size, 2 * deepest);
    free(text);
}

TEST(an_arena_that_is_full_is_an_error_and_no_crash)
{
    char text[4001];
    memset(text, '1', sizeof text);
    for (size_t i = 0; i < sizeof text; i += 2)
        text[i] = ',';
    text[0] = '[';
    text[4000] = ']';
    struct arena small;
    arena_init(&small, ARENA_CHUNK_BYTES);
    expect(!json_parse((struct bytes){ text, sizeof text }, NULL, &small, &doc, &error));
    expect_str(error.code, JSON_ERROR_MEMORY);
    arena_done(&small);
    arena_init(&small, 0);
    expect(json_parse((struct bytes){ text, sizeof text }, NULL, &small, &doc, &error));
    expect_eq(doc.nodes_count, 2001);
    arena_done(&small);
}

TEST(a_document_takes_no_more_arena_than_its_tape)
{
    arena_done(&arena);
    expect(json_parse(BYTES("{\"a\":[1,2,3],\"b\":\"c\"}"), NULL, &arena, &doc, &error));
    const char *next = arena_alloc(&arena, 16);
    expect(next == (const char *)(doc.nodes + doc.nodes_count));
}

TEST(reading_the_same_kind_of_document_again_asks_malloc_for_nothing)
{
    arena_done(&arena);
    expect(parse(BYTES("{\"a\":[1,2,{\"b\":\"c\\n\"}]}")));
    const uint64_t before = arena_stats_here().mallocs_total;
    for (int i = 0; i < 100; i++) {
        arena_done(&arena);
        expect(json_parse(BYTES("{\"a\":[1,2,{\"b\":\"c\\n\"}]}"), NULL, &arena, &doc, &error));
    }
    expect_eq(arena_stats_here().mallocs_total, before);
}

static bool unique(struct bytes text)
{
    return parse_with(text, &(struct json_limits){ .refuse_duplicate_keys = true });
}

TEST(a_key_that_stands_twice_is_refused_where_asked)
{
    expect(parse(BYTES("{\"a\":1,\"a\":2}")));
    expect(unique(BYTES("{\"a\":1,\"b\":{\"a\":1},\"c\":[{\"a\":1},{\"a\":1}],\"A\":3}")));
    expect(!unique(BYTES("{\"a\":1,\n \"b\":2, \"a\":2}")));
    expect_str(error.code, JSON_ERROR_DUPLICATE_KEY);
    expect_eq(error.offset, 16);
    expect_eq(error.line, 2);
    expect_eq(error.column, 9);
    expect_str(error.message, "the key \"a\" stands twice in one object, first at line 1, column 2");
    expect(!unique(BYTES("{\"gr\xc3\xb6\xc3\x9f\x65\\n\":1,\"gr\xc3\xb6\xc3\x9f\x65\\n\":2}")));
    expect_str(error.message,
               "the key \"gr\xc3\xb6\xc3\x9f\x65…\" stands twice in one object, first at line 1, column 2");
    expect(!unique(BYTES("[{\"ab\":1,\"\\u0061b\":2}]")));
    expect(!unique(BYTES("[{\"\\u0061b\":2,\"ab\":1}]")));
    expect(!unique(BYTES("{\"\":1,\"\":2}")));
    /* What must not come into a log line: half a character, a line break. */
    expect(!unique(BYTES(
        "{\"x\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4"
        "\xc3\xa4\xc3\xa4\xc3\xa4"
        "\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\":1,"
        "\"x\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4"
        "\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\":2}")));
    expect(bytes_is_utf8(bytes_of(error.message)));
    expect(strstr(error.message, "\xc3\xa4…\" stands twice"));
    expect(!unique(BYTES("{\"a\\nb\":1,\"a\nb\":2}")));
    expect_str(error.message, "the key \"a…\" stands twice in one object, first at line 1, column 2");
    expect(unique(BYTES("{\"\\\\u0061\":1,\"a\":2}")));
}

/* {"key0":0,…}, and once more the key `again` when it is not below 0. */
static struct bytes many_keys(struct text *text, int count, int again)
{
    text_clear(text);
    text_byte(text, '{');
    for (int i = 0; i < count; i++)
        text_printf(text, "%s\"key%d\":%d", i ? "," : "", i, i);
    if (again >= 0)
        text_printf(text, ",\"k\\u0065y%d\":0", again);
    text_byte(text, '}');
    return text_bytes(text);
}

TEST(duplicates_are_found_in_objects_of_every_size)
{
    struct text text;
    text_init_heap(&text, 0);
    for (int count = 1; count < 80; count++) {
        expect(unique(many_keys(&text, count, -1)));
        for (int again = 0; again < count; again += 1 + count / 8) {
            expect(!unique(many_keys(&text, count, again)));
            expect_str(error.code, JSON_ERROR_DUPLICATE_KEY);
            expect_eq(text.data[error.offset], '"');
        }
    }
    expect(unique(many_keys(&text, 20000, -1)));
    expect_eq(json_count(json_root(&doc)), 20000);
    expect(!unique(many_keys(&text, 20000, 19999)));
    text_done(&text);
}

TEST(a_pointer_leads_from_the_root_to_each_value)
{
    expect(parse(BYTES("{\"a/b\":[0,{\"m~n\":[[],7]}],\"\":{\"\\u002f\":1},\"x\":2}")));
    struct text pointer;
    text_init(&pointer, &arena, 0);
    json_pointer_append(&pointer, BYTES("a/b~"));
    json_pointer_append_index(&pointer, 10);
    expect_bytes(text_bytes(&pointer), "/a~1b~0/10");
    expect(at_pointer("") == json_root(&doc));
    expect_bytes(json_raw(&doc, at_pointer("/a~1b/0")), "0");
    expect_bytes(json_raw(&doc, at_pointer("/a~1b/1/m~0n/1")), "7");
    expect_bytes(json_raw(&doc, at_pointer("/a~1b/1/m~0n/0")), "[]");
    expect_bytes(json_raw(&doc, at_pointer("//~1")), "1");
    expect_bytes(json_raw(&doc, at_pointer("/x")), "2");
    text_clear(&pointer);
    json_pointer_to(&pointer, &doc, json_key(json_get(&doc, json_root(&doc), BYTES("x"))));
    expect_bytes(text_bytes(&pointer), "/x");
}

TEST(types_have_the_names_of_json_schema)
{
    expect(parse(BYTES("[null,true,1,\"\",[],{}]")));
    static const char *const names[] = { "null", "boolean", "number", "string", "array", "object" };
    size_t i = 0;
    for (const struct json_node *node = json_first(json_root(&doc)); node; node = json_next(node))
        expect_str(json_type_name(json_type(node)), names[i++]);
    expect_eq(i, 6);
    free(exact);
    exact = NULL;
    arena_done(&arena);
}
