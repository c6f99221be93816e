/* Whatever stands in a definition: no crash, no rule without a place, and the judge survives each rule. */
#include "model/check.h"
#include "pg/value.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint32_t types[] = { 16, 20, 21, 23, 25, 700, 701, 1007, 1042, 1043, 1082, 1700, 2950 };
    static const struct bytes values[] = { BYTES_INIT(""), BYTES_INIT("-0.50"), BYTES_INIT("2024-01-31"),
                                           BYTES_INIT("t\xc3\xbc ") };
    struct arena arena;
    arena_init(&arena, 1 << 22);
    struct check_findings found;
    check_parse(&arena, bytes_make((const char *)data, size), &found);
    check(found.count <= CHECK_RULES_MAX);
    for (int i = 0; i < found.count; i++) {
        struct text text;
        text_init(&text, &arena, 0);
        check_describe(&text, found.items[i].rule);
        for (size_t t = 0; t < array_count(types); t++) {
            const struct column column = { .type = pg_type_builtin(types[t]), .typmod = t % 2 ? 8 : -1 };
            if (!check_suits(&found.items[i], column.type))
                continue;
            for (size_t v = 0; v < array_count(values); v++)
                (void)check_refuses(found.items[i].rule, &column, values[v]);
            (void)check_refuses_count(found.items[i].rule, (int64_t)t);
        }
    }
    arena_done(&arena);
    return 0;
}
