/* Goal: a row of a result is the object its shape says: keys, order, nesting, nulls, every kind by its fast
 * way, and a steady state that asks for no memory. */
#include "base/test.h"

#include <libpq-fe.h>

#include "base/check.h"
#include "pg/row.h"

static struct text text;
static struct pg_encoding encoding;

/* A result of one row, made here: it is libpq's own struct, no server is asked. */
static PGresult *result_of(const char *const *values, int count)
{
    PGresult *result = PQmakeEmptyPGresult(NULL, PGRES_TUPLES_OK);
    PGresAttDesc columns[16] = { 0 };
    char name[] = "c";
    expect(result && count <= (int)array_count(columns));
    for (int i = 0; i < count; i++)
        columns[i].name = name;
    expect(PQsetResultAttrs(result, count, columns));
    for (int i = 0; i < count; i++) {
        char *value = values[i] ? strdup(values[i]) : NULL;
        expect(PQsetvalue(result, 0, i, value, value ? (int)strlen(value) : -1));
        free(value);
    }
    return result;
}

static const struct pg_result *as_result(const PGresult *result)
{
    return (const struct pg_result *)(const void *)result;
}

static struct bytes written(const struct row_shape *shape, const PGresult *result)
{
    text_done(&text);
    text_init_heap(&text, 0);
    row_write(&text, shape, as_result(result), 0, &encoding);
    expect(text_ok(&text));
    return text_bytes(&text);
}

#define MEMBER(key_, oid_, column_)                                                                          \
    {                                                                                                        \
        .key = BYTES_INIT("\"" key_ "\":"), .type = pg_type_builtin(oid_), .column = column_                 \
    }

TEST(each_kind_is_written_by_its_key_in_the_order_of_the_shape)
{
    static const char *const values[] = { "7",          "9007199254740993",       "-1.50", "t",   "a\"b",
                                          "{\"a\": 1}", "2024-01-31 12:00:00+00", "{1,2}", "NaN", "" };
    PGresult *result = result_of(values, array_count(values));
    const struct row_member members[] = {
        MEMBER("int", 23, 0),   MEMBER("big", 20, 1),    MEMBER("numeric", 1700, 2), MEMBER("bool", 16, 3),
        MEMBER("text", 25, 4),  MEMBER("json", 3802, 5), MEMBER("at", 1184, 6),      MEMBER("array", 1007, 7),
        MEMBER("nan", 1700, 8), MEMBER("empty", 25, 9),  MEMBER("again", 23, 0),
    };
    const struct row_shape shape = { members, array_count(members) };
    expect_bytes(written(&shape, result),
                 "{\"int\":7,\"big\":9007199254740993,\"numeric\":-1.50,\"bool\":true,\"text\":\"a\\\"b\","
                 "\"json\":{\"a\": "
                 "1},\"at\":\"2024-01-31T12:00:00+00:00\",\"array\":[1,2],\"nan\":\"NaN\",\"empty\":\"\","
                 "\"again\":7}");
    encoding.bigint_as_string = true;
    const struct row_shape second = { members + 1, 1 };
    expect_bytes(written(&second, result), "{\"big\":\"9007199254740993\"}");
    encoding.bigint_as_string = false;
    PQclear(result);
}

TEST(null_is_told_from_empty)
{
    static const char *const values[] = { NULL, "", NULL };
    PGresult *result = result_of(values, 3);
    const struct row_member members[] = { MEMBER("a", 25, 0), MEMBER("b", 25, 1), MEMBER("c", 1007, 2) };
    expect_bytes(written(&(struct row_shape){ members, 3 }, result), "{\"a\":null,\"b\":\"\",\"c\":null}");
    PQclear(result);
}

TEST(hidden_members_are_left_out_wherever_they_stand_and_an_empty_object_is_one)
{
    static const char *const values[] = { "1" };
    PGresult *result = result_of(values, 1);
    struct row_member members[] = { MEMBER("a", 23, 0), MEMBER("b", 23, 0), MEMBER("c", 23, 0) };
    const struct row_shape shape = { members, 3 };
    members[0].hidden = true;
    expect_bytes(written(&shape, result), "{\"b\":1,\"c\":1}");
    members[2].hidden = true;
    expect_bytes(written(&shape, result), "{\"b\":1}");
    members[1].hidden = true;
    expect_bytes(written(&shape, result), "{}");
    expect_bytes(written(&(struct row_shape){ NULL, 0 }, result), "{}");
    PQclear(result);
}

TEST(a_nested_object_is_null_by_its_column_and_a_shape_of_its_own_otherwise)
{
    static const char *const values[] = { "1", NULL, "x", "5" };
    PGresult *result = result_of(values, 4);
    const struct row_member inner[] = { MEMBER("x", 25, 2), MEMBER("y", 25, 1) };
    const struct row_shape inside = { inner, 2 };
    const struct row_member members[] = {
        MEMBER("id", 23, 0),
        { .key = BYTES_INIT("\"gone\":"), .column = 1, .nested = &inside },
        { .key = BYTES_INIT("\"here\":"), .column = 3, .nested = &inside },
        { .key = BYTES_INIT("\"always\":"), .column = -1, .nested = &inside },
    };
    expect_bytes(
        written(&(struct row_shape){ members, 4 }, result),
        "{\"id\":1,\"gone\":null,\"here\":{\"x\":\"x\",\"y\":null},\"always\":{\"x\":\"x\",\"y\":null}}");
    PQclear(result);
}

TEST(keys_and_values_of_every_length_are_copied_whole)
{
    char value[301], want[800], key[140];
    for (int size = 1; size < 300; size++) {
        memset(value, '7', (size_t)size);
        value[size] = '\0';
        const char *const values[] = { value };
        PGresult *result = result_of(values, 1);
        const int key_size =
            snprintf(key, sizeof key, "\"%.*s\":", size % 130 + 1,
                     "kkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkk"
                     "kkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkk");
        const struct row_member members[] = {
            { .key = { key, (size_t)key_size }, .type = pg_type_builtin(1700), .column = 0 },
            { .key = { key, (size_t)key_size }, .type = pg_type_builtin(25), .column = 0 },
        };
        snprintf(want, sizeof want, "{%s%s,%s\"%s\"}", key, value, key, value);
        expect_bytes(written(&(struct row_shape){ members, 2 }, result), want);
        PQclear(result);
    }
}

TEST(a_row_that_passes_the_ceiling_fails_the_text_and_writes_nothing_beyond_it)
{
    static const char *const values[] = { "12345", "abcdef" };
    PGresult *result = result_of(values, 2);
    const struct row_member members[] = { MEMBER("a", 23, 0), MEMBER("b", 25, 1) };
    const struct row_shape shape = { members, 2 };
    const size_t whole = written(&shape, result).size;
    for (size_t ceiling = 1; ceiling < whole; ceiling++) {
        text_done(&text);
        text_init_heap(&text, ceiling);
        row_write(&text, &shape, as_result(result), 0, &encoding);
        expect(!text_ok(&text) && text.size <= ceiling);
    }
    PQclear(result);
}
