/* The columns of a result, and how they become the members of an object. To-one embeds lie flat in the row,
 * and their presence is a column of the foreign key's target that can't be NULL; to-many embeds are one JSON
 * column. */
#include "model/plan_internal.h"
#include "wire/json_write.h"

static bool fail_memory(void)
{
    return fail(&PROBLEM_TOO_LARGE, "the request needs more memory than it may use");
}

bool plan_columns_init(struct plan_columns *columns, struct plan_builder *builder,
                       const struct plan_node *root, bool paged)
{
    const size_t count = (size_t)root->resource->relation->columns_count;
    *columns = (struct plan_columns){ .builder = builder };
    columns->of_root = arena_alloc(builder->arena, sizeof *columns->of_root * (count + 1));
    if (paged)
        columns->root_needed = ARENA_ARRAY(builder->arena, bool, count + 1);
    if (!columns->of_root || (paged && !columns->root_needed))
        return fail_memory();
    memset(columns->of_root, 0xff, sizeof *columns->of_root * (count + 1)); /* -1 */
    return true;
}

int plan_columns_add(struct plan_columns *columns)
{
    if (columns->count)
        text_lit(&columns->builder->sql, ", ");
    return columns->count++;
}

int plan_columns_root(struct plan_columns *columns, const struct plan_node *root, const struct column *column)
{
    int *const at = &columns->of_root[column->position];
    if (columns->root_needed)
        columns->root_needed[column->position] = true;
    if (*at < 0) {
        *at = plan_columns_add(columns);
        plan_column_write(columns->builder, root->alias, root->resource, column);
    }
    return *at;
}

static int column_add(struct plan_columns *columns, const struct plan_node *node, const struct column *column)
{
    if (!node->embed)
        return plan_columns_root(columns, node, column);
    const int at = plan_columns_add(columns);
    plan_column_write(columns->builder, node->alias, node->resource, column);
    return at;
}

/* A field with JSON steps or a cast. */
static void expression_add(struct plan_columns *columns, const struct plan_node *node,
                           const struct plan_item *item, struct row_member *member)
{
    struct plan_builder *builder = columns->builder;
    member->column = plan_columns_add(columns);
    member->type = item->cast ? item->cast : plan_field_type(item->field, item->steps, item->steps_count);
    if (columns->root_needed && !node->embed)
        columns->root_needed[item->field->column->position] = true;
    plan_field_write(builder, node->alias, node->resource, item->field, item->steps, item->steps_count);
    if (item->cast) {
        text_lit(&builder->sql, "::");
        text_add(&builder->sql, item->cast->sql);
    }
}

static bool key_set(struct plan_columns *columns, const struct plan_item *item, struct row_member *member)
{
    if (item->field && bytes_equal(item->field->name, item->name)) {
        member->key = item->field->key_json;
        return true;
    }
    struct text key;
    text_init(&key, columns->builder->arena, item->name.size + 8);
    json_write_key(&key, item->name);
    member->key = text_bytes(&key);
    return text_ok(&key) || fail_memory();
}

static int members_room(const struct plan_node *node)
{
    int room = node->items_count;
    for (int i = 0; i < node->items_count; i++)
        if (node->items[i].embed && node->items[i].embed->spread)
            room += members_room(node->items[i].embed);
    return room;
}

static bool shape_write(struct plan_columns *columns, const struct plan_node *node,
                        const struct row_shape **ret_shape);

static bool members_write(struct plan_columns *columns, const struct plan_node *node, struct row_shape *shape)
{
    struct row_member *members = (struct row_member *)shape->members; /* ours until the shape is done */
    for (int i = 0; i < node->items_count; i++) {
        const struct plan_item *item = &node->items[i];
        if (item->embed && item->embed->spread) {
            if (!members_write(columns, item->embed, shape))
                return false;
            continue;
        }
        struct row_member *member = &members[shape->members_count++];
        if (!key_set(columns, item, member))
            return false;
        if (item->field && (item->cast || item->steps_count)) {
            expression_add(columns, node, item, member);
        } else if (item->field) {
            member->column = column_add(columns, node, item->field->column);
            member->type = item->field->column->type;
        } else if (item->embed->embed->kind == EMBED_MANY) {
            member->column = plan_columns_add(columns);
            member->type = pg_type_builtin(114);
            if (!plan_many_write(columns->builder, item->embed))
                return false;
        } else {
            member->column = column_add(columns, item->embed, plan_presence_column(item->embed));
            if (!shape_write(columns, item->embed, &member->nested))
                return false;
        }
    }
    return true;
}

static bool shape_write(struct plan_columns *columns, const struct plan_node *node,
                        const struct row_shape **ret_shape)
{
    struct row_shape *shape = ARENA_NEW(columns->builder->arena, struct row_shape);
    struct row_member *members =
        ARENA_ARRAY(columns->builder->arena, struct row_member, (size_t)members_room(node) + 1);
    if (!shape || !members)
        return fail_memory();
    shape->members = members;
    *ret_shape = shape;
    return members_write(columns, node, shape);
}

/* Without select: the resource's own shape, made once. */
static void whole_write(struct plan_columns *columns, const struct plan_node *root,
                        const struct row_shape **ret_shape)
{
    for (int i = 0; i < root->resource->fields_count; i++)
        if (root->resource->fields[i].readable)
            plan_columns_root(columns, root, root->resource->fields[i].column);
    *ret_shape = plan_compiled(root->resource)->shape;
}

bool plan_columns_write(struct plan_columns *columns, const struct plan_node *root,
                        const struct row_shape **ret_shape)
{
    if (root->items)
        return shape_write(columns, root, ret_shape);
    whole_write(columns, root, ret_shape);
    return true;
}

void plan_need_join_columns(const struct plan_node *root, bool *needed)
{
    for (const struct plan_node *child = root->first; child; child = child->next) {
        const struct constraint *foreign = child->embed->foreign;
        const bool away = child->embed->kind == EMBED_ONE && foreign->relation == root->resource->relation;
        for (int i = 0; i < foreign->columns_count; i++)
            needed[(away ? foreign->columns[i] : foreign->target_columns[i])->position] = true;
    }
}
