/* Rows into JSON: how long the encoder takes for one row of eight columns out of memory, beside a memcpy of
 * the same bytes and beside libpq's accessors alone. Prints one JSON object; --check exits 1 past the target.
 */
#include <libpq-fe.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/text.h"
#include "pg/row.h"

#define ROWS      1000
#define TARGET_NS 600

static const struct {
    const char *name, *key;
    uint32_t oid;
} columns[] = {
    { "id", "\"id\":", 20 },
    { "name", "\"name\":", 25 },
    { "description", "\"description\":", 25 },
    { "price", "\"price\":", 1700 },
    { "tags", "\"tags\":", 1009 },
    { "attributes", "\"attributes\":", 3802 },
    { "created_at", "\"created_at\":", 1184 },
    { "tenant_id", "\"tenant_id\":", 23 },
};
#define COLUMNS (int)array_count(columns)

static PGresult *result_make(void)
{
    PGresult *result = PQmakeEmptyPGresult(NULL, PGRES_TUPLES_OK);
    PGresAttDesc attributes[COLUMNS] = { 0 };
    for (int i = 0; i < COLUMNS; i++) {
        attributes[i].name = strdup(columns[i].name);
        attributes[i].typid = columns[i].oid;
    }
    check(result && PQsetResultAttrs(result, COLUMNS, attributes));
    for (int i = 0; i < COLUMNS; i++)
        free(attributes[i].name);
    for (int row = 0; row < ROWS; row++) {
        char values[COLUMNS][160];
        snprintf(values[0], sizeof values[0], "%d", 100000 + row * 977);
        snprintf(values[1], sizeof values[1], "Product number %d", row);
        snprintf(values[2], sizeof values[2],
                 "A thing of use and beauty, made in lots of %d; nobody \"needs\" it, all want it.",
                 row % 50);
        snprintf(values[3], sizeof values[3], "%d.%02d", row * 7 % 2000, row % 100);
        snprintf(values[4], sizeof values[4], "{new,sale,\"two words\",t%d}", row % 9);
        snprintf(values[5], sizeof values[5], "{\"size\": \"%d cm\", \"color\": \"blue\", \"weight\": %d}",
                 row % 90, row);
        snprintf(values[6], sizeof values[6], "2024-0%d-1%d 12:%02d:01.%06d+00", row % 9 + 1, row % 10,
                 row % 60, row + 1);
        snprintf(values[7], sizeof values[7], "%d", row % 100);
        for (int i = 0; i < COLUMNS; i++)
            check(PQsetvalue(result, row, i, values[i], (int)strlen(values[i])));
    }
    return result;
}

static int64_t least(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* What any encoder on libpq must at least do: look at each value. */
static size_t values_touched(const PGresult *result)
{
    size_t sum = 0;
    for (int row = 0; row < ROWS; row++)
        for (int i = 0; i < COLUMNS; i++)
            sum += (size_t)PQgetlength(result, row, i) + (unsigned char)*PQgetvalue(result, row, i);
    return sum;
}

int main(int argc, char **argv)
{
    PGresult *result = result_make();
    struct row_member members[COLUMNS];
    for (int i = 0; i < COLUMNS; i++)
        members[i] = (struct row_member){ .key = bytes_of(columns[i].key),
                                          .type = pg_type_builtin(columns[i].oid),
                                          .column = i };
    const struct row_shape shape = { members, COLUMNS };
    const struct pg_encoding encoding = { 0 };
    struct text text;
    text_init_heap(&text, 0);

    int64_t encode_ns = INT64_MAX, touch_ns = INT64_MAX, copy_ns = INT64_MAX;
    volatile size_t sink = 0;
    char *copy = NULL;
    for (int round = 0; round < 300; round++) {
        text_clear(&text);
        int64_t start_ns = clock_now_ns();
        for (int row = 0; row < ROWS; row++)
            row_write(&text, &shape, (const struct pg_result *)(const void *)result, row, &encoding);
        encode_ns = least(encode_ns, clock_now_ns() - start_ns);
        copy = copy ? copy : malloc(text.size);
        start_ns = clock_now_ns();
        sink = sink + values_touched(result);
        touch_ns = least(touch_ns, clock_now_ns() - start_ns);
        start_ns = clock_now_ns();
        memcpy(copy, text.data, text.size);
        sink = sink + (unsigned char)copy[text.size / 2];
        copy_ns = least(copy_ns, clock_now_ns() - start_ns);
    }
    printf("{\"bytes_per_row\":%zu,\"row_ns\":%.1f,\"libpq_accessors_ns\":%.1f,\"memcpy_ns\":%.1f,\"rows_per_"
           "s\":%.0f}\n",
           text.size / ROWS, (double)encode_ns / ROWS, (double)touch_ns / ROWS, (double)copy_ns / ROWS,
           1e9 * ROWS / (double)encode_ns);
    const bool slow = encode_ns / ROWS > TARGET_NS;
    free(copy);
    text_done(&text);
    PQclear(result);
    return argc > 1 && strcmp(argv[1], "--check") == 0 && slow;
}
