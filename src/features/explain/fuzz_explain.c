/* Statements and plans of arbitrary bytes: no crash, and where a WITH list was found its hint can be written.
 */
#include <stdlib.h>

#include "base/problem.h"
#include "features/explain/explain.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *copy = malloc(size ? size : 1);
    check(copy != NULL);
    memcpy(copy, data, size);
    const struct bytes input = { copy, size };
    struct arena arena;
    struct explain_cte ctes[EXPLAIN_CTES_MAX];
    struct explain_plan plan;
    arena_init(&arena, 16 << 20);
    failure_clear();
    const int count = explain_ctes_find(input, ctes);
    check(count <= EXPLAIN_CTES_MAX);
    for (int i = 0; i < count; i++) {
        struct text text;
        text_init(&text, &arena, 0);
        check(ctes[i].hint_from <= ctes[i].hint_to && ctes[i].hint_to < size);
        explain_cte_write(&text, input, &ctes[i], i % 2 == 0);
    }
    if (explain_plan_read(&arena, input, &plan)) {
        struct explain_findings findings = { .arena = &arena };
        struct catalog catalog = { 0 };
        struct text text;
        text_init(&text, &arena, 0);
        explain_judge(&plan, &catalog, &findings);
        explain_ctes_mark(&plan, ctes, count);
        const struct explain_report report = { .sql = input,
                                               .database = "",
                                               .plan = &plan,
                                               .ctes = ctes,
                                               .ctes_count = count,
                                               .findings = &findings };
        explain_show(&text, &report);
        explain_show_json(&text, &report);
    }
    arena_done(&arena);
    free(copy);
    return 0;
}
