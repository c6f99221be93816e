/* Whatever a request says: no crash, and what becomes a statement holds what plan_sentences.h asks of every
 * statement. The corpus is also run on a real PostgreSQL by test_plan_corpus.c. */
#include "model/plan_sentences.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct fixture fixtures[2]; /* the second's orders belong to tenants */
static struct cursor_box box;

static void setup(void)
{
    static const uint8_t seed[32] = { 3 };
    static const struct cursor_key key = { 1, { 4 } };
    for (int i = 0; i < 2; i++)
        fixture_make(&fixtures[i]);
    struct resource *orders = &fixtures[1].resources[F_ORDERS];
    orders->tenant_field = &orders->fields[12];
    check(plan_compile(&fixtures[1].set));
    check(cursor_box_open(&box, &key, 1, seed));
    check(!sentence_wrong(BYTES("SELECT \"a\"\"--\" FROM (t) WHERE x = $1"), 1));
    check(sentence_wrong(BYTES("SELECT 1 -- x"), 0) && sentence_wrong(BYTES("SELECT 1; x"), 0));
    check(sentence_wrong(BYTES("SELECT \"a"), 0) && sentence_wrong(BYTES("SELECT $1"), 2));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct plan_context contexts[] = { { 0 }, { .tenant = BYTES_INIT("7") } };
    if (!fixtures[0].set.resources)
        setup();
    for (size_t i = 0; i < array_count(contexts); i++) {
        struct arena arena;
        struct sentence sentence;
        struct plan plan;
        arena_init(&arena, (size_t)8 << 20);
        failure_clear();
        if (sentence_read(&fixtures[i], &arena, bytes_make((const char *)data, size), &sentence)) {
            if (sentence_plan(&sentence, &arena, &contexts[i], &box, &plan)) {
                check(!sentence_wrong(plan.sql, plan.params_count));
                check(!plan.count_sql.size || !sentence_wrong(plan.count_sql, plan.count_params_count));
                check(plan.shape && plan.cursor_columns_count <= PLAN_KEYS_MAX);
            } else {
                check(failure_here->problem && failure_here->problem != &PROBLEM_INTERNAL);
            }
        }
        arena_done(&arena);
    }
    return 0;
}
