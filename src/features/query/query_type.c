/* query_type.c - a query's types, by asking PostgreSQL: one Describe a statement, so parameters, columns and
 * OpenAPI are right without being written. What PostgreSQL lacks (yet) closes that one route with 503 and
 * heals with the next snapshot. */
#include "features/query/query.h"

#include "wire/json_write.h"
#include "wire/sqlcte.h"
#include "wire/sqltext.h"

struct typing {
    struct query_set *set;
    struct query *query;
    struct diagnostics *diagnostics;
    struct pg_pool *pool;
    int errors; /* before */
};

static const struct pg_type *type_of(const struct query_set *set, uint32_t oid)
{
    const struct pg_type *type =
        table_get(&set->set->catalog->types, (struct bytes){ (const char *)&oid, sizeof oid });
    if (!type)
        type = pg_type_builtin(oid);
    return type ? type : pg_type_builtin(25); /* a type nobody described: its text */
}

/* ---- what is missing ---- */

static bool lacks(const struct typing *typing, const char *what)
{
    struct query *query = typing->query;
    const char *text = arena_printf(&typing->set->arena, "%s: %s", query->file, what);
    query->lacks = text ? text : "";
    diagnostics_warning(typing->diagnostics, query->head, "%s; %s answers 503 until it is there", what,
                        query->pattern);
    return true;
}

/* The line that PostgreSQL points at; the column is none of the file's, since parameters are written
 * otherwise. */
static void line_advance(struct source_place *place, const struct query_statement *statement, int position)
{
    int characters = 0;
    for (size_t i = 0; i < statement->sql.size && characters < position - 1; i++) {
        characters += (statement->sql.data[i] & 0xc0) != 0x80;
        if (statement->sql.data[i] == '\n') {
            place->line++;
            place->column = 1;
        }
    }
}

/* What the server's words quote, `at or near "form"`, where it stands in the statement only once; else the
 * line that it points at, or the statement's beginning. */
static struct source_place place_in(const struct query_statement *statement, const struct pg_error *error)
{
    struct source_place place = statement->place;
    struct bytes rest = bytes_of(error->message), text = statement->text;
    (void)bytes_cut(&rest, '"');
    const struct bytes word = rest.data ? bytes_cut(&rest, '"') : rest;
    const char *found = word.size ? memmem(text.data, text.size, word.data, word.size) : NULL;
    const size_t at = found ? (size_t)(found - text.data) : 0;
    const struct bytes behind = bytes_from(text, at + word.size);
    if (found && !memmem(behind.data, behind.size, word.data, word.size))
        query_place_advance(&place, bytes_first(text, at));
    else
        line_advance(&place, statement, error->position);
    return place;
}

/* False: the database itself failed. */
static bool refused(const struct typing *typing, const struct query_statement *statement,
                    const struct pg_batch *batch)
{
    if (!batch->error.sqlstate[0])
        return false;
    /* 0A000 says that what is prepared has changed, but also that such rows can't be locked, ever */
    const bool unlockable = typing->query->locks && strcmp(batch->error.sqlstate, "0A000") == 0;
    const bool missing = failure_here->problem == &PROBLEM_SCHEMA_NOT_READY && !unlockable;
    failure_clear();
    if (missing)
        return lacks(typing, batch->error.message);
    (void)diagnostics_error(typing->diagnostics, place_in(statement, &batch->error),
                            "PostgreSQL refuses it: %s", batch->error.message);
    return true;
}

/* One table of `requires`, and the columns named with it. */
static bool required_check(const struct typing *typing, const struct yaml_pair *pair)
{
    struct bytes schema, name;
    const struct yaml_node *columns = pair->value;
    char what[256];
    if (!table_name_read(&typing->set->arena, pair->key->value, &schema, &name))
        return diagnostics_error(typing->diagnostics, pair->key->place, "requires: `%.*s` names no table",
                                 BYTES_ARG(pair->key->value));
    const struct relation *relation = catalog_relation(typing->set->set->catalog, schema, name);
    if (!relation) {
        snprintf(what, sizeof what, "relation %.*s does not exist", BYTES_ARG(pair->key->value));
        return lacks(typing, what);
    }
    const int count = columns->kind == YAML_SEQUENCE ? columns->count : yaml_is_null(columns) ? 0 : 1;
    for (int i = 0; i < count; i++) {
        const struct yaml_node *column = columns->kind == YAML_SEQUENCE ? columns->items[i] : columns;
        if (column->kind != YAML_SCALAR)
            return diagnostics_error(typing->diagnostics, column->place, "requires: a column is a name");
        if (relation_column(relation, column->value))
            continue;
        snprintf(what, sizeof what, "column %.*s of relation %.*s does not exist", BYTES_ARG(column->value),
                 BYTES_ARG(pair->key->value));
        return lacks(typing, what);
    }
    return true;
}

/* False: it was said, as an error or as what is lacking. */
static bool requires_check(const struct typing *typing)
{
    const struct yaml_node *node = typing->query->requires;
    if (!node || yaml_is_null(node))
        return true;
    if (node->kind != YAML_MAPPING)
        return diagnostics_error(typing->diagnostics, node->place,
                                 "requires: write schema.table: [column, …]");
    for (int i = 0; i < node->count && !typing->query->lacks; i++)
        if (!required_check(typing, &node->pairs[i]))
            return false;
    return !typing->query->lacks;
}

/* ---- the result ---- */

static bool name_taken(const struct pg_result *result, int column)
{
    for (int i = 0; i < column; i++)
        if (strcmp(pg_result_column_name(result, i), pg_result_column_name(result, column)) == 0)
            return true;
    return false;
}

static struct source_place last_place(const struct query *query)
{
    return query->statements[query->statements_count - 1].place;
}

static bool column_make(const struct typing *typing, const struct pg_result *result, int i,
                        struct row_member *member)
{
    const struct query *query = typing->query;
    const char *name = pg_result_column_name(result, i);
    if (query->result != RESULT_SCALAR && query->result != RESULT_NONE &&
        (strcmp(name, "?column?") == 0 || name_taken(result, i))) {
        (void)diagnostics_error(typing->diagnostics, last_place(query),
                                "column %d has no name of its own (%s)", i + 1, name);
        diagnostics_fix(typing->diagnostics, "name it: … as total");
        return false;
    }
    struct text key;
    text_init(&key, &typing->set->arena, strlen(name) + 8);
    json_write_key(&key, bytes_of(name));
    *member = (struct row_member){ .key = text_bytes(&key),
                                   .type = type_of(typing->set, pg_result_column_type(result, i)),
                                   .column = i };
    return text_ok(&key);
}

static bool columns_make(const struct typing *typing, const struct pg_result *result)
{
    struct query *query = typing->query;
    const int count = pg_result_columns(result);
    struct row_member *members = ARENA_ARRAY(&typing->set->arena, struct row_member, (size_t)count + 1);
    query->column_types = ARENA_ARRAY(&typing->set->arena, uint32_t, (size_t)count + 1);
    query->depth_column = -1;
    for (int i = 0; members && query->column_types && i < count; i++) {
        if (!column_make(typing, result, i, &members[i]))
            return false;
        query->column_types[i] = pg_result_column_type(result, i);
        if (bytes_is(query->depth_name, pg_result_column_name(result, i)) &&
            members[i].type->kind == PG_TYPE_INTEGER)
            query->depth_column = i;
    }
    query->shape = (struct row_shape){ .members = members, .members_count = count };
    if (count == 0 && query->result != RESULT_NONE) {
        (void)diagnostics_error(typing->diagnostics, last_place(query), "the statement returns nothing");
        diagnostics_fix(typing->diagnostics, "`result: none`, or RETURNING");
        return false;
    }
    if (count > 1 && query->result == RESULT_SCALAR) {
        (void)diagnostics_error(typing->diagnostics, query->head,
                                "result: scalar is one value; the statement has %d columns", count);
        diagnostics_fix(typing->diagnostics, "`result: one`");
        return false;
    }
    if (query->depth_max && query->depth_column < 0) {
        (void)diagnostics_error(typing->diagnostics, query->head,
                                "depth: the result has no integer column %.*s that says how deep a row is",
                                BYTES_ARG(query->depth_name));
        return false;
    }
    return members && query->column_types;
}

/* Rows are bounded by the statement itself: one more than may be answered is asked for, so that too many are
 * noticed. */
static bool bound_make(const struct typing *typing, const struct pg_result *result)
{
    struct query *query = typing->query;
    struct query_statement *last = &query->statements[query->statements_count - 1];
    query->written = last->sql;
    if (query->method != HTTP_GET || query->result != RESULT_MANY || query->stream || query->page.asked)
        return true;
    struct text sql;
    text_init(&sql, &typing->set->arena, last->sql.size + 256);
    text_lit(&sql, "select ");
    for (int i = 0; i < pg_result_columns(result); i++) {
        text_add_z(&sql, i ? ",q." : "q.");
        sqltext_identifier(&sql, bytes_of(pg_result_column_name(result, i)));
    }
    text_lit(&sql, " from (\n");
    text_add(&sql, last->sql);
    text_lit(&sql, "\n) as q limit ");
    text_int(&sql, typing->set->room->conf->rows_max + 1);
    last->sql = text_bytes(&sql);
    return text_ok(&sql);
}

/* ---- parameters ---- */

/* One name has one type, whatever statement it stands in. */
static bool params_type(const struct typing *typing, const struct query_statement *statement,
                        const struct pg_result *result)
{
    struct query *query = typing->query;
    if (pg_result_params(result) != statement->params_count)
        return fail(&PROBLEM_INTERNAL, "PostgreSQL counts the parameters of %s differently", query->file);
    for (int i = 0; i < statement->params_count; i++) {
        struct query_param *param = &query->params[statement->params[i]];
        const struct pg_type *type = type_of(typing->set, pg_result_param_type(result, i));
        if (param->type && param->type->oid != type->oid) {
            (void)diagnostics_error(
                typing->diagnostics, param->place_of, ":%.*s is %.*s in one statement and %.*s in another",
                BYTES_ARG(param->name), BYTES_ARG(param->type->name), BYTES_ARG(type->name));
            diagnostics_fix(typing->diagnostics, "cast it: :%.*s::%.*s", BYTES_ARG(param->name),
                            BYTES_ARG(param->type->name));
        }
        param->type = type;
    }
    return true;
}

static bool is_writing(struct bytes sql)
{
    static const char *const words[] = { "insert", "update", "delete", "merge" };
    struct sqlcte ctes[SQLCTE_MAX];
    const int count = sqlcte_find(sql, ctes);
    size_t at = 0;
    const struct bytes first = sqlcte_token(sql, &at);
    bool writing = false;
    for (size_t i = 0; i < array_count(words); i++)
        writing |= bytes_is_nocase(first, words[i]);
    for (int i = 0; i < count; i++)
        writing |= ctes[i].writes;
    return writing;
}

/* A GET's answer changes nothing; what a script stages goes before it. */
static bool reads_if_get(const struct typing *typing)
{
    const struct query *query = typing->query;
    if (query->method != HTTP_GET || !is_writing(query->statements[query->statements_count - 1].sql))
        return true;
    (void)diagnostics_error(typing->diagnostics, query->head, "GET is read-only, and the statement writes");
    diagnostics_fix(typing->diagnostics, "route: POST %s", query->pattern);
    return false;
}

static bool finish(const struct typing *typing, const struct pg_result *result)
{
    struct query *query = typing->query;
    (void)query_schemas_make(typing->set, query, typing->diagnostics);
    (void)query_expressions_make(typing->set, query, typing->diagnostics);
    for (int i = 0; i < query->params_count; i++)
        if (query->params[i].type)
            (void)query_rules_make(typing->set, &query->params[i], typing->diagnostics);
    if (!reads_if_get(typing) || !columns_make(typing, result) ||
        typing->diagnostics->errors_total > typing->errors)
        return true; /* it was said */
    if (query->page.asked && !query_page_make(typing->set, query, result, typing->diagnostics))
        return true;
    query->typed = bound_make(typing, result);
    return query->typed;
}

/* ---- asking ---- */

static WAITS bool type_one(const struct typing *typing)
{
    const struct query_statement *statement = &typing->query->statements[0];
    struct pg_step step = { pg_statement_of(typing->pool, statement->sql), NULL, 0, NULL };
    auto_batch struct pg_batch batch = {
        .arena = &typing->set->arena, .kind = PG_READ, .steps = &step, .steps_count = 1
    };
    if (!step.statement)
        return false;
    if (!pg_describe(typing->pool, &batch))
        return refused(typing, statement, &batch);
    return params_type(typing, statement, step.result) && finish(typing, step.result);
}

static bool is_temporary(struct bytes sql)
{
    static const char *const begins[] = { "create temp ", "create temporary ", "create local temp" };
    for (size_t i = 0; i < array_count(begins); i++)
        if (bytes_is_nocase(bytes_first(sql, strlen(begins[i])), begins[i]))
            return true;
    return false;
}

static bool is_query(struct bytes sql)
{
    static const char *const begins[] = { "select", "with",  "insert", "update", "delete",
                                          "merge",  "table", "values", "(" };
    for (size_t i = 0; i < array_count(begins); i++)
        if (bytes_is_nocase(bytes_first(sql, strlen(begins[i])), begins[i]))
            return true;
    return false;
}

/* Makes a temporary table for the statements behind it, without its rows: AS … WITH NO DATA where that can
 * be said, else as it stands. */
static WAITS bool stage(const struct typing *typing, struct pg_tx *tx,
                        const struct query_statement *statement)
{
    struct arena *arena = &typing->set->arena;
    const char *bare = arena_printf(arena, "%.*s\nwith no data", BYTES_ARG(statement->sql));
    struct bytes *nulls = ARENA_ARRAY(arena, struct bytes, (size_t)statement->params_count + 1);
    if (!bare || !nulls || !pg_savepoint(tx))
        return false;
    for (int tries = 0; tries < 2; tries++) {
        const struct bytes sql = tries ? statement->sql : bytes_of(bare);
        struct pg_step step = { pg_statement_of(typing->pool, sql), nulls, statement->params_count, NULL };
        auto_batch struct pg_batch batch = {
            .arena = arena, .kind = PG_WRITE, .steps = &step, .steps_count = 1
        };
        if (!step.statement)
            return false;
        if (pg_session_run(tx->session, &batch))
            return true;
        if (tries)
            return refused(typing, statement, &batch);
        if (!batch.error.sqlstate[0])
            return false;
        failure_clear();
        if (!pg_rollback_to_savepoint(tx))
            return false;
    }
    return true;
}

static WAITS bool type_next(const struct typing *typing, struct pg_tx *tx, int index)
{
    struct query *query = typing->query;
    const struct query_statement *statement = &query->statements[index];
    const bool last = index + 1 == query->statements_count;
    if (!last && !is_query(statement->sql) && !is_temporary(statement->sql) && statement->params_count == 0)
        return true; /* ANALYZE, SET LOCAL: nothing to type */
    struct pg_step step = { pg_statement_of(typing->pool, statement->sql), NULL, 0, NULL };
    auto_batch struct pg_batch batch = {
        .arena = &typing->set->arena, .kind = PG_WRITE, .steps = &step, .steps_count = 1
    };
    if (!step.statement)
        return false;
    if (!pg_session_describe(tx->session, &batch))
        return refused(typing, statement, &batch);
    if (!params_type(typing, statement, step.result))
        return false;
    return last ? finish(typing, step.result) : !is_temporary(statement->sql) || stage(typing, tx, statement);
}

/* A script is typed statement by statement in a transaction that is rolled back, since the later ones may
 * need the tables that the earlier ones make. Nothing but temporary tables is made, and none is filled. */
static WAITS bool type_script(const struct typing *typing)
{
    auto_tx struct pg_tx tx = { 0 };
    if (!pg_begin(typing->pool, &tx, PG_READ_COMMITTED))
        return false;
    for (int i = 0; i < typing->query->statements_count; i++) {
        if (!type_next(typing, &tx, i))
            return false;
        if (typing->query->lacks || typing->diagnostics->errors_total > typing->errors)
            return true;
    }
    return true;
}

bool query_type(struct query_set *set, struct query *query, const struct load *load)
{
    const struct typing typing = { set, query, load->diagnostics, load->pool,
                                   load->diagnostics->errors_total };
    if (!requires_check(&typing))
        return true;
    if (!(query->statements_count == 1 ? type_one(&typing) : type_script(&typing)))
        return false;
    return !query->typed || query_session_judge(query, &set->arena, load->pool);
}
