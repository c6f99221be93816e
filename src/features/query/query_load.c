/* query_load.c - every file of queries/, typed by PostgreSQL: one Describe each, so parameters, columns and
 * OpenAPI are right without being written. What PostgreSQL lacks (yet) closes that one route with 503 and
 * heals with the next snapshot. */
#include "features/query/query.h"

#include <stdlib.h>

#include "base/log.h"
#include "wire/json_write.h"
#include "wire/sqltext.h"

static const struct pg_type *type_of(const struct query_set *set, uint32_t oid)
{
    const struct pg_type *type =
        table_get(&set->set->catalog->types, (struct bytes){ (const char *)&oid, sizeof oid });
    if (!type)
        type = pg_type_builtin(oid);
    return type ? type : pg_type_builtin(25); /* a type nobody described: its text */
}

/* Where PostgreSQL points at in the statement is not kept through Describe: its words alone, for the file's
 * author. */
static void refused(struct query *query, const struct pg_batch *batch, struct diagnostics *diagnostics)
{
    const struct source_place place = { query->file, 0, 0 };
    query->missing = failure_here->problem == &PROBLEM_SCHEMA_NOT_READY;
    if (query->missing)
        diagnostics_warning(diagnostics, place, "%s; %s answers 503 until it is there", batch->error.message,
                            query->pattern);
    else
        (void)diagnostics_error(diagnostics, place, "PostgreSQL refuses it: %s", batch->error.message);
}

static bool name_taken(const struct pg_result *result, int column)
{
    for (int i = 0; i < column; i++)
        if (strcmp(pg_result_column_name(result, i), pg_result_column_name(result, column)) == 0)
            return true;
    return false;
}

static bool columns_make(struct query_set *set, struct query *query, const struct pg_result *result,
                         struct diagnostics *diagnostics)
{
    const struct source_place place = { query->file, 0, 0 };
    const int count = pg_result_columns(result);
    struct row_member *members = ARENA_ARRAY(&set->arena, struct row_member, (size_t)count + 1);
    for (int i = 0; members && i < count; i++) {
        const char *name = pg_result_column_name(result, i);
        if (query->result != RESULT_SCALAR && (strcmp(name, "?column?") == 0 || name_taken(result, i))) {
            (void)diagnostics_error(diagnostics, place, "column %d has no name of its own (%s)", i + 1, name);
            diagnostics_fix(diagnostics, "name it: … as total");
            return false;
        }
        struct text key;
        text_init(&key, &set->arena, strlen(name) + 8);
        json_write_key(&key, bytes_of(name));
        members[i] = (struct row_member){ .key = text_bytes(&key),
                                          .type = type_of(set, pg_result_column_type(result, i)),
                                          .column = i };
    }
    query->shape = (struct row_shape){ .members = members, .members_count = count };
    if (members && count == 0 && query->result != RESULT_NONE) {
        (void)diagnostics_error(diagnostics, place, "the statement returns nothing");
        diagnostics_fix(diagnostics, "`result: none`, or RETURNING");
        return false;
    }
    return members != NULL;
}

/* Rows are bounded by the statement itself: one more than may be answered is asked for, so that too many are
 * noticed. */
static bool bound_make(struct query_set *set, struct query *query, const struct pg_result *result)
{
    if (query->method != HTTP_GET || query->result != RESULT_MANY || query->stream)
        return true;
    struct text sql;
    text_init(&sql, &set->arena, query->sql.size + 256);
    text_lit(&sql, "select ");
    for (int i = 0; i < pg_result_columns(result); i++) {
        text_add_z(&sql, i ? ",q." : "q.");
        sqltext_identifier(&sql, bytes_of(pg_result_column_name(result, i)));
    }
    text_lit(&sql, " from (\n");
    text_add(&sql, query->sql);
    text_lit(&sql, "\n) as q limit ");
    text_int(&sql, set->room->conf->rows_max + 1);
    query->sql = text_bytes(&sql);
    return text_ok(&sql);
}

static WAITS bool describe(struct query_set *set, struct query *query, const struct load *load)
{
    struct pg_step step = { pg_statement_of(load->pool, query->sql), NULL, 0, NULL };
    auto_batch struct pg_batch batch = {
        .arena = &set->arena, .kind = PG_READ, .steps = &step, .steps_count = 1
    };
    if (!step.statement)
        return false;
    if (!pg_describe(load->pool, &batch)) {
        if (!batch.error.sqlstate[0])
            return false; /* the database, not the file */
        refused(query, &batch, load->diagnostics);
        failure_clear();
        return true;
    }
    if (pg_result_params(step.result) != query->params_count)
        return fail(&PROBLEM_INTERNAL, "PostgreSQL counts the parameters of %s differently", query->file);
    for (int i = 0; i < query->params_count; i++)
        query->params[i].type = type_of(set, pg_result_param_type(step.result, i));
    return !columns_make(set, query, step.result, load->diagnostics) || bound_make(set, query, step.result);
}

static bool is_usable(const struct query *query)
{
    return query->missing || query->shape.members_count > 0 || query->result == RESULT_NONE;
}

bool query_set_load(void *room, const struct load *load, void **ret_loaded)
{
    struct resource_source *sources;
    int count;
    struct query_set *set = calloc(1, sizeof *set);
    check(set != NULL);
    arena_init(&set->arena, 256 << 20);
    set->room = room;
    set->set = resource_set_ref(load->set);
    bool loaded = load->read_files(&set->arena, load->folder, "queries", ".sql", &sources, &count);
    set->queries = ARENA_ARRAY(&set->arena, struct query, (size_t)count + 1);
    for (int i = 0; loaded && set->queries && i < count; i++) {
        struct query *query = &set->queries[set->count];
        *query = (struct query){ 0 };
        sources[i].file = bytes_of(arena_copy(load->arena, sources[i].file)); /* diagnostics borrow it */
        if (!query_read(set, &sources[i], load->diagnostics, query))
            continue;
        query->encoding = &load->set->encoding;
        loaded = describe(set, query, load);
        set->count += loaded && is_usable(query);
    }
    if (loaded)
        *ret_loaded = set;
    else
        query_set_free(set);
    return loaded;
}

void query_set_free(void *loaded)
{
    struct query_set *set = loaded;
    resource_set_unref(set->set);
    arena_done(&set->arena);
    free(set);
}
