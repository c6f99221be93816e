/* Relations and their columns. */
#include <stdlib.h>

#include "model/catalog_internal.h"
#include "wire/sqltext.h"

struct column *relation_column_numbered(const struct relation *relation, int64_t number)
{
    int low = 0, high = relation->columns_count;
    while (low < high) {
        const int middle = (low + high) / 2;
        if (relation->columns[middle].number < number)
            low = middle + 1;
        else
            high = middle;
    }
    return low < relation->columns_count && relation->columns[low].number == number ? &relation->columns[low]
                                                                                    : NULL;
}

/* ---- relations ---- */

static enum relation_kind kind_of(char letter)
{
    switch (letter) {
    case 'p':
        return RELATION_PARTITIONED;
    case 'v':
        return RELATION_VIEW;
    case 'm':
        return RELATION_MATVIEW;
    case 'f':
        return RELATION_FOREIGN;
    default:
        return RELATION_TABLE;
    }
}

static struct relation *relation_read(struct catalog_build *build, int64_t row)
{
    const struct pg_result *rows = build->results[STEP_RELATIONS];
    struct relation_facts *facts = ARENA_NEW(build->arena, struct relation_facts);
    struct relation *relation = &facts->relation;
    relation->oid = cell_oid(rows, row, RELATION_OID);
    relation->kind = kind_of(cell_char(rows, row, RELATION_KIND));
    relation->schema = cell_copy(build->arena, rows, row, RELATION_SCHEMA);
    relation->name = cell_copy(build->arena, rows, row, RELATION_NAME);
    relation->comment = cell_copy(build->arena, rows, row, RELATION_COMMENT);
    relation->is_partition = cell_bool(rows, row, RELATION_IS_PARTITION);
    relation->row_security = cell_bool(rows, row, RELATION_ROW_SECURITY);
    relation->force_row_security = cell_bool(rows, row, RELATION_FORCED);
    relation->row_security_applies = cell_bool(rows, row, RELATION_SECURED);
    relation->security_invoker = cell_bool(rows, row, RELATION_INVOKER);
    relation->of_extension = cell_bool(rows, row, RELATION_EXTENSION);
    relation->rows_estimate = strtod(pg_result_value(rows, row, RELATION_ROWS).data, NULL);
    facts->rules = cell_bool(rows, row, RELATION_RULES);
    facts->rights = (int)cell_int(rows, row, RELATION_RIGHTS);
    facts->events = (int)cell_int(rows, row, RELATION_EVENTS);
    relation->rewrites_inserts = relation->rewrites_updates = facts->rules;

    struct text sql;
    text_init(&sql, build->arena, relation->schema.size + relation->name.size + 8);
    sqltext_qualified(&sql, relation->schema, relation->name);
    relation->sql = text_ok(&sql) ? text_bytes(&sql) : (struct bytes){ "", 0 };
    return relation;
}

static int by_schema_and_name(const void *left, const void *right)
{
    const struct relation *a = *(struct relation *const *)left, *b = *(struct relation *const *)right;
    const int order = bytes_compare(a->schema, b->schema);
    return order ? order : bytes_compare(a->name, b->name);
}

bool catalog_build_relations(struct catalog_build *build)
{
    struct catalog *catalog = build->catalog;
    const struct pg_result *rows = build->results[STEP_RELATIONS];
    const int64_t count = pg_result_rows(rows);
    if (count > CATALOG_RELATIONS_MAX || pg_result_rows(build->results[STEP_COLUMNS]) > CATALOG_COLUMNS_MAX)
        return fail(&PROBLEM_TOO_LARGE,
                    "the database has %lld tables and views; at most %d can be read: name fewer schemas",
                    (long long)count, CATALOG_RELATIONS_MAX);
    catalog->relations = ARENA_ARRAY(build->arena, struct relation *, (size_t)count);
    for (int64_t row = 0; row < count; row++) {
        struct relation *relation = relation_read(build, row);
        if (!relation->sql.size)
            continue; /* a name that is not UTF-8 (a database in SQL_ASCII) can't be asked for either */
        catalog->relations[catalog->relations_count++] = relation;
        table_put(&catalog->by_name, relation->sql, relation);
        table_put(&catalog->by_oid, oid_key(&relation->oid), relation);
    }
    qsort(catalog->relations, (size_t)catalog->relations_count, sizeof *catalog->relations,
          by_schema_and_name);
    return true;
}

/* ---- columns ---- */

/* A view may show NULL where a domain allows none: an outer join asks no domain. */
static void column_type_set(struct catalog_build *build, const struct relation *relation,
                            struct column *column, uint32_t oid)
{
    const struct pg_type *type = table_get(&build->catalog->types, oid_key(&oid));
    column->type = type ? type : pg_type_builtin(25);
    const struct type_facts *facts = table_get(&build->facts, oid_key(&oid));
    if (!facts || facts->kind != 'd')
        return;
    column->not_null |=
        facts->not_null && relation->kind != RELATION_VIEW && relation->kind != RELATION_MATVIEW;
    column->checks = facts->checks;
    if (column->typmod == -1)
        column->typmod = type->typmod;
    if (facts->has_default && !column->has_default && !column->generated) {
        column->has_default = true;
        column->default_sql = facts->default_sql;
    }
}

/* What the role may do with a column is what it may do with the table, or what was granted on the column. */
static void column_rights_set(struct column *column, const struct relation_facts *facts, int own,
                              bool updatable)
{
    const int rights = facts->rights & RIGHT_USAGE ? facts->rights | own : 0;
    const bool writable = !column->generated && !column->identity_always;
    column->can_select = rights & RIGHT_SELECT;
    column->can_insert = rights & RIGHT_INSERT && writable && facts->events & EVENT_INSERT &&
                         (updatable || facts->instead_insert || facts->rules);
    column->can_update = rights & RIGHT_UPDATE && writable && facts->events & EVENT_UPDATE &&
                         (updatable || facts->instead_update || facts->rules);
}

static void column_read(struct catalog_build *build, int64_t row, struct relation *relation,
                        struct column *column)
{
    const struct pg_result *rows = build->results[STEP_COLUMNS];
    const char identity = cell_char(rows, row, COLUMN_IDENTITY),
               generated = cell_char(rows, row, COLUMN_GENERATED);
    column->name = cell_copy(build->arena, rows, row, COLUMN_NAME);
    column->number = (int)cell_int(rows, row, COLUMN_NUMBER);
    column->typmod = (int32_t)cell_int(rows, row, COLUMN_TYPMOD);
    column->not_null = cell_bool(rows, row, COLUMN_NOT_NULL);
    column->identity_always = identity == 'a';
    column->identity_default = identity == 'd';
    column->generated = generated != '\0';
    column->has_default = cell_bool(rows, row, COLUMN_HAS_DEFAULT) && !column->generated;
    column->default_sql = cell_copy(build->arena, rows, row, COLUMN_DEFAULT);
    column->fuzzy = cell_bool(rows, row, COLUMN_FUZZY);
    column->comment = cell_copy(build->arena, rows, row, COLUMN_COMMENT);
    column->dimensions = (int)cell_int(rows, row, COLUMN_DIMENSIONS);
    column_type_set(build, relation, column, cell_oid(rows, row, COLUMN_TYPE));
    column_rights_set(column, relation_facts_of(relation), (int)cell_int(rows, row, COLUMN_RIGHTS),
                      cell_bool(rows, row, COLUMN_UPDATABLE));
}

static int by_number(const void *left, const void *right)
{
    const struct column *a = left, *b = right;
    return (a->number > b->number) - (a->number < b->number);
}

/* After its columns: positions, names, and what the role may do with the whole. */
static void relation_finish(struct relation *relation)
{
    const struct relation_facts *facts = relation_facts_of(relation);
    bool inserts = relation->columns_count == 0, updates = false;
    if (relation->columns)
        qsort(relation->columns, (size_t)relation->columns_count, sizeof *relation->columns, by_number);
    relation->can_select_whole = (facts->rights & RIGHT_SELECT) && (facts->rights & RIGHT_USAGE);
    relation->can_select =
        relation->columns_count == 0 && (facts->rights & RIGHT_SELECT) && (facts->rights & RIGHT_USAGE);
    for (int i = 0; i < relation->columns_count; i++) {
        struct column *column = &relation->columns[i];
        column->position = i;
        table_put(&relation->columns_by_name, column->name, column);
        relation->can_select |= column->can_select;
        inserts |= column->can_insert;
        updates |= column->can_update;
    }
    const bool usage = facts->rights & RIGHT_USAGE;
    relation->insertable = usage && inserts && facts->events & EVENT_INSERT;
    relation->updatable = usage && updates && facts->events & EVENT_UPDATE;
    relation->deletable = usage && facts->rights & RIGHT_DELETE && facts->events & EVENT_DELETE;
}

void catalog_build_columns(struct catalog_build *build)
{
    struct catalog *catalog = build->catalog;
    const struct pg_result *rows = build->results[STEP_COLUMNS];
    for (int64_t row = 0; row < pg_result_rows(rows); row++) {
        struct relation *relation = relation_of_oid(catalog, cell_oid(rows, row, COLUMN_RELATION));
        if (relation)
            relation_facts_of(relation)->columns_expected++;
    }
    for (int64_t row = 0; row < pg_result_rows(rows); row++) {
        struct relation *relation = relation_of_oid(catalog, cell_oid(rows, row, COLUMN_RELATION));
        if (!relation)
            continue;
        if (!relation->columns)
            relation->columns = ARENA_ARRAY(build->arena, struct column,
                                            (size_t)relation_facts_of(relation)->columns_expected);
        column_read(build, row, relation, &relation->columns[relation->columns_count++]);
    }
    for (int i = 0; i < catalog->relations_count; i++)
        relation_finish(catalog->relations[i]);
}
