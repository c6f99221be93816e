/* What is made once for each resource: quoted names, what types can do, the shape of a whole row, and
 * get-by-key. */
#include "model/plan_internal.h"
#include "wire/sqltext.h"

const struct pg_type *plan_base_type(const struct pg_type *type)
{
    while (type->domain_base)
        type = type->domain_base;
    return type;
}

/* Types of pg_catalog without a default btree operator class (PostgreSQL 15-18); `=` fails on those of the
 * second list or means something else (equal area, overlap). */
static bool is_unordered(uint32_t oid)
{
    switch (oid) {
    case 27:
    case 28:
    case 29: /* tid has one, but positions mean nothing to a client; xid, cid */
    case 114:
    case 142: /* json, xml */
    case 600:
    case 601:
    case 602:
    case 603:
    case 604:
    case 628:
    case 718: /* geometric */
    case 1033:
    case 1790: /* aclitem, refcursor */
    case 2970:
    case 4072:
    case 5038: /* txid_snapshot, jsonpath, pg_snapshot */
    case 3642: /* gtsvector */
    case 24:
    case 2202:
    case 2203:
    case 2204:
    case 2205:
    case 2206:
    case 3734:
    case 3769:
    case 4089:
    case 4096:
    case 4191: /* reg…: ordered by OID, and a name that is not there is an error, not no match */
        return true;
    default:
        return false;
    }
}

static bool is_of_catalog(const struct pg_type *type)
{
    return bytes_is(type->schema, "pg_catalog");
}

/* Base types of extensions whose operators have the usual names. Others may have any: they are shown, and
 * told whether they are null, but neither compared nor sorted by. */
static bool is_known(const struct pg_type *type, bool ordered)
{
    static const char *const names[] = { "citext", "ltree",  "cube", "seg", "isbn",   "isbn13",
                                         "issn",   "issn13", "ismn", "upc", "ismn13", "ean13" };
    for (size_t i = 0; i < array_count(names); i++)
        if (bytes_is(type->name, names[i]))
            return true;
    return !ordered && bytes_is(type->name, "hstore");
}

static bool type_is_ordered(const struct pg_type *type, int depth)
{
    type = plan_base_type(type);
    if (depth > 8)
        return false;
    switch (type->kind) {
    case PG_TYPE_ARRAY:
        return type->delimiter != ' ' && type->element && type_is_ordered(type->element, depth + 1);
    case PG_TYPE_COMPOSITE:
        for (int i = 0; i < type->fields_count; i++)
            if (!type_is_ordered(type->fields[i].type, depth + 1))
                return false;
        return true;
    case PG_TYPE_VOID:
        return false;
    case PG_TYPE_JSON:
        return type->oid == 3802;
    case PG_TYPE_STRING:
        return is_of_catalog(type) ? !is_unordered(type->oid) : is_known(type, true);
    default:
        return !is_unordered(type->oid);
    }
}

/* Only base types bring their own operators; those of enums, arrays, composites and ranges are polymorphic.
 */
void plan_column_init(struct plan_column *column, const struct pg_type *type)
{
    const struct pg_type *base = plan_base_type(type);
    column->type = base;
    column->ordered = type_is_ordered(base, 0);
    column->compared = column->ordered || (is_of_catalog(base) && (base->oid == 27 || base->oid == 28)) ||
                       (base->kind == PG_TYPE_STRING && !is_of_catalog(base) && is_known(base, false));
}

bool plan_is_polymorphic(const struct pg_type *type)
{
    return type->kind == PG_TYPE_ENUM || type->kind == PG_TYPE_ARRAY || type->kind == PG_TYPE_COMPOSITE ||
           type->kind == PG_TYPE_RANGE || type->kind == PG_TYPE_MULTIRANGE;
}

static bool compile_column(struct arena *arena, const struct column *column, struct plan_column *compiled)
{
    struct text sql;
    text_init(&sql, arena, column->name.size + 2);
    sqltext_identifier(&sql, column->name);
    compiled->sql = text_bytes(&sql);
    text_init(&sql, arena, compiled->sql.size + 2);
    text_lit(&sql, "t.");
    text_add(&sql, compiled->sql);
    compiled->root_sql = text_bytes(&sql);
    plan_column_init(compiled, column->type);
    if (compiled->type->kind == PG_TYPE_STRING && !is_of_catalog(compiled->type)) {
        text_init(&sql, arena, compiled->type->schema.size + 2);
        sqltext_identifier(&sql, compiled->type->schema);
        compiled->operator_schema = text_bytes(&sql);
    }
    if (column->type->domain_base && plan_is_polymorphic(compiled->type)) {
        text_init(&sql, arena, compiled->type->sql.size + 2);
        text_lit(&sql, "::");
        text_add(&sql, compiled->type->sql);
        compiled->operand_cast = text_bytes(&sql);
    }
    return text_ok(&sql);
}

static bool compile_columns(struct arena *arena, struct plan_resource *compiled)
{
    const struct resource *resource = compiled->resource;
    const struct relation *relation = resource->relation;
    struct plan_column *columns = ARENA_ARRAY(arena, struct plan_column, (size_t)relation->columns_count + 1);
    if (!columns)
        return false;
    compiled->columns = columns;
    for (int i = 0; i < relation->columns_count; i++)
        if (!compile_column(arena, &relation->columns[i], &columns[i]))
            return false;
    return !resource_version_is_xmin(resource) ||
           compile_column(arena, resource->version->column, &columns[relation->columns_count]);
}

/* Sets of columns by which rows can be told apart: the declared key, and unique indexes over NOT NULL
 * columns. */
static bool compile_uniques(struct arena *arena, struct plan_resource *compiled)
{
    const struct resource *resource = compiled->resource;
    const struct relation *relation = resource->relation;
    compiled->uniques = ARENA_ARRAY(arena, struct plan_unique, (size_t)relation->indexes_count + 1);
    const struct column **key = ARENA_ARRAY(arena, const struct column *, (size_t)resource->key_count + 1);
    if (!compiled->uniques || !key)
        return false;
    for (int i = 0; i < resource->key_count; i++)
        key[i] = resource->key[i]->column;
    if (resource->key_count)
        compiled->uniques[compiled->uniques_count++] = (struct plan_unique){ key, resource->key_count };
    for (int i = 0; i < relation->indexes_count; i++) {
        const struct index *index = &relation->indexes[i];
        bool usable = index->unique && index->valid && !index->partial && index->columns_count > 0;
        for (int k = 0; usable && k < index->columns_count; k++)
            usable = index->columns[k] && index->columns[k]->not_null;
        if (usable)
            compiled->uniques[compiled->uniques_count++] =
                (struct plan_unique){ index->columns, index->columns_count };
    }
    return true;
}

static bool compile_shape(struct arena *arena, struct plan_resource *compiled)
{
    const struct resource *resource = compiled->resource;
    struct row_shape *shape = ARENA_NEW(arena, struct row_shape);
    struct row_member *members = ARENA_ARRAY(arena, struct row_member, (size_t)resource->fields_count + 1);
    compiled->field_names = ARENA_ARRAY(arena, struct bytes, (size_t)resource->fields_count + 1);
    if (!shape || !members || !compiled->field_names)
        return false;
    int *of_root =
        ARENA_ARRAY(arena, int, (size_t)resource->relation->columns_count + 1); /* result column + 1 */
    int columns_count = 0;
    if (!of_root)
        return false;
    for (int i = 0; i < resource->fields_count; i++) {
        const struct field *field = &resource->fields[i];
        if (!field->readable)
            continue;
        compiled->field_names[compiled->field_names_count++] = field->name;
        int *at = &of_root[field->column->position];
        if (!*at)
            *at = ++columns_count; /* two fields may show one column */
        members[shape->members_count++] =
            (struct row_member){ .key = field->key_json, .type = field->column->type, .column = *at - 1 };
    }
    shape->members = members;
    compiled->shape = shape;
    return true;
}

bool plan_compile(struct resource_set *set)
{
    for (int i = 0; i < set->resources_count; i++) {
        struct resource *resource = &set->resources[i];
        resource->compiled = NULL;
        if (resource->missing.size || !resource->relation)
            continue;
        struct plan_resource *compiled = ARENA_NEW(&set->arena, struct plan_resource);
        if (!compiled)
            return fail(&PROBLEM_TOO_LARGE, "the resources need more memory than they may use");
        compiled->resource = resource;
        if (!compile_columns(&set->arena, compiled) || !compile_uniques(&set->arena, compiled) ||
            !compile_shape(&set->arena, compiled))
            return fail(&PROBLEM_TOO_LARGE, "the resources need more memory than they may use");
        resource->compiled = compiled;
        if (resource->key_count && !plan_get_compile(&set->arena, resource, false, &compiled->get))
            return false;
        if (resource->key_count && resource->tenant_field &&
            !plan_get_compile(&set->arena, resource, true, &compiled->get_of_tenant))
            return false;
    }
    return true;
}
