/* What is asked for, as a tree of nodes: names looked up, embeds found, filters handed to the node they are
 * about. Whatever a client can get wrong about names is refused here. */
#include "model/plan_internal.h"

const struct field *plan_field_find(const struct resource *resource, struct bytes name)
{
    const struct field *field = table_get(&resource->fields_by_name, name);
    if (field && field->readable)
        return field;
    const struct plan_resource *compiled = plan_compiled(resource);
    const struct bytes shown = wire_excerpt(name);
    const struct bytes nearest =
        bytes_nearest(name, compiled->field_names, (size_t)compiled->field_names_count);
    if (nearest.size)
        fail(&PROBLEM_QUERY, "'%.*s' has no field '%.*s'; did you mean '%.*s'?", BYTES_ARG(resource->name),
             BYTES_ARG(shown), BYTES_ARG(nearest));
    else
        fail(&PROBLEM_QUERY, "'%.*s' has no field '%.*s'", BYTES_ARG(resource->name), BYTES_ARG(shown));
    return NULL;
}

const struct embed *plan_embed_find(const struct resource *resource, struct bytes name, struct bytes hint)
{
    const struct embed *embed = resource_embed(resource, name, hint);
    if (!embed)
        return NULL;
    /* resource.c offers no others; a set that was made otherwise is held to the same: one row that the key
     * names may be had by getting it, several are listed. */
    const unsigned needed = embed->kind == EMBED_MANY ? 1u << OP_LIST : 1u << OP_LIST | 1u << OP_GET;
    if (embed->target->compiled && (embed->target->operations & needed))
        return embed;
    const struct bytes shown = wire_excerpt(name);
    fail(&PROBLEM_QUERY, "'%.*s' has no related resource '%.*s'", BYTES_ARG(resource->name),
         BYTES_ARG(shown));
    return NULL;
}

struct plan_node *plan_node_child(const struct plan_node *node, struct bytes name)
{
    for (struct plan_node *child = node->first; child; child = child->next)
        if (bytes_equal(child->name, name))
            return child;
    for (struct plan_node *child = node->first; child; child = child->next)
        if (bytes_equal(child->embed->name, name))
            return child;
    return NULL;
}

/* ---- items ---- */

/* Types that a client may ask a column to be shown as. Built-in scalars only: a cast to them reads no table.
 */
static const struct {
    const char *name;
    uint32_t oid;
} casts[] = {
    { "text", 25 },
    { "varchar", 1043 },
    { "bool", 16 },
    { "boolean", 16 },
    { "int2", 21 },
    { "smallint", 21 },
    { "int4", 23 },
    { "int", 23 },
    { "integer", 23 },
    { "int8", 20 },
    { "bigint", 20 },
    { "float4", 700 },
    { "real", 700 },
    { "float8", 701 },
    { "numeric", 1700 },
    { "decimal", 1700 },
    { "double precision", 701 },
    { "date", 1082 },
    { "time", 1083 },
    { "timetz", 1266 },
    { "timestamp", 1114 },
    { "timestamptz", 1184 },
    { "interval", 1186 },
    { "uuid", 2950 },
    { "json", 114 },
    { "jsonb", 3802 },
    { "inet", 869 },
};

static const struct pg_type *cast_of(struct bytes name)
{
    for (size_t i = 0; i < array_count(casts); i++)
        if (bytes_is(name, casts[i].name))
            return pg_type_builtin(casts[i].oid);
    const struct bytes shown = wire_excerpt(name);
    fail(&PROBLEM_QUERY,
         "'::%.*s' is no cast that select offers: text, int4, int8, numeric, float8, bool, date, "
         "timestamp, timestamptz, uuid, json …",
         BYTES_ARG(shown));
    return NULL;
}

/* data->items->0->>sku is shown as "sku": the last key that is no index. */
static struct bytes item_name(const struct select_node *select)
{
    if (select->alias.size)
        return select->alias;
    for (int i = select->field.steps_count - 1; i >= 0; i--)
        if (!select->field.steps[i].is_index)
            return select->field.steps[i].key;
    return select->field.name;
}

static bool add_field(struct plan_node *node, const struct select_node *select)
{
    const struct field *field = plan_field_find(node->resource, select->field.name);
    if (!field || !plan_steps_check(field, select->field.steps, select->field.steps_count))
        return false;
    const struct pg_type *cast = NULL;
    if (select->cast.size && !(cast = cast_of(select->cast)))
        return false;
    node->items[node->items_count++] = (struct plan_item){
        .name = item_name(select),
        .field = field,
        .steps = select->field.steps,
        .steps_count = select->field.steps_count,
        .cast = cast,
    };
    return true;
}

static void add_all(struct plan_node *node)
{
    for (int i = 0; i < node->resource->fields_count; i++) {
        const struct field *field = &node->resource->fields[i];
        if (field->readable)
            node->items[node->items_count++] =
                (struct plan_item){ .name = field->name, .field = field, .of_all = true };
    }
}

static bool fill_node(struct plan_builder *builder, struct plan_node *node, const struct select_node *select,
                      int depth_max);

static struct plan_node *node_new(struct plan_builder *builder, const struct resource *resource)
{
    struct plan_node *node = ARENA_NEW(builder->arena, struct plan_node);
    if (!node)
        fail(&PROBLEM_TOO_LARGE, "the request needs more memory than it may use");
    else
        node->resource = resource;
    return node;
}

static bool add_embed(struct plan_builder *builder, struct plan_node *node, const struct select_node *select,
                      int depth_max)
{
    const struct embed *embed = plan_embed_find(node->resource, select->field.name, select->hint);
    if (!embed)
        return false;
    if (node->depth == depth_max)
        return fail(&PROBLEM_QUERY, "'%.*s' is embedded too deep: at most %d levels here",
                    BYTES_ARG(embed->name), depth_max);
    if (select->spread && embed->kind == EMBED_MANY)
        return fail(&PROBLEM_QUERY, "'...%.*s' can't be spread: there may be many; embed it without the dots",
                    BYTES_ARG(embed->name));
    struct plan_node *child = node_new(builder, embed->target);
    if (!child || !plan_alias_take(builder, &child->alias))
        return false;
    child->embed = embed;
    child->parent = node;
    child->name = select->alias.size ? select->alias : select->field.name;
    child->inner = select->join == SELECT_JOIN_INNER;
    child->spread = select->spread;
    child->depth = node->depth + 1;
    *(node->last ? &node->last->next : &node->first) = child;
    node->last = child;
    if (!fill_node(builder, child, select, depth_max))
        return false;
    if (child->items_count)
        node->items[node->items_count++] = (struct plan_item){ .name = child->name, .embed = child };
    return true;
}

/* ---- names stand once ---- */

static bool fail_twice(struct bytes name)
{
    const struct bytes shown = wire_excerpt(name);
    return fail(&PROBLEM_QUERY, "select names '%.*s' twice; give one of them an alias: other:%.*s",
                BYTES_ARG(shown), BYTES_ARG(shown));
}

/* Puts the names of a node's items into the table; the names of what is spread among them too. */
static bool take_names(struct table *names, struct plan_node *node)
{
    for (int i = 0; i < node->items_count; i++) {
        struct plan_item *item = &node->items[i];
        if (item->embed && item->embed->spread) {
            if (!take_names(names, item->embed))
                return false;
            continue;
        }
        struct plan_item *before = table_put(names, item->name, item);
        if (!before)
            continue;
        if (before->of_all)
            before->name = (struct bytes){ NULL, 0 }; /* the one that was named wins over the one of `*` */
        else if (item->of_all)
            item->name = (table_put(names, before->name, before), (struct bytes){ NULL, 0 });
        else
            return fail_twice(item->name);
    }
    return true;
}

/* Takes out what take_names() left without a name. */
static void drop_nameless(struct plan_node *node)
{
    int kept = 0;
    for (int i = 0; i < node->items_count; i++)
        if (node->items[i].name.data)
            node->items[kept++] = node->items[i];
    node->items_count = kept;
}

static bool names_stand_once(struct plan_node *node)
{
    struct table names = { 0 };
    const bool once = take_names(&names, node);
    table_done(&names);
    drop_nameless(node);
    return once;
}

static bool fill_node(struct plan_builder *builder, struct plan_node *node, const struct select_node *select,
                      int depth_max)
{
    int room = 0;
    for (const struct select_node *child = select->first; child; child = child->next)
        room += child->kind == SELECT_ALL ? node->resource->fields_count : 1;
    node->items = ARENA_ARRAY(builder->arena, struct plan_item, (size_t)room + 1);
    if (!node->items)
        return fail(&PROBLEM_TOO_LARGE, "the request needs more memory than it may use");
    for (const struct select_node *child = select->first; child; child = child->next) {
        if (child->kind == SELECT_ALL)
            add_all(node);
        else if (child->kind == SELECT_FIELD ? !add_field(node, child)
                                             : !add_embed(builder, node, child, depth_max))
            return false;
    }
    return names_stand_once(node);
}

bool plan_tree_make(struct plan_builder *builder, const struct resource *resource,
                    const struct select_node *select, struct plan_node **ret_root)
{
    struct plan_node *root = node_new(builder, resource);
    if (!root)
        return false;
    if (select && !fill_node(builder, root, select, (int)resource->depth_max))
        return false;
    *ret_root = root;
    return true;
}

/* ---- filters ---- */

/* How deep into the tree the embeds of all leaves lead together: *ret_node is that node. */
static void find_common(struct plan_node *root, const struct filter_node *filter, struct plan_node **node,
                        bool *first)
{
    if (filter->kind != FILTER_LEAF) {
        for (const struct filter_node *child = filter->first; child; child = child->next)
            find_common(root, child, node, first);
        return;
    }
    struct plan_node *at = root;
    for (int i = 0; i < filter->field.embeds_count; i++) {
        struct plan_node *child = plan_node_child(at, filter->field.embeds[i]);
        if (!child)
            break;
        at = child;
    }
    if (*first)
        *node = at;
    *first = false;
    while (*node != at) { /* up to the common ancestor */
        struct plan_node **deeper = (*node)->depth > at->depth ? node : &at;
        *deeper = (*deeper)->parent;
    }
}

static bool add_filter(struct plan_builder *builder, struct plan_node *node, const struct filter_node *filter)
{
    const size_t size = sizeof *node->filters * (size_t)node->filters_count;
    const struct filter_node **filters =
        arena_grow(builder->arena, node->filters, size, size + sizeof *filters);
    if (!filters)
        return fail(&PROBLEM_TOO_LARGE, "the request needs more memory than it may use");
    filters[node->filters_count++] = filter;
    node->filters = filters;
    return true;
}

bool plan_tree_filter(struct plan_builder *builder, struct plan_node *root, const struct filter_node *filter)
{
    if (!filter)
        return true;
    const bool list = filter->kind == FILTER_AND && !filter->negated;
    for (const struct filter_node *child = list ? filter->first : filter; child;
         child = list ? child->next : NULL) {
        struct plan_node *node = root;
        bool first = true;
        find_common(root, child, &node, &first);
        if (!add_filter(builder, node, child))
            return false;
    }
    return true;
}
