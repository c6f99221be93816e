/* Filters: each operator where the column's type has it, each value checked against that type, everything
 * bound. The text of the SQL depends on which operators are used, never on values, nor on how many there are.
 */
#include "model/plan_internal.h"
#include "wire/pgtext.h"

/* Whether an operator fits a type is asked by family. */
enum family { FAMILY_OTHER, FAMILY_TEXT, FAMILY_TSVECTOR, FAMILY_ARRAY, FAMILY_RANGE, FAMILY_JSON };

struct comparison { /* one leaf, looked at */
    struct plan_builder *builder;
    const struct resource *resource;
    const struct filter_node *leaf;
    const struct field *field;
    struct plan_column column; /* what the left side is, steps included */
    enum filter_operator asked;
    enum family family;
    int alias;
};

static enum family family_of(const struct pg_type *type)
{
    switch (type->kind) {
    case PG_TYPE_ARRAY:
        return FAMILY_ARRAY;
    case PG_TYPE_RANGE:
    case PG_TYPE_MULTIRANGE:
        return FAMILY_RANGE;
    case PG_TYPE_JSON:
        return FAMILY_JSON;
    case PG_TYPE_STRING:
        if (type->oid == 3614)
            return FAMILY_TSVECTOR;
        if (type->oid == 25 || type->oid == 1043 || type->oid == 1042 || type->oid == 19 ||
            bytes_is(type->name, "citext"))
            return FAMILY_TEXT;
        return FAMILY_OTHER;
    default:
        return FAMILY_OTHER;
    }
}

static const char *const operators[FILTER_OPERATORS] = {
    [FILTER_EQ] = "=",    [FILTER_NEQ] = "<>",    [FILTER_GT] = ">",    [FILTER_GTE] = ">=",
    [FILTER_LT] = "<",    [FILTER_LTE] = "<=",    [FILTER_LIKE] = "~~", [FILTER_ILIKE] = "~~*",
    [FILTER_MATCH] = "~", [FILTER_IMATCH] = "~*", [FILTER_IN] = "=",    [FILTER_ISDISTINCT] = "=",
    [FILTER_CS] = "@>",   [FILTER_CD] = "<@",     [FILTER_OV] = "&&",   [FILTER_SL] = "<<",
    [FILTER_SR] = ">>",   [FILTER_NXR] = "&<",    [FILTER_NXL] = "&>",  [FILTER_ADJ] = "-|-",
};

static bool operator_fits(const struct comparison *comparison)
{
    const struct filter_node *leaf = comparison->leaf;
    const enum family family = comparison->family;
    switch (comparison->asked) {
    case FILTER_IN:
        return comparison->column.compared && family != FAMILY_ARRAY;
    case FILTER_EQ:
        return comparison->column.compared && (!leaf->quantifier || family != FAMILY_ARRAY);
    case FILTER_NEQ:
    case FILTER_ISDISTINCT:
        return comparison->column.compared;
    case FILTER_GT:
    case FILTER_GTE:
    case FILTER_LT:
    case FILTER_LTE:
        return comparison->column.ordered && (!leaf->quantifier || family != FAMILY_ARRAY);
    case FILTER_LIKE:
    case FILTER_ILIKE:
    case FILTER_MATCH:
    case FILTER_IMATCH:
        return family == FAMILY_TEXT;
    case FILTER_IS:
        return leaf->is == FILTER_IS_NULL || leaf->is == FILTER_IS_NOT_NULL ||
               comparison->column.type->kind == PG_TYPE_BOOL;
    case FILTER_FTS:
    case FILTER_PLFTS:
    case FILTER_PHFTS:
    case FILTER_WFTS:
        return family == FAMILY_TEXT || family == FAMILY_TSVECTOR;
    case FILTER_CS:
    case FILTER_CD:
        return (family == FAMILY_ARRAY && comparison->column.compared) || family == FAMILY_RANGE ||
               family == FAMILY_JSON;
    case FILTER_OV:
        return (family == FAMILY_ARRAY && comparison->column.compared) || family == FAMILY_RANGE;
    default:
        return family == FAMILY_RANGE;
    }
}

/* "price=like: …": what every refusal of a filter begins with. */
static bool refuse(const struct comparison *comparison, const char *why)
{
    const struct field_ref *field = &comparison->leaf->field;
    struct text name;
    text_init(&name, comparison->builder->arena, 64);
    for (int i = 0; i < field->embeds_count; i++) {
        text_add(&name, field->embeds[i]);
        text_byte(&name, '.');
    }
    text_add(&name, field->name);
    for (int i = 0; i < field->steps_count; i++) {
        text_add_z(&name, field->steps[i].as_text ? "->>" : "->");
        text_add(&name, field->steps[i].key);
    }
    return fail(&PROBLEM_QUERY, "%.*s=%s: %s", BYTES_ARG(wire_excerpt(text_bytes(&name))),
                filter_operators[comparison->asked].name, why);
}

static bool refuse_operator(const struct comparison *comparison)
{
    char why[160];
    const struct bytes type = wire_excerpt(comparison->column.type->name);
    if (comparison->asked == FILTER_IS)
        return refuse(comparison,
                      "only a boolean field can be true, false or unknown; compare others with eq");
    snprintf(why, sizeof why, "'%s' (%s) does not work on a field of type %.*s",
             filter_operators[comparison->asked].name, filter_operators[comparison->asked].doc,
             BYTES_ARG(type));
    return refuse(comparison, why);
}

/* ---- values ---- */

/* PostgreSQL's own text forms are checked for their brackets only, so that a typing error is told here. */
static bool is_well_formed(const struct pg_type *type, struct bytes value)
{
    struct pgtext_range range;
    struct pgtext_array array;
    struct pgtext_value element;
    if (type->kind == PG_TYPE_RANGE)
        return pgtext_range_parse(value, &range);
    if (type->kind != PG_TYPE_ARRAY || type->delimiter == ' ')
        return true;
    pgtext_array_begin(&array, value, type->delimiter ? type->delimiter : ',');
    for (;;) {
        const enum pgtext_token token = pgtext_array_next(&array, &element);
        if (token == PGTEXT_END || token == PGTEXT_BAD)
            return token == PGTEXT_END;
    }
}

static bool value_of(const struct comparison *comparison, const struct pg_type *type, struct bytes value,
                     struct bytes *ret_param)
{
    struct plan_refusal refusal;
    const enum filter_operator asked = comparison->asked;
    if (!is_well_formed(type, value))
        return refuse(comparison, type->kind == PG_TYPE_RANGE ? "must be a range, such as [1,5)"
                                                              : "must be a list in braces, such as {a,b}");
    if ((asked == FILTER_LIKE || asked == FILTER_ILIKE) && bytes_ends(value, BYTES("\\"))) {
        size_t backslashes = 0;
        while (backslashes < value.size && value.data[value.size - 1 - backslashes] == '\\')
            backslashes++;
        if (backslashes % 2)
            return refuse(comparison, "the pattern ends with a backslash that escapes nothing");
    }
    if (plan_value(comparison->builder, type, &comparison->resource->set->encoding, value, ret_param,
                   &refusal))
        return true;
    return refuse(comparison, refusal.message[0] ? refusal.message
                                                 : "the value needs more memory than a request may use");
}

/* All values as one array parameter: `$1::type[]`. */
static bool list_write(const struct comparison *comparison, const struct pg_type *type)
{
    const struct filter_node *leaf = comparison->leaf;
    struct text list;
    text_init(&list, comparison->builder->arena, 16 + 16 * (size_t)leaf->values_count);
    struct pgtext_array_writer writer = { .out = &list };
    pgtext_array_write_begin(&writer);
    for (int i = 0; i < leaf->values_count; i++) {
        struct bytes param;
        if (!value_of(comparison, type, leaf->values[i], &param))
            return false;
        pgtext_array_write_value(&writer, param);
    }
    pgtext_array_write_end(&writer);
    if (!text_ok(&list))
        return refuse(comparison, "the list needs more memory than a request may use");
    plan_param_cast(comparison->builder, text_bytes(&list), type);
    text_lit(&comparison->builder->sql, "[]");
    return true;
}

/* ---- conditions ---- */

static void left_write(const struct comparison *comparison)
{
    const struct filter_node *leaf = comparison->leaf;
    plan_field_write(comparison->builder, comparison->alias, comparison->resource, comparison->field,
                     leaf->field.steps, leaf->field.steps_count);
    if (plan_field_type(comparison->field, leaf->field.steps, leaf->field.steps_count)->oid == 114)
        text_lit(&comparison->builder->sql, "::pg_catalog.jsonb"); /* json itself has no operators */
    if (!leaf->field.steps_count)
        text_add(&comparison->builder->sql, comparison->column.operand_cast);
}

static bool compare_write(const struct comparison *comparison)
{
    struct plan_builder *builder = comparison->builder;
    const struct filter_node *leaf = comparison->leaf;
    const struct pg_type *type = comparison->column.type;
    if (comparison->family == FAMILY_TEXT && !comparison->column.operator_schema.size &&
        comparison->asked >= FILTER_LIKE && comparison->asked <= FILTER_IMATCH)
        type = pg_type_builtin(25);
    const bool distinct = comparison->asked == FILTER_ISDISTINCT;
    if (distinct)
        text_byte(&builder->sql, '(');
    left_write(comparison);
    plan_operator(builder, comparison->column.operator_schema, operators[comparison->asked]);
    if (comparison->asked == FILTER_IN || leaf->quantifier) {
        text_add_z(&builder->sql, leaf->quantifier == FILTER_ALL ? "ALL (" : "ANY (");
        if (!list_write(comparison, type))
            return false;
        text_byte(&builder->sql, ')');
        return true;
    }
    struct bytes param;
    if (!value_of(comparison, type, leaf->values[0], &param))
        return false;
    plan_param_cast(builder, param, type);
    if (distinct) /* IS DISTINCT FROM would look for its operator in the search path */
        text_lit(&builder->sql, ") IS NOT TRUE");
    return true;
}

static void is_write(const struct comparison *comparison)
{
    static const char *const words[FILTER_IS_WORDS] = {
        [FILTER_IS_NULL] = " IS NULL",   [FILTER_IS_NOT_NULL] = " IS NOT NULL", [FILTER_IS_TRUE] = " IS TRUE",
        [FILTER_IS_FALSE] = " IS FALSE", [FILTER_IS_UNKNOWN] = " IS UNKNOWN",
    };
    static const char *const composite_words[] = { " IS NOT DISTINCT FROM NULL", " IS DISTINCT FROM NULL" };
    const bool composite = comparison->column.type->kind == PG_TYPE_COMPOSITE; /* a row of nulls is a value */
    plan_field_write(comparison->builder, comparison->alias, comparison->resource, comparison->field,
                     comparison->leaf->field.steps, comparison->leaf->field.steps_count);
    text_add_z(&comparison->builder->sql,
               composite ? composite_words[comparison->leaf->is] : words[comparison->leaf->is]);
}

/* Text search configurations of pg_catalog: those of others are not asked for. */
static const char *const languages[] = {
    "simple",  "arabic",     "armenian", "basque",    "catalan",    "danish",    "dutch",      "english",
    "finnish", "french",     "german",   "greek",     "hindi",      "hungarian", "indonesian", "irish",
    "italian", "lithuanian", "nepali",   "norwegian", "portuguese", "romanian",  "russian",    "serbian",
    "spanish", "swedish",    "tamil",    "turkish",   "yiddish",
};

static bool language_check(const struct comparison *comparison)
{
    const struct bytes language = comparison->leaf->language;
    struct bytes names[array_count(languages)];
    for (size_t i = 0; i < array_count(languages); i++) {
        names[i] = bytes_of(languages[i]);
        if (bytes_equal(language, names[i]))
            return true;
    }
    char why[128];
    const struct bytes nearest = bytes_nearest(language, names, array_count(names)),
                       shown = wire_excerpt(language);
    snprintf(why, sizeof why, "'%.*s' is no language of text search%s%.*s%s", BYTES_ARG(shown),
             nearest.size ? "; did you mean '" : "", BYTES_ARG(nearest), nearest.size ? "'?" : "");
    return refuse(comparison, why);
}

static bool search_write(const struct comparison *comparison)
{
    static const char *const functions[] = {
        [FILTER_FTS - FILTER_FTS] = "pg_catalog.to_tsquery(",
        [FILTER_PLFTS - FILTER_FTS] = "pg_catalog.plainto_tsquery(",
        [FILTER_PHFTS - FILTER_FTS] = "pg_catalog.phraseto_tsquery(",
        [FILTER_WFTS - FILTER_FTS] = "pg_catalog.websearch_to_tsquery(",
    };
    struct plan_builder *builder = comparison->builder;
    const struct filter_node *leaf = comparison->leaf;
    const struct pg_type *text_type = pg_type_builtin(25), *language_type = pg_type_builtin(3734);
    if (leaf->language.size && !language_check(comparison))
        return false;
    if (comparison->family == FAMILY_TEXT) {
        text_lit(&builder->sql, "pg_catalog.to_tsvector(");
        if (leaf->language.size) {
            plan_param_cast(builder, leaf->language, language_type);
            text_lit(&builder->sql, ", ");
        }
        left_write(comparison);
        text_add_z(&builder->sql, comparison->column.type->oid == 25 ? ")" : "::pg_catalog.text)");
    } else {
        left_write(comparison);
    }
    text_lit(&builder->sql, " @@ ");
    text_add_z(&builder->sql, functions[comparison->asked - FILTER_FTS]);
    if (leaf->language.size) {
        plan_param_cast(builder, leaf->language, language_type);
        text_lit(&builder->sql, ", ");
    }
    struct bytes param;
    if (!value_of(comparison, text_type, leaf->values[0], &param))
        return false;
    plan_param_cast(builder, param, text_type);
    text_byte(&builder->sql, ')');
    return true;
}

static bool comparison_write(struct plan_builder *builder, const struct resource *resource, int alias,
                             const struct filter_node *leaf)
{
    struct comparison comparison = {
        .builder = builder, .resource = resource, .leaf = leaf, .asked = leaf->operator, .alias = alias };
    comparison.field = plan_field_find(resource, leaf->field.name);
    if (!comparison.field || !plan_steps_check(comparison.field, leaf->field.steps, leaf->field.steps_count))
        return false;
    if (leaf->field.steps_count)
        plan_column_init(&comparison.column,
                         plan_field_type(comparison.field, leaf->field.steps, leaf->field.steps_count));
    else
        comparison.column = *plan_column_of(resource, comparison.field->column);
    if (comparison.column.type->oid == 114)
        plan_column_init(&comparison.column, pg_type_builtin(3802));
    comparison.family = family_of(comparison.column.type);
    if (!operator_fits(&comparison))
        return refuse_operator(&comparison);
    if (comparison.asked == FILTER_IS)
        return is_write(&comparison), true;
    if (comparison.asked >= FILTER_FTS && comparison.asked <= FILTER_WFTS)
        return search_write(&comparison);
    return compare_write(&comparison);
}

/* A filter that leads through a resource which select does not show: there is such a row. */
static bool related_write(struct plan_builder *builder, const struct resource *resource, int alias,
                          const struct filter_node *leaf, int skip)
{
    const struct embed *embed =
        plan_embed_find(resource, leaf->field.embeds[skip], (struct bytes){ NULL, 0 });
    int inner;
    if (!embed || !plan_alias_take(builder, &inner))
        return false;
    if (skip >= resource->depth_max)
        return fail(&PROBLEM_QUERY, "'%.*s' is too deep: at most %d levels here", BYTES_ARG(embed->name),
                    (int)resource->depth_max);
    struct text *sql = &builder->sql;
    text_lit(sql, "EXISTS (SELECT 1 FROM ");
    plan_source_write(builder, embed->target, embed, inner);
    text_lit(sql, " WHERE ");
    plan_join_write(builder, resource, alias, embed, inner);
    text_lit(sql, " AND ");
    if (plan_tenant_known(builder, embed->target)) {
        if (!plan_tenant_write(builder, embed->target, inner))
            return false;
        text_lit(sql, " AND ");
    }
    if (!plan_filter_write(builder, embed->target, inner, leaf, skip + 1))
        return false;
    text_byte(sql, ')');
    return true;
}

static bool group_write(struct plan_builder *builder, const struct resource *resource, int alias,
                        const struct filter_node *group, int skip)
{
    text_byte(&builder->sql, '(');
    for (const struct filter_node *child = group->first; child; child = child->next) {
        if (!plan_filter_write(builder, resource, alias, child, skip))
            return false;
        if (child->next)
            text_add_z(&builder->sql, group->kind == FILTER_AND ? " AND " : " OR ");
    }
    text_byte(&builder->sql, ')');
    return true;
}

bool plan_filter_write(struct plan_builder *builder, const struct resource *resource, int alias,
                       const struct filter_node *filter, int skip)
{
    const bool related = filter->kind == FILTER_LEAF && filter->field.embeds_count > skip;
    if (related) /* `not` belongs to the comparison inside */
        return related_write(builder, resource, alias, filter, skip);
    if (filter->negated)
        text_lit(&builder->sql, "NOT (");
    if (filter->kind == FILTER_LEAF ? !comparison_write(builder, resource, alias, filter)
                                    : !group_write(builder, resource, alias, filter, skip))
        return false;
    if (filter->negated)
        text_byte(&builder->sql, ')');
    return true;
}
