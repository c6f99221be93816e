/* recur_advise.c - from a statement to its materialized view: which part, by which key, asked of PostgreSQL
 * without running anything. */
#include "features/query/recur_doctor.h"

#include "kit/here.h"
#include "model/resource.h"
#include "wire/sqltext.h"

#define NAME_BYTES_MAX 63 /* PostgreSQL's NAMEDATALEN - 1 */

struct finding {
    struct arena *arena;
    struct recur_advice *advice;
    struct recur_statement statement;
    struct recur_part part;
    struct recur_plan plan;
    struct recur_columns columns;
    struct text notes;
};

static bool no_memory(void)
{
    return fail(&PROBLEM_TOO_LARGE, "the statement needs more memory than a doctor may use");
}

static bool block(struct finding *finding, const char *why)
{
    finding->advice->blocked = why ? why : "";
    return why ? true : no_memory();
}
#define BLOCK(finding, ...) block((finding), arena_printf((finding)->arena, __VA_ARGS__))

static void note(struct finding *finding, const char *sentence)
{
    if (finding->notes.size)
        text_byte(&finding->notes, ' ');
    text_add_z(&finding->notes, sentence);
}

/* ---- asking ---- */

/* False: the database failed. What it refuses is said in *ret_refused. */
static WAITS bool ask(struct finding *finding, struct bytes sql, bool describe, struct pg_batch *batch,
                      const char **ret_refused)
{
    *ret_refused = NULL;
    batch->steps[0].statement = pg_statement_of(kit_here.pool, sql);
    if (!batch->steps[0].statement)
        return false;
    if (describe ? pg_describe(kit_here.pool, batch) : pg_run(kit_here.pool, batch))
        return true;
    if (!batch->error.sqlstate[0])
        return false;
    failure_clear();
    *ret_refused = arena_printf(finding->arena, "PostgreSQL refuses it alone: %s", batch->error.message);
    return *ret_refused ? true : no_memory();
}

static WAITS bool plan_ask(struct finding *finding, const struct recur_part *part,
                           struct recur_plan *ret_plan, const char **ret_refused)
{
    struct pg_step step = { 0 };
    auto_batch struct pg_batch batch = {
        .arena = finding->arena, .kind = PG_READ, .steps = &step, .steps_count = 1
    };
    struct text sql;
    text_init(&sql, finding->arena, part->sql.size + 64);
    text_lit(&sql, "explain (format json, verbose) ");
    text_add(&sql, part->sql);
    if (!text_ok(&sql))
        return no_memory();
    if (!ask(finding, text_bytes(&sql), false, &batch, ret_refused))
        return false;
    if (*ret_refused)
        return true;
    const struct bytes json = pg_result_rows(step.result) ? pg_result_value(step.result, 0, 0) : BYTES("");
    const char *copy = arena_copy(finding->arena, json);
    return copy ? recur_plan_read(finding->arena, (struct bytes){ copy, json.size }, ret_plan) : no_memory();
}

/* ---- which part ---- */

/* All of the statement when no client's word is inside; else the dearest of its list of which that is true.
 */
static WAITS bool part_choose(struct finding *finding, bool *ret_chosen)
{
    struct recur_part part;
    *ret_chosen = false;
    for (int i = RECUR_WHOLE; i < finding->statement.ctes_count; i++) {
        struct recur_plan plan;
        const char *refused;
        if (i == RECUR_WHOLE + 1 && *ret_chosen)
            break;
        if (!recur_part_read(&finding->statement, i, finding->arena, &part))
            return no_memory();
        if (part.param >= 0 || part.of_caller || part.writes)
            continue;
        if (!plan_ask(finding, &part, &plan, &refused))
            return false;
        if (refused || (*ret_chosen && plan.cost <= finding->plan.cost))
            continue;
        finding->part = part;
        finding->plan = plan;
        *ret_chosen = true;
    }
    return true;
}

/* Of every list member the first parameter that is in it, or what else is in the way. */
static bool why_none(struct finding *finding)
{
    const struct recur_statement *statement = &finding->statement;
    struct text why;
    text_init(&why, finding->arena, 256);
    if (!statement->ctes_count)
        text_lit(&why, "its WITH stands inside of a larger query that has parameters");
    for (int i = 0; i < statement->ctes_count; i++) {
        struct recur_part part;
        if (!recur_part_read(statement, i, finding->arena, &part))
            return no_memory();
        text_printf(&why, "%s%.*s ", i ? "; " : "", BYTES_ARG(statement->ctes[i].name));
        if (part.param >= 0)
            text_printf(&why, "depends on the parameter :%.*s",
                        BYTES_ARG(statement->subject->params[part.param].name));
        else if (part.of_caller)
            text_printf(&why, "depends on who asks (%s)", part.of_caller);
        else
            text_add_z(&why, part.writes ? "writes" : "can't be planned alone");
    }
    text_lit(&why, ". Where a parameter can filter the result instead of what is computed, write it so; "
                   "else `cache_control` lets clients keep their answers");
    return block(finding, text_z(&why));
}

/* ---- what it may be ---- */

static bool rows_secured(struct finding *finding)
{
    for (int i = 0; i < finding->plan.relations_count; i++) {
        const struct recur_relation *one = &finding->plan.relations[i];
        const struct relation *relation = catalog_relation(kit_here.set->catalog, one->schema, one->name);
        if (relation && (relation->row_security || relation->bypasses_row_security))
            return BLOCK(
                finding,
                "%.*s has row security: a materialized view would show what its owner sees to everybody",
                BYTES_ARG(one->name));
        const char *unknown =
            relation
                ? ""
                : arena_printf(finding->arena,
                               "%.*s.%.*s is in a schema that is not read here: row security there would "
                               "not be seen.",
                               BYTES_ARG(one->schema), BYTES_ARG(one->name));
        if (!unknown)
            return no_memory();
        if (*unknown)
            note(finding, unknown);
    }
    return true;
}

static bool columns_take(struct finding *finding, const struct pg_result *described)
{
    struct recur_columns *columns = &finding->columns;
    columns->count = pg_result_columns(described);
    if (columns->count == 0 || columns->count > RECUR_COLUMNS_MAX)
        return BLOCK(finding, "it has %d columns", columns->count);
    for (int i = 0; i < columns->count; i++) {
        const struct bytes name = bytes_of(pg_result_column_name(described, i));
        columns->names[i] = (struct bytes){ arena_copy(finding->arena, name), name.size };
        if (!columns->names[i].data)
            return no_memory();
        for (int k = 0; k < i; k++)
            if (bytes_equal(columns->names[k], name))
                return BLOCK(finding, "two of its columns have the name %.*s", BYTES_ARG(name));
    }
    return true;
}

/* The columns of the one table's primary key, where all of them are among the result's. */
static void primary_take(struct finding *finding, const struct pg_result *described)
{
    struct recur_columns *columns = &finding->columns;
    const struct recur_relation *one = &finding->plan.relations[0];
    const struct relation *relation = catalog_relation(kit_here.set->catalog, one->schema, one->name);
    const struct constraint *primary = relation ? relation->primary : NULL;
    for (int k = 0; primary && k < primary->columns_count; k++) {
        uint32_t table;
        int number, at = 0;
        while (at < columns->count && !(pg_result_column_origin(described, at, &table, &number) &&
                                        table == relation->oid && number == primary->columns[k]->number))
            at++;
        if (at == columns->count) {
            columns->keys_count = 0;
            return;
        }
        columns->keys[columns->keys_count++] = at;
    }
}

static void keys_take(struct finding *finding, const struct pg_result *described)
{
    struct recur_columns *columns = &finding->columns;
    const struct recur_plan *plan = &finding->plan;
    finding->advice->key = "row_number";
    if (plan->keys_count && plan->columns_count == columns->count) {
        memcpy(columns->keys, plan->keys, sizeof plan->keys);
        columns->keys_count = plan->keys_count;
        finding->advice->key = "group";
    } else if (plan->one_table) {
        primary_take(finding, described);
        finding->advice->key = columns->keys_count ? "primary" : "row_number";
    }
}

static WAITS bool columns_ask(struct finding *finding)
{
    struct pg_step step = { 0 };
    auto_batch struct pg_batch batch = {
        .arena = finding->arena, .kind = PG_READ, .steps = &step, .steps_count = 1
    };
    const char *refused;
    if (!ask(finding, finding->part.sql, true, &batch, &refused))
        return false;
    if (refused)
        return block(finding, refused);
    if (!columns_take(finding, step.result))
        return false;
    if (!finding->advice->blocked)
        keys_take(finding, step.result);
    return true;
}

/* ---- the words ---- */

/* At most so many bytes, no character cut in two. */
static struct bytes cut(struct bytes text, size_t room)
{
    size_t size = text.size < room ? text.size : room;
    while (size < text.size && size && ((unsigned char)text.data[size] & 0xc0) == 0x80)
        size--;
    return (struct bytes){ text.data, size };
}

/* queries/top/regions.sql and its member `big`: regions_big; all of it: regions_result. */
static struct bytes name_make(const struct finding *finding)
{
    struct bytes stem = finding->advice->subject->file;
    for (size_t i = stem.size; i-- > 0;)
        if (stem.data[i] == '/') {
            stem = bytes_from(stem, i + 1);
            break;
        }
    stem = bytes_cut(&stem, '.');
    const struct bytes of = finding->part.cte == RECUR_WHOLE
                                ? BYTES("result")
                                : cut(finding->statement.ctes[finding->part.cte].name, NAME_BYTES_MAX / 2);
    stem = cut(stem, NAME_BYTES_MAX - 1 - of.size);
    char *name = arena_printf(finding->arena, "%.*s_%.*s", BYTES_ARG(stem), BYTES_ARG(of));
    return bytes_of(name ? name : "");
}

/* Beside the tables, but not among the system's. */
static struct bytes schema_of(const struct recur_plan *plan)
{
    for (int i = 0; i < plan->relations_count; i++) {
        const struct bytes schema = plan->relations[i].schema;
        if (!bytes_starts(schema, BYTES("pg_")) && !bytes_is(schema, "information_schema"))
            return schema;
    }
    return BYTES("public");
}

static bool text_take(struct text *text, struct bytes *ret_text)
{
    *ret_text = text_bytes(text);
    return text_ok(text);
}

static bool words_make(struct finding *finding, const struct recur_view *view)
{
    struct recur_advice *advice = finding->advice;
    struct text create, index, refresh, statement, grant;
    text_init(&create, finding->arena, finding->part.sql.size + 256);
    text_init(&index, finding->arena, 256);
    text_init(&refresh, finding->arena, 256);
    text_init(&statement, finding->arena, finding->part.sql.size + 256);
    text_init(&grant, finding->arena, 256);
    recur_write_create(&create, view);
    recur_write_index(&index, view);
    recur_write_refresh(&refresh, view);
    recur_write_statement(&statement, view);
    text_lit(&grant, "grant select on ");
    sqltext_qualified(&grant, view->schema, view->name);
    text_lit(&grant, " to ");
    sqltext_identifier(&grant, kit_here.set->catalog->role);
    if (recur_is_numbered(view))
        advice->key = "row_number";
    advice->of = view->part->cte == RECUR_WHOLE ? BYTES("") : finding->statement.ctes[view->part->cte].name;
    advice->rows = finding->plan.rows;
    return (text_take(&create, &advice->create) && text_take(&index, &advice->index) &&
            text_take(&refresh, &advice->refresh) && text_take(&statement, &advice->statement) &&
            text_take(&grant, &advice->grant)) ||
           no_memory();
}

static bool notes_make(struct finding *finding, const struct recur_view *view)
{
    bool own = false;
    for (int i = 0; i < finding->advice->subject->params_count; i++)
        own |= finding->advice->subject->params[i].own;
    if (finding->part.of_clock)
        note(finding, arena_printf(finding->arena, "It says %s: what it shows is as of the last refresh.",
                                   finding->part.of_clock));
    if (own && !recur_keeps_own(view))
        note(finding, "Take `depth` out of the file's head: nothing refers to :depth any more.");
    if (catalog_relation(kit_here.set->catalog, view->schema, view->name))
        note(finding, arena_printf(finding->arena,
                                   "%.*s is there already: choose another name if it is "
                                   "something else.",
                                   BYTES_ARG(view->name)));
    return text_take(&finding->notes, &finding->advice->notes) || no_memory();
}

bool recur_advise(struct arena *arena, struct recur_advice *advice)
{
    struct finding *finding = ARENA_NEW(arena, struct finding);
    bool chosen;
    if (!finding)
        return no_memory();
    finding->arena = arena;
    finding->advice = advice;
    text_init(&finding->notes, arena, 256);
    recur_statement_read(advice->subject, &finding->statement);
    if (!part_choose(finding, &chosen))
        return false;
    if (!chosen)
        return why_none(finding);
    if (!rows_secured(finding) || (!advice->blocked && !columns_ask(finding)))
        return false;
    if (advice->blocked)
        return true;
    recur_words_see(&finding->part, finding->plan.json);
    if (finding->part.of_caller)
        return BLOCK(finding, "it reads what depends on who asks (%s)", finding->part.of_caller);
    const struct recur_view view = { &finding->statement, &finding->part, &finding->columns,
                                     schema_of(&finding->plan), name_make(finding) };
    return words_make(finding, &view) && notes_make(finding, &view);
}
