/* A refusal by PostgreSQL, told by the names that the resource has: which fields, and what is wrong with
 * them. Names of constraints, tables and columns that the resource does not show stay inside, and so do
 * values. */
#include "model/check.h"
#include "model/plan_body.h"

struct explaining {
    struct arena *arena;
    const struct resource *resource;
    const struct pg_error *error;
    const struct plan_body *rows; /* of an array; else NULL */
    int row;                      /* of those, -1: nobody knows */
    const struct app_error *own;  /* the app's code for that constraint, or NULL */
};

static void detail(const struct explaining *explaining, const struct field *field, const char *code,
                   const char *message)
{
    struct text pointer;
    const bool unknown = explaining->rows && explaining->row < 0;
    text_init(&pointer, explaining->arena, 64);
    if (explaining->rows && !unknown)
        text_printf(&pointer, "/%d", explaining->row);
    if (field && !unknown)
        json_pointer_append(&pointer, field->name);
    const char *text = text_z(&pointer);
    if (explaining->own) {
        code = explaining->own->problem.code;
        message = explaining->own->problem.title;
    }
    if (unknown && field)
        fail_detail(explaining->arena, "", code, "%.*s, in one of the rows: %s", BYTES_ARG(field->name),
                    message);
    else
        fail_detail(explaining->arena, text ? text : "", code, "%s%s", message,
                    unknown ? ", in one of the rows" : "");
}

static const struct field *field_of(const struct resource *resource, const struct column *column)
{
    for (int i = 0; i < resource->fields_count; i++) {
        const struct field *field = &resource->fields[i];
        if (field->column == column && (field->readable || field->creatable || field->updatable))
            return field;
    }
    return NULL;
}

/* One detail for each field among the columns; one about the row if it shows none of them. */
static void detail_each(const struct explaining *explaining, const struct column *const *columns, int count,
                        const char *code, const char *message)
{
    int told = 0;
    for (int i = 0; i < count; i++) {
        const struct field *field = columns[i] ? field_of(explaining->resource, columns[i]) : NULL;
        if (!field)
            continue;
        detail(explaining, field, code, message);
        told++;
    }
    if (!told)
        detail(explaining, NULL, code, message);
}

static const struct constraint *constraint_named(struct constraint *const *constraints, int count,
                                                 const char *name)
{
    for (int i = 0; i < count; i++)
        if (bytes_is(constraints[i]->name, name))
            return constraints[i];
    return NULL;
}

/* The columns that the server's detail names, `Key (a, b)=(…) …`: for constraints of partitions and of tables
 * below a view, whose names the catalog of this relation does not hold. Only names that are columns here
 * count. */
#define DETAIL_COLUMNS_MAX 32
static int columns_of_detail(const struct explaining *explaining, const struct column **ret_columns)
{
    const char *open = strchr(explaining->error->detail, '(');
    const char *close = open ? strstr(open, ")=(") : NULL;
    int count = 0;
    if (!close)
        return 0;
    for (struct bytes rest = { open + 1, (size_t)(close - open) - 1 };
         rest.data && count < DETAIL_COLUMNS_MAX;) {
        struct bytes name = bytes_trim(bytes_cut(&rest, ','));
        if (name.size >= 2 && name.data[0] == '"' && name.data[name.size - 1] == '"')
            name = (struct bytes){ name.data + 1, name.size - 2 };
        const struct column *column = relation_column(explaining->resource->relation, name);
        if (column)
            ret_columns[count++] = column;
    }
    return count;
}

/* Whether the server's detail, `Key (…)=(1, x) …`, shows this row's values of those columns. */
static bool is_of_detail(const struct explaining *explaining, const struct column *const *columns, int count,
                         int row)
{
    struct text values;
    text_init(&values, explaining->arena, 64);
    text_lit(&values, ")=(");
    for (int i = 0; i < count; i++) {
        const struct field *field = field_of(explaining->resource, columns[i]);
        const struct plan_cell *cell = field ? plan_body_cell(explaining->rows, row, field) : NULL;
        if (!cell || !cell->value.data)
            return false;
        text_add_z(&values, i ? ", " : "");
        text_add(&values, cell->value);
    }
    text_lit(&values, ") ");
    const char *shown = strstr(explaining->error->detail, ")=(");
    return shown && text_ok(&values) && strlen(shown) >= values.size &&
           memcmp(shown, values.data, values.size) == 0;
}

/* The last that shows what the server's detail does: of two alike in one body it is the second that collides.
 */
static int row_find(const struct explaining *explaining)
{
    const struct column *columns[DETAIL_COLUMNS_MAX];
    if (explaining->rows->rows_count == 1)
        return 0;
    const int count = columns_of_detail(explaining, columns);
    for (int row = explaining->rows->rows_count; count && --row >= 0;)
        if (is_of_detail(explaining, columns, count, row))
            return row;
    return -1;
}

/* By the constraint or index of that name, else by the detail. */
static void explain_columns(const struct explaining *explaining, const char *code, const char *message)
{
    const struct relation *relation = explaining->resource->relation;
    const char *name = explaining->error->constraint;
    const struct constraint *constraint =
        constraint_named(relation->constraints, relation->constraints_count, name);
    if (constraint) {
        detail_each(explaining, constraint->columns, constraint->columns_count, code, message);
        return;
    }
    for (int i = 0; i < relation->indexes_count; i++)
        if (bytes_is(relation->indexes[i].name, name)) {
            detail_each(explaining, relation->indexes[i].columns, relation->indexes[i].columns_count, code,
                        message);
            return;
        }
    const struct column *columns[DETAIL_COLUMNS_MAX];
    const int count = columns_of_detail(explaining, columns);
    detail_each(explaining, columns, count, code, message);
}

/* Whether the columns that the server's detail names are the key's own: then what it refers to is missing. */
static bool names_own_columns(const struct explaining *explaining, const struct constraint *constraint)
{
    const struct column *columns[DETAIL_COLUMNS_MAX];
    const int count = columns_of_detail(explaining, columns);
    bool own = count > 0;
    for (int i = 0; i < count; i++) {
        bool found = false;
        for (int k = 0; k < constraint->columns_count; k++)
            found |= constraint->columns[k] == columns[i];
        own &= found;
    }
    return own || count == 0;
}

/* The key of this row to another that is missing, or the key of others to this row. */
static void explain_foreign(const struct explaining *explaining)
{
    const struct relation *relation = explaining->resource->relation;
    const char *name = explaining->error->constraint;
    const struct constraint *own = constraint_named(relation->constraints, relation->constraints_count, name);
    const struct constraint *others =
        constraint_named(relation->referenced_by, relation->referenced_by_count, name);
    if (own && own->kind == CONSTRAINT_FOREIGN &&
        (!others || (others == own && names_own_columns(explaining, own)) ||
         (others != own && bytes_is(relation->name, explaining->error->table)))) {
        detail_each(explaining, own->columns, own->columns_count, "foreign_key",
                    "refers to a row that does not exist");
        return;
    }
    if (others) {
        detail(explaining, NULL, "in_use", "other rows refer to this one");
        return;
    }
    if (!own && bytes_is(relation->name, explaining->error->table))
        explain_columns(explaining, "foreign_key", "refers to a row that does not exist");
    else
        detail(explaining, NULL, relation->referenced_by_count ? "in_use" : "foreign_key",
               relation->referenced_by_count ? "other rows refer to this one"
                                             : "refers to a row that does not exist");
}

/* The rule in words, when it is one that can be told. */
static const char *words_of(const struct explaining *explaining, const struct constraint *constraint)
{
    const struct relation *relation = explaining->resource->relation;
    for (int i = 0; i < relation->columns_count; i++)
        for (const struct check_rule *rule = relation->columns[i].checks; rule; rule = rule->next) {
            if (rule->constraint != constraint)
                continue;
            struct text words;
            text_init(&words, explaining->arena, 128);
            check_describe(&words, rule);
            const char *text = text_z(&words);
            if (text && constraint->columns_count <= 1)
                return text;
        }
    return constraint->columns_count > 1 ? "breaks a rule between these fields"
                                         : "breaks a rule of the table";
}

static bool is_of_domain(const struct pg_type *type, const char *name)
{
    for (; type; type = type->domain_base)
        if (type->domain_base && bytes_is(type->name, name))
            return true;
    return false;
}

/* A domain's rule: told at its field, when only one field has that domain. */
static void explain_domain(const struct explaining *explaining)
{
    const struct field *found = NULL;
    int count = 0;
    for (int i = 0; i < explaining->resource->fields_count; i++) {
        const struct field *field = &explaining->resource->fields[i];
        if ((field->readable || field->creatable || field->updatable) &&
            is_of_domain(field->column->type, explaining->error->datatype)) {
            found = field;
            count++;
        }
    }
    detail(explaining, count == 1 ? found : NULL, "check", "breaks a rule of its type");
}

static void explain_check(const struct explaining *explaining)
{
    const struct relation *relation = explaining->resource->relation;
    const struct constraint *constraint =
        constraint_named(relation->constraints, relation->constraints_count, explaining->error->constraint);
    if (constraint)
        detail_each(explaining, constraint->columns, constraint->columns_count, "check",
                    words_of(explaining, constraint));
    else if (explaining->error->datatype[0])
        explain_domain(explaining);
    else
        detail(explaining, NULL, "check", "breaks a rule of the table");
}

static void explain_null(const struct explaining *explaining)
{
    const struct column *column =
        relation_column(explaining->resource->relation, bytes_of(explaining->error->column));
    const struct field *field = column ? field_of(explaining->resource, column) : NULL;
    detail(explaining, field, "required",
           field ? "must not be null" : "a value that this resource can't set is missing");
}

/* Values of filters that only the server can judge: the fault is the query's. */
static bool explain_query(const struct pg_error *error)
{
    static const struct {
        const char *sqlstate, *begins, *message;
    } table[] = {
        { "0A000", "nondeterministic collations are not supported",
          "a filter's operator does not work on a field whose collation takes different texts for equal" },
        { "2201B", "", "a filter's value is no valid regular expression" },
        { "22025", "", "a filter's pattern has a backslash that escapes nothing" },
        { "42601", "syntax error in tsquery",
          "a filter's value is no valid text search; plfts and wfts take plain words" },
        { "42601", "no operand in tsquery",
          "a filter's value is no valid text search; plfts and wfts take plain words" },
        { "42601", "syntax error in tsvector", "a filter's value is no valid tsvector" },
        { "42601", "syntax error in hstore", "a filter's value is no valid hstore" },
        { "XX000", "Unexpected end of string", "a filter's value is no valid hstore" }, /* up to 15 */
        { "XX000", "Syntax error near", "a filter's value is no valid hstore" },
    };
    for (size_t i = 0; i < array_count(table); i++) {
        if (strcmp(error->sqlstate, table[i].sqlstate) != 0 ||
            strncmp(error->message, table[i].begins, strlen(table[i].begins)) != 0)
            continue;
        failure_here->problem = &PROBLEM_QUERY;
        snprintf(failure_here->message, sizeof failure_here->message, "%s", table[i].message);
        return true;
    }
    return false;
}

/* A column that the server alone fills, behind a view that does not say so. */
static void explain_always(const struct explaining *explaining)
{
    struct bytes rest = bytes_of(explaining->error->message);
    (void)bytes_cut(&rest, '"');
    const struct column *column = relation_column(explaining->resource->relation, bytes_cut(&rest, '"'));
    failure_here->problem = &PROBLEM_VALIDATION;
    snprintf(failure_here->message, sizeof failure_here->message,
             "the database alone gives one of the values");
    detail(explaining, column ? field_of(explaining->resource, column) : NULL, "read_only",
           "is given by the database; leave it out");
}

void plan_explain_error(struct arena *arena, const struct plan *plan, const struct pg_error *error)
{
    struct explaining explaining = { arena, plan->resource, error, plan->rows, -1, NULL };
    const char *state = error->sqlstate;
    check(failure_here && failure_here->problem);
    explaining.own = app_errors_tell(&plan->resource->set->errors, error);
    if (explain_query(error))
        return;
    if (explaining.rows)
        explaining.row = row_find(&explaining);
    if (strcmp(state, "23505") == 0)
        explain_columns(&explaining, "unique", "exists already");
    else if (strcmp(state, "23503") == 0 || strcmp(state, "23001") == 0)
        explain_foreign(&explaining);
    else if (strcmp(state, "23514") == 0)
        explain_check(&explaining);
    else if (strcmp(state, "23502") == 0)
        explain_null(&explaining);
    else if (strcmp(state, "23P01") == 0)
        explain_columns(&explaining, "exclusion", "collides with another row");
    else if (explaining.own)
        detail(&explaining, NULL, "", ""); /* RAISE … USING CONSTRAINT */
    else if (strcmp(state, "428C9") == 0)
        explain_always(&explaining);
    else if (strcmp(state, "21000") == 0) {
        failure_here->problem = &PROBLEM_VALIDATION;
        snprintf(failure_here->message, sizeof failure_here->message,
                 "two rows of the body have the same key");
    }
}
