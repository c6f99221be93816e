/* Order, and what it takes to go on behind a row: keys until no two rows are equal, and the condition on
 * their values.
 *
 * Where the order is by the values alone, a page never holds a row twice or misses one that stayed, whatever
 * is inserted or deleted meanwhile, and a cursor whose own row is gone goes on from its place. */
#include "model/plan_internal.h"
#include "wire/sqltext.h"

#define KEYLESS_COLUMNS_MAX 8 /* of a relation without a key, before its rows' hash */

struct maker { /* an order being made */
    struct plan_builder *builder;
    const struct resource *resource;
    int alias;
    struct plan_order *order;
    int keys_room;
};

static bool fail_memory(void)
{
    return fail(&PROBLEM_TOO_LARGE, "the request needs more memory than it may use");
}

static struct plan_key *key_add(struct maker *maker)
{
    struct plan_order *order = maker->order;
    if (order->keys_count == maker->keys_room) {
        const int room = maker->keys_room ? 2 * maker->keys_room : 4;
        struct plan_key *keys =
            arena_grow(maker->builder->arena, order->keys, sizeof *keys * (size_t)maker->keys_room,
                       sizeof *keys * (size_t)room);
        if (!keys) {
            fail_memory();
            return NULL;
        }
        order->keys = keys;
        maker->keys_room = room;
    }
    struct plan_key *key = &order->keys[order->keys_count++];
    *key = (struct plan_key){ 0 };
    return key;
}

static bool has_column(const struct plan_order *order, const struct column *column)
{
    for (int i = 0; i < order->keys_count; i++)
        if (order->keys[i].column == column)
            return true;
    return false;
}

/* No two rows are equal by these keys. */
static bool is_total(const struct maker *maker)
{
    const struct plan_resource *compiled = plan_compiled(maker->resource);
    if (relation_is_inherited(maker->resource->relation))
        return false;
    for (int i = 0; i < compiled->uniques_count; i++) {
        const struct plan_unique *unique = &compiled->uniques[i];
        int found = 0;
        while (found < unique->columns_count && has_column(maker->order, unique->columns[found]))
            found++;
        if (found == unique->columns_count)
            return true;
    }
    return false;
}

static bool in_key(const struct resource *resource, const struct column *column)
{
    for (int i = 0; i < resource->key_count; i++)
        if (resource->key[i]->column == column)
            return true;
    return false;
}

static bool own_column_add(struct maker *maker, const struct column *column, bool descending,
                           enum order_nulls nulls)
{
    const struct plan_column *compiled = plan_column_of(maker->resource, column);
    if (has_column(maker->order, column)) /* the first mention decides */
        return true;
    struct plan_key *key = key_add(maker);
    if (!key)
        return false;
    key->sql = compiled->root_sql;
    if (maker->alias || compiled->operand_cast.size) {
        struct plan_builder part = { .arena = maker->builder->arena };
        text_init(&part.sql, part.arena, compiled->sql.size + compiled->operand_cast.size + 8);
        plan_operand_write(&part, maker->alias, maker->resource, column);
        key->sql = text_bytes(&part.sql);
    }
    key->outer_sql = key->sql;
    key->column = column;
    key->type = compiled->type;
    key->operator_schema = compiled->operator_schema;
    key->descending = descending;
    key->nullable = !column->not_null &&
                    !in_key(maker->resource, column); /* what a view declares as its key has values */
    key->nulls_first = nulls == ORDER_NULLS_DEFAULT ? descending : nulls == ORDER_NULLS_FIRST;
    return true;
}

/* A name in the paging subquery's select list that is no column of the relation. */
static bool name_key(const struct maker *maker, struct plan_key *key, int number)
{
    char name[64];
    const char *underscores = "________________";
    for (int tries = 0; tries < 16; tries++) {
        snprintf(name, sizeof name, "k%d%.*s", number, tries, underscores);
        if (!relation_column(maker->resource->relation, bytes_of(name)))
            break;
    }
    const char *copy = arena_copy(maker->builder->arena, bytes_of(name));
    const char *outer = arena_printf(maker->builder->arena, "%c.%s", maker->order->page_alias, name);
    key->name = bytes_of(copy);
    key->outer_sql = bytes_of(outer);
    return (copy && outer) || fail_memory();
}

/* From where the order stands to the resource that the embeds of a field lead to. */
static bool follow(struct maker *maker, const struct field_ref *field, const struct resource **resource,
                   int *alias)
{
    struct plan_order *order = maker->order;
    for (int i = 0; i < field->embeds_count; i++) {
        const struct embed *embed = plan_embed_find(*resource, field->embeds[i], (struct bytes){ NULL, 0 });
        if (!embed)
            return false;
        if (embed->kind != EMBED_ONE)
            return fail(&PROBLEM_QUERY, "order: '%.*s' may be many, so a row has no one place by it",
                        BYTES_ARG(embed->name));
        int at = 0;
        while (at < order->joins_count &&
               (order->joins[at].embed != embed || order->joins[at].parent_alias != *alias))
            at++;
        if (at == order->joins_count) {
            const size_t size = sizeof *order->joins * (size_t)at;
            struct plan_order_join *joins =
                arena_grow(maker->builder->arena, order->joins, size, size + sizeof *joins);
            int taken;
            if (!joins || !plan_alias_take(maker->builder, &taken))
                return joins ? false : fail_memory();
            order->joins = joins;
            order->joins[order->joins_count++] = (struct plan_order_join){ *resource, *alias, embed, taken };
        }
        *alias = order->joins[at].alias;
        *resource = embed->target;
    }
    return true;
}

static bool item_add(struct maker *maker, const struct order_item *item)
{
    const struct resource *resource = maker->resource;
    int alias = maker->alias;
    if (!follow(maker, &item->field, &resource, &alias))
        return false;
    const struct field *field = plan_field_find(resource, item->field.name);
    if (!field || !plan_steps_check(field, item->field.steps, item->field.steps_count))
        return false;
    const struct pg_type *type = plan_field_type(field, item->field.steps, item->field.steps_count);
    const bool json = type->oid == 114;
    struct plan_column column;
    plan_column_init(&column, json ? pg_type_builtin(3802) : type);
    if (!column.ordered)
        return fail(&PROBLEM_QUERY, "order: '%.*s' is of type %.*s, which has no order",
                    BYTES_ARG(field->name), BYTES_ARG(type->name));
    if (alias == maker->alias && !item->field.steps_count && !json)
        return own_column_add(maker, field->column, item->descending, item->nulls);
    struct plan_key *key = key_add(maker);
    if (!key)
        return false;
    /* The expression is written once, its parameters bound once, and its text used wherever the key is. */
    const struct text sql = maker->builder->sql;
    text_init(&maker->builder->sql, maker->builder->arena, 64);
    plan_field_write(maker->builder, alias, resource, field, item->field.steps, item->field.steps_count);
    if (json)
        text_lit(&maker->builder->sql, "::pg_catalog.jsonb");
    if (!item->field.steps_count)
        text_add(&maker->builder->sql, plan_column_of(resource, field->column)->operand_cast);
    key->sql = text_bytes(&maker->builder->sql);
    const bool written = text_ok(&maker->builder->sql);
    maker->builder->sql = sql;
    key->type = column.type;
    if (!item->field.steps_count)
        key->operator_schema = plan_column_of(resource, field->column)->operator_schema;
    key->descending = item->descending;
    key->nullable = true;
    key->nulls_first =
        item->nulls == ORDER_NULLS_DEFAULT ? item->descending : item->nulls == ORDER_NULLS_FIRST;
    return written ? name_key(maker, key, maker->order->keys_count) : fail_memory();
}

/* ---- tie-breakers ---- */

static bool is_short(const struct column *column, const struct pg_type *type)
{
    switch (type->kind) {
    case PG_TYPE_BOOL:
    case PG_TYPE_INTEGER:
    case PG_TYPE_BIGINT:
    case PG_TYPE_NUMERIC:
    case PG_TYPE_FLOAT:
    case PG_TYPE_TIMESTAMP:
    case PG_TYPE_TIMESTAMPTZ:
    case PG_TYPE_DATE:
    case PG_TYPE_ENUM:
        return true;
    case PG_TYPE_STRING:
        return (column->typmod > 0 && column->typmod < 260) || type->oid == 2950;
    default:
        return false;
    }
}

/* Without a key, rows are told apart by all they show: a hash of it, which fits into a cursor. */
static bool row_hash_add(struct maker *maker)
{
    struct plan_key *key = key_add(maker);
    if (!key)
        return false;
    struct plan_builder part = { .arena = maker->builder->arena };
    text_init(&part.sql, part.arena, 256);
    text_lit(&part.sql, "pg_catalog.md5(ROW(");
    bool comma = false;
    for (int i = 0; i < maker->resource->fields_count; i++) {
        const struct field *field = &maker->resource->fields[i];
        if (!field->readable)
            continue;
        if (comma)
            text_lit(&part.sql, ", ");
        comma = true;
        plan_column_write(&part, maker->alias, maker->resource, field->column);
    }
    text_lit(&part.sql, ")::pg_catalog.text)");
    key->sql = text_bytes(&part.sql);
    key->type = pg_type_builtin(25);
    return text_ok(&part.sql) ? name_key(maker, key, maker->order->keys_count) : fail_memory();
}

static bool system_column_add(struct maker *maker, const char *name, uint32_t type_oid)
{
    struct plan_key *key = key_add(maker);
    if (!key)
        return false;
    struct plan_builder part = { .arena = maker->builder->arena };
    text_init(&part.sql, part.arena, 24);
    plan_alias(&part, maker->alias);
    text_add_z(&part.sql, name);
    key->sql = text_bytes(&part.sql);
    key->type = pg_type_builtin(type_oid);
    return text_ok(&part.sql) ? name_key(maker, key, maker->order->keys_count) : fail_memory();
}

/* Rows that are equal in everything are told apart by where they lie, in a table (and which, of several) or a
 * materialized view. That is a place until the row is changed, so it comes last: only among equals may one be
 * met twice or not at all, and only if it is changed meanwhile. A view has no places: there a page may end
 * between equal rows and the next one begins behind them (`lintel check` says so). */
static bool place_add(struct maker *maker)
{
    const struct relation *relation = maker->resource->relation;
    if (!relation_has_places(relation))
        return true;
    const bool several = relation->has_children || relation->kind == RELATION_PARTITIONED;
    return (!several || system_column_add(maker, ".tableoid", 26)) && system_column_add(maker, ".ctid", 27);
}

static bool keyless_add(struct maker *maker)
{
    int added = maker->order->keys_count;
    for (int i = 0; i < maker->resource->fields_count && added < KEYLESS_COLUMNS_MAX; i++) {
        const struct field *field = &maker->resource->fields[i];
        if (!field->readable)
            continue;
        const struct plan_column *column = plan_column_of(maker->resource, field->column);
        if (!column->ordered || !is_short(field->column, column->type))
            continue;
        if (!own_column_add(maker, field->column, false, ORDER_NULLS_DEFAULT))
            return false;
        added++;
    }
    return row_hash_add(maker) && place_add(maker);
}

/* Tie-breakers go the way of the last key, so that an order of one direction stays one that an index can
 * serve. */
static bool ties_add(struct maker *maker)
{
    const struct plan_order *order = maker->order;
    const bool descending = order->keys_count && order->keys[order->keys_count - 1].descending;
    if (maker->resource->key_count == 0)
        return keyless_add(maker);
    for (int i = 0; i < maker->resource->key_count; i++)
        if (!own_column_add(maker, maker->resource->key[i]->column, descending, ORDER_NULLS_DEFAULT))
            return false;
    return !relation_is_inherited(maker->resource->relation) || place_add(maker);
}

bool plan_order_make(struct plan_builder *builder, const struct plan_node *node,
                     const struct order_item *items, int items_count, enum plan_order_wanted wanted,
                     struct plan_order *ret_order)
{
    const struct resource *resource = node->resource;
    struct plan_order order = { .page_alias = ret_order->page_alias };
    struct maker maker = { builder, resource, node->alias, &order, 0 };
    bool total = false;
    for (int i = 0; i < items_count && !total; i++) {
        if (!item_add(&maker, &items[i]))
            return false;
        total = is_total(&maker);
    }
    for (int i = 0; !items_count && i < resource->default_order_count && !total; i++) {
        const bool descending = resource->default_descending && resource->default_descending[i];
        if (!own_column_add(&maker, resource->default_order[i]->column, descending, ORDER_NULLS_DEFAULT))
            return false;
        total = is_total(&maker);
    }
    if (wanted == PLAN_ORDER_TOTAL && !total && !ties_add(&maker))
        return false;
    *ret_order = order;
    return true;
}

bool plan_order_joins_write(struct plan_builder *builder, const struct plan_order *order)
{
    for (int i = 0; i < order->joins_count; i++) {
        const struct plan_order_join *join = &order->joins[i];
        text_lit(&builder->sql, " LEFT JOIN ");
        plan_source_write(builder, join->embed->target, join->embed, join->alias);
        text_lit(&builder->sql, " ON ");
        plan_join_write(builder, join->parent, join->parent_alias, join->embed, join->alias);
        if (!plan_tenant_known(builder, join->embed->target))
            continue;
        text_lit(&builder->sql, " AND ");
        if (!plan_tenant_write(builder, join->embed->target, join->alias))
            return false;
    }
    return true;
}

void plan_order_write(struct plan_builder *builder, const struct plan_order *order, bool backwards,
                      bool outer)
{
    struct text *sql = &builder->sql;
    for (int i = 0; i < order->keys_count; i++) {
        const struct plan_key *key = &order->keys[i];
        const bool descending = key->descending != backwards, nulls_first = key->nulls_first != backwards;
        text_add_z(sql, i ? ", " : " ORDER BY ");
        text_add(sql, outer ? key->outer_sql : key->sql);
        if (descending)
            text_lit(sql, " DESC");
        if (key->nullable && nulls_first != descending)
            text_add_z(sql, nulls_first ? " NULLS FIRST" : " NULLS LAST");
    }
}

/* ---- going on behind a row ---- */

struct keyset {
    struct plan_builder *builder;
    const struct plan_order *order;
    const struct bytes *values;
    bool backwards;
};

static bool goes_down(const struct keyset *keyset, int i)
{
    return keyset->order->keys[i].descending != keyset->backwards;
}

/* The value of key i, bound: as often as it stands in the text, so that its type is said each time. */
static void value_write(const struct keyset *keyset, int i)
{
    plan_param_cast(keyset->builder, keyset->values[i], keyset->order->keys[i].type);
}

static void compare_write(const struct keyset *keyset, int i, const char *operator)
{
    const struct plan_key *key = &keyset->order->keys[i];
    text_add(&keyset->builder->sql, key->sql);
    plan_operator(keyset->builder, key->operator_schema, operator);
    value_write(keyset, i);
}

/* From key i on, all go one way, have values always, and operators of pg_catalog: `(a, b) > ($1, $2)`, which
 * an index answers with one descent. */
static bool is_uniform(const struct keyset *keyset, int from)
{
    for (int i = from; i < keyset->order->keys_count; i++) {
        const struct plan_key *key = &keyset->order->keys[i];
        if (key->nullable || key->operator_schema.size || goes_down(keyset, i) != goes_down(keyset, from))
            return false;
    }
    return true;
}

static void uniform_write(const struct keyset *keyset, int from)
{
    struct text *sql = &keyset->builder->sql;
    const int count = keyset->order->keys_count;
    const char *sign = goes_down(keyset, from) ? " < " : " > ";
    text_add_z(sql, count - from > 1 ? "(" : "");
    for (int i = from; i < count; i++) {
        text_add_z(sql, i > from ? ", " : "");
        text_add(sql, keyset->order->keys[i].sql);
    }
    text_add_z(sql, count - from > 1 ? ")" : "");
    text_add_z(sql, sign);
    text_add_z(sql, count - from > 1 ? "(" : "");
    for (int i = from; i < count; i++) {
        text_add_z(sql, i > from ? ", " : "");
        value_write(keyset, i);
    }
    text_add_z(sql, count - from > 1 ? ")" : "");
}

static void rest_write(const struct keyset *keyset, int from);

/* A composite row of nulls IS NULL, yet it sorts as the value that it is. */
static void is_null_write(struct text *sql, const struct plan_key *key, bool null)
{
    static const char *const words[2][2] = { { " IS NOT NULL", " IS NULL" },
                                             { " IS DISTINCT FROM NULL", " IS NOT DISTINCT FROM NULL" } };
    text_add(sql, key->sql);
    text_add_z(sql, words[key->type->kind == PG_TYPE_COMPOSITE][null]);
}

/* Where the row's value is NULL: nulls last, only ties come behind it; nulls first, every value does too. */
static void null_write(const struct keyset *keyset, int i, bool nulls_first)
{
    struct text *sql = &keyset->builder->sql;
    const struct plan_key *key = &keyset->order->keys[i];
    const bool last = i + 1 == keyset->order->keys_count;
    if (last && !nulls_first) {
        text_lit(sql, "false");
        return;
    }
    text_byte(sql, '(');
    is_null_write(sql, key, !nulls_first);
    if (!last) {
        text_add_z(sql, nulls_first ? " OR " : " AND ");
        rest_write(keyset, i + 1);
    }
    text_byte(sql, ')');
}

static void rest_write(const struct keyset *keyset, int i)
{
    struct text *sql = &keyset->builder->sql;
    const struct plan_key *key = &keyset->order->keys[i];
    const bool nulls_first = key->nulls_first != keyset->backwards, down = goes_down(keyset, i);
    const bool last = i + 1 == keyset->order->keys_count;
    if (is_uniform(keyset, i)) {
        uniform_write(keyset, i);
        return;
    }
    if (!keyset->values[i].data) {
        null_write(keyset, i, nulls_first);
        return;
    }
    const bool nulls_behind = key->nullable && !nulls_first;
    text_byte(sql, '(');
    if (!nulls_behind && !last) { /* what an index can begin at */
        compare_write(keyset, i, down ? "<=" : ">=");
        text_lit(sql, " AND (");
    }
    compare_write(keyset, i, down ? "<" : ">");
    if (nulls_behind) {
        text_lit(sql, " OR ");
        is_null_write(sql, key, true);
    }
    if (!last && nulls_behind) {
        text_lit(sql, " OR (");
        compare_write(keyset, i, "=");
        text_lit(sql, " AND ");
        rest_write(keyset, i + 1);
        text_byte(sql, ')');
    } else if (!last) {
        text_lit(sql, " OR ");
        rest_write(keyset, i + 1);
        text_byte(sql, ')');
    }
    text_byte(sql, ')');
}

void plan_keyset_write(struct plan_builder *builder, const struct plan_order *order,
                       const struct bytes *values, bool backwards)
{
    rest_write(&(struct keyset){ builder, order, values, backwards }, 0);
}

/* Under a policy it is a parameter: PostgreSQL plans anew for those who ask only where there is one, and the
 * plan of a tenant with a million rows is no good for one with five. */
void plan_limit_write(struct plan_builder *builder, int64_t rows)
{
    static const int64_t usual[] = { 1, 2, 5, 10, 20, 25, 30, 50, 100, 200, 250, 500, 1000 };
    text_lit(&builder->sql, " LIMIT ");
    for (size_t i = 0; i < array_count(usual) && !builder->row_security; i++)
        if (rows == usual[i] || rows == usual[i] + 1) {
            text_int(&builder->sql, rows);
            return;
        }
    plan_integer_write(builder, rows);
}
