/* The statement being written: text, parameters, and the words that every piece of SQL is made of. */
#include "model/plan_internal.h"

void plan_builder_init(struct plan_builder *builder, struct arena *arena, const struct plan_context *context)
{
    *builder = (struct plan_builder){ .arena = arena, .context = context };
    text_init(&builder->sql, arena, 1024);
}

void plan_param(struct plan_builder *builder, struct bytes value)
{
    if (builder->params_count == builder->params_room) {
        const int room = builder->params_room ? builder->params_room * 2 : 8;
        struct bytes *params =
            arena_grow(builder->arena, builder->params, sizeof *params * (size_t)builder->params_room,
                       sizeof *params * (size_t)room);
        if (!params) {
            builder->sql.failed = true;
            return;
        }
        builder->params = params;
        builder->params_room = room;
    }
    builder->params[builder->params_count++] = value;
    text_byte(&builder->sql, '$');
    text_int(&builder->sql, builder->params_count);
}

void plan_param_cast(struct plan_builder *builder, struct bytes value, const struct pg_type *type)
{
    plan_param(builder, value);
    text_lit(&builder->sql, "::");
    text_add(&builder->sql, type->sql);
}

void plan_integer_write(struct plan_builder *builder, int64_t value)
{
    const char *digits = arena_printf(builder->arena, "%lld", (long long)value);
    if (!digits)
        builder->sql.failed = true;
    else
        plan_param_cast(builder, bytes_of(digits), pg_type_builtin(20));
}

bool plan_builder_finish(struct plan_builder *builder, struct bytes *ret_sql, struct bytes **ret_params,
                         int *ret_count)
{
    if (!text_ok(&builder->sql) || builder->arena->exhausted)
        return fail(&PROBLEM_TOO_LARGE, "the request needs more memory than it may use");
    if (builder->params_count > PLAN_PARAMS_MAX)
        return fail(&PROBLEM_TOO_LARGE, "the request holds more than %d values", PLAN_PARAMS_MAX);
    *ret_sql = text_bytes(&builder->sql);
    *ret_params = builder->params;
    *ret_count = builder->params_count;
    return true;
}

bool plan_alias_take(struct plan_builder *builder, int *ret_alias)
{
    if (builder->aliases_count == PLAN_ALIASES_MAX)
        return fail(&PROBLEM_QUERY, "one request leads through at most %d related resources",
                    PLAN_ALIASES_MAX);
    *ret_alias = ++builder->aliases_count;
    return true;
}

void plan_alias(struct plan_builder *builder, int alias)
{
    text_byte(&builder->sql, 't');
    if (alias)
        text_int(&builder->sql, alias);
}

void plan_column_write(struct plan_builder *builder, int alias, const struct resource *resource,
                       const struct column *column)
{
    const struct plan_column *compiled = plan_column_of(resource, column);
    if (alias == 0) {
        text_add(&builder->sql, compiled->root_sql);
        return;
    }
    plan_alias(builder, alias);
    text_byte(&builder->sql, '.');
    text_add(&builder->sql, compiled->sql);
}

void plan_operand_write(struct plan_builder *builder, int alias, const struct resource *resource,
                        const struct column *column)
{
    plan_column_write(builder, alias, resource, column);
    text_add(&builder->sql, plan_column_of(resource, column)->operand_cast);
}

void plan_operator(struct plan_builder *builder, struct bytes schema, const char *operator)
{
    struct text *sql = &builder->sql;
    text_byte(sql, ' ');
    if (schema.size) {
        text_lit(sql, "OPERATOR(");
        text_add(sql, schema);
        text_byte(sql, '.');
    }
    text_add_z(sql, operator);
    if (schema.size)
        text_byte(sql, ')');
    text_byte(sql, ' ');
}

bool plan_tenant_known(const struct plan_builder *builder, const struct resource *resource)
{
    return resource->tenant_field && builder->context && builder->context->tenant.data;
}

const struct pg_type *plan_field_type(const struct field *field, const struct field_step *steps,
                                      int steps_count)
{
    if (steps_count && steps[steps_count - 1].as_text)
        return pg_type_builtin(25);
    return plan_base_type(field->column->type);
}

bool plan_steps_check(const struct field *field, const struct field_step *steps, int steps_count)
{
    if (steps_count == 0 || plan_base_type(field->column->type)->kind == PG_TYPE_JSON)
        return true;
    return fail(&PROBLEM_QUERY, "'%.*s' is no JSON column, so '%.*s%s%.*s' leads nowhere",
                BYTES_ARG(field->name), BYTES_ARG(field->name), steps[0].as_text ? "->>" : "->",
                BYTES_ARG(wire_excerpt(steps[0].key)));
}

void plan_field_write(struct plan_builder *builder, int alias, const struct resource *resource,
                      const struct field *field, const struct field_step *steps, int steps_count)
{
    struct text *sql = &builder->sql;
    if (steps_count) {
        text_byte(sql, '(');
        builder->has_json_steps = true;
    }
    plan_column_write(builder, alias, resource, field->column);
    for (int i = 0; i < steps_count; i++) {
        text_add_z(sql, steps[i].as_text ? " ->> " : " -> ");
        plan_param(builder, steps[i].key);
        text_add_z(sql, steps[i].is_index ? "::pg_catalog.int4" : "::pg_catalog.text");
    }
    if (steps_count)
        text_byte(sql, ')');
}

static void keep_first(void *arg, const char *pointer, const char *code, const char *message)
{
    (void)pointer;
    (void)code;
    struct plan_refusal *refusal = arg;
    if (!refusal->message[0])
        snprintf(refusal->message, sizeof refusal->message, "%s", message);
}

bool plan_value(struct plan_builder *builder, const struct pg_type *type, const struct pg_encoding *encoding,
                struct bytes value, struct bytes *ret_param, struct plan_refusal *ret_refusal)
{
    ret_refusal->message[0] = '\0';
    const struct pg_param_reader reader = {
        .arena = builder->arena, .encoding = encoding, .violation = keep_first, .arg = ret_refusal
    };
    return pg_param_from_text(&reader, type, value, ret_param);
}
