/* Constraints, indexes, triggers: what hangs on a relation's columns. */
#include <stdlib.h>

#include "model/check.h"
#include "model/catalog_internal.h"

bool numbers_next(struct bytes *rest, int64_t *ret_number)
{
    size_t start = 0;
    while (start < rest->size && strchr("{}, ", rest->data[start]))
        start++;
    size_t end = start;
    while (end < rest->size && !strchr("{}, ", rest->data[end]))
        end++;
    const struct bytes word = bytes_make(rest->data + start, end - start);
    *rest = bytes_from(*rest, end);
    return word.size && bytes_to_int64(word, ret_number);
}

static int numbers_count(struct bytes numbers)
{
    int64_t ignored;
    int count = 0;
    while (numbers_next(&numbers, &ignored))
        count++;
    return count;
}

/* The columns with these numbers, at most `most`; NULL where a number is not a column's (0: an expression).
 */
static const struct column **columns_read(struct arena *arena, const struct relation *relation,
                                          struct bytes numbers, int *ret_count)
{
    const int count = numbers_count(numbers);
    const struct column **columns = ARENA_ARRAY(arena, const struct column *, (size_t)count);
    int64_t number;
    for (int i = 0; i < count && numbers_next(&numbers, &number); i++)
        columns[i] = relation_column_numbered(relation, number);
    *ret_count = count;
    return columns;
}

/* ---- constraints ---- */

static bool all_known(const struct column **columns, int count)
{
    for (int i = 0; i < count; i++)
        if (!columns[i])
            return false;
    return true;
}

/* The rules that a CHECK gives to single columns. NO INHERIT gives none: rows of children escape it. */
static void checks_attach(struct catalog_build *build, struct constraint *constraint)
{
    struct relation *relation = constraint->relation;
    struct check_findings found;
    check_parse(build->arena, constraint->definition, &found);
    for (int i = 0; i < found.count; i++) {
        struct check_finding *finding = &found.items[i];
        struct column *column =
            finding->column.data ? table_get(&relation->columns_by_name, finding->column) : NULL;
        if (!column || column->generated || !check_suits(finding, column->type))
            continue;
        finding->rule->constraint = constraint;
        finding->rule->next = (struct check_rule *)(uintptr_t)column->checks;
        column->checks = finding->rule;
    }
}

static bool kind_of(char letter, enum constraint_kind *ret_kind)
{
    static const struct {
        char letter;
        enum constraint_kind kind;
    } kinds[] = { { 'p', CONSTRAINT_PRIMARY },
                  { 'u', CONSTRAINT_UNIQUE },
                  { 'f', CONSTRAINT_FOREIGN },
                  { 'c', CONSTRAINT_CHECK },
                  { 'x', CONSTRAINT_EXCLUSION } };
    for (size_t i = 0; i < array_count(kinds); i++)
        if (kinds[i].letter == letter) {
            *ret_kind = kinds[i].kind;
            return true;
        }
    return false;
}

static void target_read(struct catalog_build *build, int64_t row, struct constraint *constraint)
{
    const struct pg_result *rows = build->results[STEP_CONSTRAINTS];
    struct relation *target = relation_of_oid(build->catalog, cell_oid(rows, row, CONSTRAINT_TARGET));
    if (!target)
        return;
    int count;
    constraint->target_columns =
        columns_read(build->arena, target, pg_result_value(rows, row, CONSTRAINT_TARGET_KEY), &count);
    if (count == constraint->columns_count && all_known(constraint->target_columns, count))
        constraint->target = target;
}

static struct constraint *constraint_read(struct catalog_build *build, int64_t row, struct relation *relation)
{
    const struct pg_result *rows = build->results[STEP_CONSTRAINTS];
    struct constraint *constraint = ARENA_NEW(build->arena, struct constraint);
    if (!kind_of(cell_char(rows, row, CONSTRAINT_KIND), &constraint->kind))
        return NULL;
    constraint->relation = relation;
    constraint->name = cell_copy(build->arena, rows, row, CONSTRAINT_NAME);
    constraint->deferrable = cell_bool(rows, row, CONSTRAINT_DEFERRABLE);
    constraint->deferred = cell_bool(rows, row, CONSTRAINT_DEFERRED);
    constraint->validated = cell_bool(rows, row, CONSTRAINT_VALIDATED);
    constraint->no_inherit =
        constraint->kind == CONSTRAINT_CHECK && cell_bool(rows, row, CONSTRAINT_NO_INHERIT);
    constraint->nulls_not_distinct = cell_bool(rows, row, CONSTRAINT_NULLS_EQUAL);
    constraint->period = cell_bool(rows, row, CONSTRAINT_PERIOD);
    constraint->definition = cell_copy(build->arena, rows, row, CONSTRAINT_DEFINITION);
    constraint->comment = cell_copy(build->arena, rows, row, CONSTRAINT_COMMENT);
    constraint->columns = columns_read(build->arena, relation, pg_result_value(rows, row, CONSTRAINT_KEY),
                                       &constraint->columns_count);
    if (constraint->kind == CONSTRAINT_FOREIGN)
        target_read(build, row, constraint);
    return constraint;
}

/* Since 18 a NOT NULL may be not valid yet: rows from before may hold NULLs, so the column is nullable to
 * readers. */
static void not_null_read(struct catalog_build *build, int64_t row, const struct relation *relation)
{
    struct bytes numbers = pg_result_value(build->results[STEP_CONSTRAINTS], row, CONSTRAINT_KEY);
    int64_t number;
    struct column *column =
        numbers_next(&numbers, &number) ? relation_column_numbered(relation, number) : NULL;
    if (column)
        column->not_null = false;
}

static int by_name(const void *left, const void *right)
{
    const struct constraint *a = *(struct constraint *const *)left, *b = *(struct constraint *const *)right;
    const int order = bytes_compare(a->name, b->name);
    if (order || !a->relation || !b->relation)
        return order;
    return (a->relation->oid > b->relation->oid) - (a->relation->oid < b->relation->oid);
}

static void constraint_attach(struct catalog_build *build, struct constraint *constraint)
{
    struct relation *relation = constraint->relation;
    struct relation_facts *facts = relation_facts_of(relation);
    if (!relation->constraints)
        relation->constraints =
            ARENA_ARRAY(build->arena, struct constraint *, (size_t)facts->constraints_expected);
    relation->constraints[relation->constraints_count++] = constraint;
    if (constraint->kind == CONSTRAINT_PRIMARY && all_known(constraint->columns, constraint->columns_count))
        relation->primary = constraint;
    if (constraint->kind == CONSTRAINT_CHECK)
        checks_attach(build, constraint);
    struct relation *target = constraint->target;
    if (!target)
        return;
    if (!target->referenced_by)
        target->referenced_by = ARENA_ARRAY(build->arena, struct constraint *,
                                            (size_t)relation_facts_of(target)->referenced_expected);
    target->referenced_by[target->referenced_by_count++] = constraint;
}

void catalog_build_constraints(struct catalog_build *build)
{
    struct catalog *catalog = build->catalog;
    const struct pg_result *rows = build->results[STEP_CONSTRAINTS];
    for (int64_t row = 0; row < pg_result_rows(rows); row++) {
        struct relation *relation = relation_of_oid(catalog, cell_oid(rows, row, CONSTRAINT_RELATION));
        struct relation *target = relation_of_oid(catalog, cell_oid(rows, row, CONSTRAINT_TARGET));
        if (relation)
            relation_facts_of(relation)->constraints_expected++;
        if (relation && target)
            relation_facts_of(target)->referenced_expected++;
    }
    for (int64_t row = 0; row < pg_result_rows(rows); row++) {
        struct relation *relation = relation_of_oid(catalog, cell_oid(rows, row, CONSTRAINT_RELATION));
        if (!relation)
            continue;
        if (cell_char(rows, row, CONSTRAINT_KIND) == 'n') {
            not_null_read(build, row, relation);
            continue;
        }
        struct constraint *constraint = constraint_read(build, row, relation);
        if (constraint)
            constraint_attach(build, constraint);
    }
    for (int i = 0; i < catalog->relations_count; i++) {
        struct relation *relation = catalog->relations[i];
        if (relation->constraints)
            qsort(relation->constraints, (size_t)relation->constraints_count, sizeof(void *), by_name);
        if (relation->referenced_by)
            qsort(relation->referenced_by, (size_t)relation->referenced_by_count, sizeof(void *), by_name);
    }
}

/* ---- indexes ---- */

static void index_read(struct catalog_build *build, int64_t row, struct relation *relation,
                       struct index *index)
{
    const struct pg_result *rows = build->results[STEP_INDEXES];
    index->name = cell_copy(build->arena, rows, row, INDEX_NAME);
    index->unique = cell_bool(rows, row, INDEX_UNIQUE);
    index->primary = cell_bool(rows, row, INDEX_PRIMARY);
    index->valid = cell_bool(rows, row, INDEX_VALID);
    index->partial = cell_bool(rows, row, INDEX_PARTIAL);
    index->method = cell_copy(build->arena, rows, row, INDEX_METHOD);
    index->columns =
        columns_read(build->arena, relation, pg_result_value(rows, row, INDEX_KEY), &index->columns_count);
    const int keys = (int)cell_int(rows, row, INDEX_KEYS);
    if (keys < index->columns_count)
        index->columns_count = keys; /* the rest is INCLUDE */

    bool *descending = ARENA_ARRAY(build->arena, bool, (size_t)index->columns_count);
    bool *nulls_first = ARENA_ARRAY(build->arena, bool, (size_t)index->columns_count);
    struct bytes options = pg_result_value(rows, row, INDEX_OPTIONS);
    int64_t bits;
    for (int i = 0; i < index->columns_count && numbers_next(&options, &bits); i++) {
        descending[i] = bits & 1; /* INDOPTION_DESC, INDOPTION_NULLS_FIRST */
        nulls_first[i] = bits & 2;
    }
    index->descending = descending;
    index->nulls_first = nulls_first;
}

static int by_index_name(const void *left, const void *right)
{
    return bytes_compare(((const struct index *)left)->name, ((const struct index *)right)->name);
}

void catalog_build_indexes(struct catalog_build *build)
{
    struct catalog *catalog = build->catalog;
    const struct pg_result *rows = build->results[STEP_INDEXES];
    for (int64_t row = 0; row < pg_result_rows(rows); row++) {
        struct relation *relation = relation_of_oid(catalog, cell_oid(rows, row, INDEX_RELATION));
        if (relation)
            relation_facts_of(relation)->indexes_expected++;
    }
    for (int64_t row = 0; row < pg_result_rows(rows); row++) {
        struct relation *relation = relation_of_oid(catalog, cell_oid(rows, row, INDEX_RELATION));
        if (!relation)
            continue;
        if (!relation->indexes)
            relation->indexes = ARENA_ARRAY(build->arena, struct index,
                                            (size_t)relation_facts_of(relation)->indexes_expected);
        index_read(build, row, relation, &relation->indexes[relation->indexes_count++]);
    }
    for (int i = 0; i < catalog->relations_count; i++)
        if (catalog->relations[i]->indexes)
            qsort(catalog->relations[i]->indexes, (size_t)catalog->relations[i]->indexes_count,
                  sizeof(struct index), by_index_name);
}
