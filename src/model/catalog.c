#include "model/catalog.h"

#include <stdlib.h>

#include "model/catalog_internal.h"
#include "wire/sqltext.h"

struct catalog *catalog_ref(struct catalog *catalog)
{
    atomic_fetch_add_explicit(&catalog->references, 1, memory_order_relaxed);
    return catalog;
}

void catalog_unref(struct catalog *catalog)
{
    if (!catalog || atomic_fetch_sub_explicit(&catalog->references, 1, memory_order_acq_rel) > 1)
        return;
    for (int i = 0; i < catalog->relations_count; i++)
        table_done(&catalog->relations[i]->columns_by_name);
    table_done(&catalog->by_name);
    table_done(&catalog->by_oid);
    table_done(&catalog->types);
    arena_done(&catalog->arena);
    free(catalog);
}

const struct relation *catalog_relation(const struct catalog *catalog, struct bytes schema, struct bytes name)
{
    struct text key;
    text_init_heap(&key, 0);
    sqltext_qualified(&key, schema, name);
    const struct relation *relation = text_ok(&key) ? table_get(&catalog->by_name, text_bytes(&key)) : NULL;
    text_done(&key);
    return relation;
}

const struct column *relation_column(const struct relation *relation, struct bytes name)
{
    return table_get(&relation->columns_by_name, name);
}

/* ---- reading ---- */

/* The same for the same rows in any order. */
static uint64_t result_hash(const struct pg_result *result, int columns)
{
    uint64_t sum = (uint64_t)pg_result_rows(result);
    for (int64_t row = 0; row < pg_result_rows(result); row++) {
        uint64_t hash = 0x9e3779b97f4a7c15u;
        for (int column = 0; column < columns; column++) {
            const struct bytes value = pg_result_value(result, row, column);
            hash = (hash ^ (value.data ? bytes_hash(value) : 1)) * 0xff51afd7ed558ccdu;
            hash ^= hash >> 32;
        }
        sum += hash;
    }
    return sum;
}

static uint64_t results_hash(const struct pg_result *const results[STEPS])
{
    uint64_t hash = 0;
    for (int step = 0; step < STEPS; step++) {
        const int columns = step == STEP_RELATIONS ? RELATION_ROWS : pg_result_columns(results[step]);
        hash = (hash ^ result_hash(results[step], columns)) * 0xff51afd7ed558ccdu;
        hash ^= hash >> 29;
    }
    return hash;
}

static void server_build(struct catalog_build *build)
{
    struct catalog *catalog = build->catalog;
    const struct pg_result *server = build->results[STEP_SERVER];
    catalog->server_version = (int)cell_int(server, 0, SERVER_VERSION);
    catalog->database = cell_copy(build->arena, server, 0, SERVER_DATABASE);
    catalog->role = cell_copy(build->arena, server, 0, SERVER_ROLE);
    catalog->role_superuser = cell_bool(server, 0, SERVER_SUPERUSER);
    catalog->role_bypasses_rls = cell_bool(server, 0, SERVER_BYPASS);
}

static bool catalog_build(struct catalog_build *build)
{
    server_build(build);
    if (!catalog_build_types(build) || !catalog_build_relations(build))
        return false;
    catalog_build_triggers(build); /* before constraints: rules for CHECKs depend on them */
    catalog_build_columns(build);
    catalog_build_constraints(build);
    catalog_build_indexes(build);
    catalog_build_security(build);
    return true;
}

/* Builds from the batch's results, which may then go. */
static bool catalog_make(const struct pg_batch *batch, struct catalog **ret_catalog)
{
    struct catalog *catalog = calloc(1, sizeof *catalog);
    check(catalog != NULL);
    catalog->references = 1;
    arena_init(&catalog->arena, 0); /* bounded by the counts of relations and columns */

    struct catalog_build build = { .catalog = catalog, .arena = &catalog->arena };
    arena_init(&build.scratch, 0);
    for (int step = 0; step < STEPS; step++)
        build.results[step] = batch->steps[step].result;
    const bool built = catalog_build(&build);
    catalog->hash = results_hash(build.results);
    table_done(&build.facts);
    arena_done(&build.scratch);
    if (!built) {
        catalog_unref(catalog);
        return false;
    }
    *ret_catalog = catalog;
    return true;
}

/* {"a","b"}: the text form of an array, every element quoted. */
static struct bytes schemas_write(struct arena *arena, const char *const *schemas)
{
    if (!schemas)
        return (struct bytes){ 0 };
    struct text text;
    text_init(&text, arena, 64);
    text_byte(&text, '{');
    for (int i = 0; schemas[i]; i++) {
        text_add_z(&text, i ? ",\"" : "\"");
        for (const char *at = schemas[i]; *at; at++) {
            if (*at == '"' || *at == '\\')
                text_byte(&text, '\\');
            text_byte(&text, *at);
        }
        text_byte(&text, '"');
    }
    text_byte(&text, '}');
    return text_bytes(&text);
}

static bool takes_schemas(int step)
{
    static const bool takes[STEPS] = { [STEP_RELATIONS] = true,
                                       [STEP_COLUMNS] = true,
                                       [STEP_TYPES] = true,
                                       [STEP_CONSTRAINTS] = true,
                                       [STEP_INDEXES] = true };
    return takes[step];
}

bool catalog_serves(int version)
{
    return version == 0 || version >= CATALOG_SERVER_MIN ||
           fail(&PROBLEM_ENVIRONMENT, "the database is PostgreSQL %d; Lintel needs %d or later",
                version / 10000, CATALOG_SERVER_MIN / 10000);
}

static bool server_serves(const struct pg_pool *pool)
{
    struct pg_pool_state state;
    pg_pool_state(pool, &state);
    return catalog_serves(state.server_version);
}

bool catalog_read(struct pg_pool *pool, const char *const *schemas, struct catalog **ret_catalog)
{
    struct arena arena __attribute__((cleanup(arena_done)));
    arena_init(&arena, 0);
    auto_session struct pg_session *session = NULL;
    if (!pg_session_borrow(pool, PG_ACCESS_READ, &session) || !server_serves(pool))
        return false;
    if (!pg_session_exec(session, &arena, "begin isolation level repeatable read read only"))
        return false;

    /* The planner's taste for JIT and parallel workers costs more here than it gives. */
    const struct pg_setting settings[] = {
        { "search_path", BYTES("pg_catalog, pg_temp") },
        { "jit", BYTES("off") },
        { "max_parallel_workers_per_gather", BYTES("0") },
        { "work_mem", BYTES("32MB") },
    };
    const struct bytes wanted = schemas_write(&arena, schemas);
    struct pg_step steps[STEPS] = { 0 };
    for (int i = 0; i < STEPS; i++) {
        steps[i].statement = pg_statement_of(pool, catalog_queries[i]);
        if (!steps[i].statement)
            return false;
        if (takes_schemas(i)) {
            steps[i].params = &wanted;
            steps[i].params_count = 1;
        }
    }
    auto_batch struct pg_batch batch = { .arena = &arena,
                                         .kind = PG_READ,
                                         .settings = settings,
                                         .settings_count = array_count(settings),
                                         .steps = steps,
                                         .steps_count = STEPS };
    if (!pg_session_run(session, &batch))
        return false;
    if (!pg_session_exec(session, &arena, "commit"))
        return false;
    return catalog_make(&batch, ret_catalog);
}

bool catalog_fingerprint(struct pg_pool *pool, uint64_t *ret_fingerprint)
{
    struct arena arena __attribute__((cleanup(arena_done)));
    arena_init(&arena, 0);
    const struct pg_setting settings[] = {
        { "search_path", BYTES("pg_catalog, pg_temp") },
        { "jit", BYTES("off") },
        { "max_parallel_workers_per_gather", BYTES("0") },
    };
    struct pg_step step = { .statement = pg_statement_of(pool, catalog_fingerprint_query) };
    if (!step.statement)
        return false;
    auto_batch struct pg_batch batch = { .arena = &arena,
                                         .kind = PG_READ,
                                         .settings = settings,
                                         .settings_count = array_count(settings),
                                         .steps = &step,
                                         .steps_count = 1 };
    if (!pg_run(pool, &batch)) {
        struct pg_pool_state state;
        pg_pool_state(pool, &state);
        if (state.server_version == 0 || state.server_version >= CATALOG_SERVER_MIN)
            return false;
        failure_clear(); /* what it lacks is not the reason, but a sign of it */
        return catalog_serves(state.server_version);
    }
    *ret_fingerprint = (uint64_t)cell_int(step.result, 0, 0);
    return true;
}
