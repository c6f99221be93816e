/* Statements and plans of arbitrary bytes: no crash, and every part of a statement can be written as a view.
 */
#include <stdlib.h>

#include "base/problem.h"
#include "features/query/recur_plan.h"

static void part_try(struct arena *arena, const struct recur_statement *statement, int cte)
{
    const struct recur_columns columns = { .names = { BYTES("a") }, .count = 1, .keys_count = cte & 1 };
    struct recur_part part;
    struct text text;
    if (!recur_part_read(statement, cte, arena, &part))
        return;
    check(part.param < statement->subject->params_count);
    const struct recur_view view = { statement, &part, &columns, BYTES("s"), BYTES("v") };
    text_init(&text, arena, 0);
    recur_write_create(&text, &view);
    recur_write_index(&text, &view);
    recur_write_statement(&text, &view);
    (void)recur_keeps_own(&view);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *copy = malloc(size ? size : 1);
    check(copy != NULL);
    memcpy(copy, data, size);
    const struct recur_param params[] = { { BYTES("id"), 0, false }, { BYTES("depth"), 11, true } };
    const struct recur_subject subject = { .sql = { copy, size }, .params = params, .params_count = 2 };
    struct recur_statement statement;
    struct recur_plan plan;
    struct arena arena;
    arena_init(&arena, 64 << 20);
    failure_clear();
    recur_statement_read(&subject, &statement);
    check(statement.main_from <= size && statement.ctes_count + statement.nested <= SQLCTE_MAX);
    for (int i = RECUR_WHOLE; i < statement.ctes_count; i++)
        part_try(&arena, &statement, i);
    if (recur_plan_read(&arena, subject.sql, &plan))
        for (int i = 0; i < plan.keys_count; i++)
            check(plan.keys[i] >= 0 && plan.keys[i] < plan.columns_count);
    arena_done(&arena);
    free(copy);
    return 0;
}
