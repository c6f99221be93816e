/* What a client wrote, held against the catalog: types, NULLs, lengths, CHECKs that C can judge, fields that
 * are missing, unknown or read-only. Nothing stops at the first violation. What is not certain is left to
 * PostgreSQL. */
#include "model/plan_body.h"

#include "model/check.h"
#include "model/plan_rules.h"

struct reading {
    struct plan_builder *builder;
    const struct resource *resource;
    const struct write_query *query;
    const struct bytes *key;
    struct plan_body *body;
    struct pg_param_reader reader;
    struct bytes tenant; /* as its column has it; data NULL: not known */
    bool may_be_many;    /* the body may be an array */
    bool creates;        /* a row may be inserted: what it must have is asked for */
    int row;
    int64_t index;             /* of row 0 in the whole body */
    const struct field *field; /* the one being read */
    struct violations violations;
    struct plan_fills fills; /* schemas NULL: none are declared */
};

enum plan_version_way plan_version_way(const struct resource *resource)
{
    if (!resource->version || resource->relation->has_triggers || resource->version->column->generated)
        return PLAN_VERSION_NOT_OURS;
    const struct pg_type *type = plan_base_type(resource->version->column->type);
    switch (type->kind) {
    case PG_TYPE_INTEGER:
    case PG_TYPE_BIGINT:
    case PG_TYPE_NUMERIC:
        return PLAN_VERSION_COUNTS;
    case PG_TYPE_TIMESTAMP:
    case PG_TYPE_TIMESTAMPTZ:
        return PLAN_VERSION_CLOCK;
    default:
        return type->oid == 2950 ? PLAN_VERSION_UUID : PLAN_VERSION_NOT_OURS;
    }
}

/* ---- violations ---- */

/* "/3/name" + below; name empty: the row itself. */
static const char *pointer_of(const struct reading *reading, struct bytes name, const char *below)
{
    struct text pointer;
    text_init(&pointer, reading->builder->arena, 64);
    if (reading->body->many)
        json_pointer_append_index(&pointer, (size_t)(reading->index + reading->row));
    if (name.data)
        json_pointer_append(&pointer, name);
    text_add_z(&pointer, below);
    const char *text = text_z(&pointer);
    return text ? text : "";
}

static void violate(struct reading *reading, struct bytes name, const char *code, const char *message)
{
    violations_add(&reading->violations, pointer_of(reading, name, ""), code, message);
}

/* What the reader of values finds. */
static void on_violation(void *arg, const char *pointer, const char *code, const char *message)
{
    struct reading *reading = arg;
    violations_add(&reading->violations, pointer_of(reading, reading->field->name, pointer), code, message);
}

/* What PostgreSQL may do with the row: an upsert either. */
static unsigned events_of(const struct reading *reading)
{
    const enum operation operation = reading->query->operation;
    if (operation == OP_UPSERT)
        return CHECK_INSERT | CHECK_UPDATE;
    return operation == OP_CREATE ? CHECK_INSERT : CHECK_UPDATE;
}

/* What the request says may be changed before it is written: nothing is certain then. */
static bool is_rewritten(const struct reading *reading)
{
    return relation_rewrites(reading->resource->relation, events_of(reading));
}

static const struct app_error *own_error_of(const struct resource *resource,
                                            const struct constraint *constraint)
{
    const struct relation *relation = resource->relation;
    if (!resource->set->errors.count || !constraint)
        return NULL;
    return app_errors_of(&resource->set->errors, relation->schema, relation->name, constraint->name);
}

static void check_value(struct reading *reading, const struct json_node *node, struct bytes value)
{
    const struct column *column = reading->field->column;
    const bool array = plan_base_type(column->type)->kind == PG_TYPE_ARRAY;
    for (const struct check_rule *rule = column->checks; rule; rule = rule->next) {
        if (!check_binds(rule, events_of(reading)))
            continue;
        bool flat = array && json_type(node) == JSON_ARRAY;
        for (const struct json_node *item = flat ? json_first(node) : NULL; item && flat;
             item = json_next(item))
            flat = json_type(item) != JSON_ARRAY;
        if (array ? !flat || !check_refuses_count(rule, json_count(node))
                  : !check_refuses(rule, column, value))
            continue;
        const struct app_error *own = own_error_of(reading->resource, rule->constraint);
        if (own) {
            violate(reading, reading->field->name, own->problem.code, own->problem.title);
            continue;
        }
        struct text words;
        text_init(&words, reading->builder->arena, 128);
        check_describe(&words, rule);
        const char *message = text_z(&words);
        violate(reading, reading->field->name, "check", message ? message : "breaks a rule of the table");
    }
}

/* ---- one member ---- */

static bool is_key(const struct resource *resource, const struct field *field, int *ret_index)
{
    for (int i = 0; i < resource->key_count; i++)
        if (resource->key[i] == field) {
            *ret_index = i;
            return true;
        }
    return false;
}

static bool is_writable(const struct reading *reading, const struct field *field)
{
    if (field == reading->resource->version && plan_version_way(reading->resource) != PLAN_VERSION_NOT_OURS)
        return false;
    if (reading->query->operation == OP_CREATE || reading->query->operation == OP_UPSERT)
        return field->creatable;
    return field->updatable;
}

static void unknown_field(struct reading *reading, struct bytes name)
{
    const struct resource *resource = reading->resource;
    struct bytes *names =
        ARENA_ARRAY(reading->builder->arena, struct bytes, (size_t)resource->fields_count + 1);
    size_t count = 0;
    for (int i = 0; names && i < resource->fields_count; i++)
        if (is_writable(reading, &resource->fields[i]))
            names[count++] = resource->fields[i].name;
    const struct bytes nearest = bytes_nearest(name, names, count);
    char message[128];
    snprintf(message, sizeof message, "is no field of this resource%s%.*s%s",
             nearest.size ? "; did you mean '" : "", BYTES_ARG(wire_excerpt(nearest)),
             nearest.size ? "'?" : "");
    violate(reading, name, "unknown_field", message);
}

/* Fields that the path or the tenant decides may be given if they say the same. */
static void decided_field(struct reading *reading, const struct field *field, struct bytes value,
                          struct bytes decided, const char *whose)
{
    int64_t a, b;
    if (value.data &&
        (bytes_equal(value, decided) || (bytes_to_int64(value, &a) && bytes_to_int64(decided, &b) && a == b)))
        return;
    char message[64];
    snprintf(message, sizeof message, "must be %s, or left out", whose);
    violate(reading, field->name, "conflict", message);
}

static void read_member(struct reading *reading, const struct json_node *node)
{
    const struct json_doc *doc = reading->query->body;
    const struct resource *resource = reading->resource;
    const struct bytes name = json_string(doc, json_key(node), reading->builder->arena);
    const struct field *field = name.data ? table_get(&resource->fields_by_name, name) : NULL;
    int key_index;
    if (!field || !(field->readable || field->creatable || field->updatable)) {
        unknown_field(reading, name);
        return;
    }
    struct plan_cell *cell = plan_body_cell(reading->body, reading->row, field);
    const bool of_path = reading->key && is_key(resource, field, &key_index) &&
                         (reading->query->operation != OP_UPDATE || !field->updatable);
    const bool of_tenant = reading->tenant.data && field == resource->tenant_field;
    reading->field = field;
    if (!of_path && !of_tenant && !is_writable(reading, field)) {
        violate(reading, name, "read_only", "can't be set here");
        return;
    }
    if (cell->given && !of_path && !of_tenant) {
        violate(reading, name, "duplicate", "stands twice");
        return;
    }
    struct bytes value;
    if (!pg_param_from_json(&reading->reader, field->column->type, field->column->typmod, node, &value))
        return;
    if (of_path || of_tenant) {
        decided_field(reading, field, value, of_path ? reading->key[key_index] : reading->tenant,
                      of_path ? "the key of the path" : "your tenant's");
        return;
    }
    if (value.data && reading->fills.tables && plan_base_type(field->column->type)->kind == PG_TYPE_JSON)
        value = plan_schema_filled(&reading->fills,
                                   &(struct plan_place){ reading->query->body, node, field, reading->row },
                                   reading->builder->arena, value);
    *cell = (struct plan_cell){ true, value };
    if (value.data)
        check_value(reading, node, value);
    else if (field->column->not_null && !is_rewritten(reading))
        violate(reading, name, "required", "must not be null");
}

/* ---- one row ---- */

/* What the body need not say. */
static void preset_row(struct reading *reading)
{
    const struct resource *resource = reading->resource;
    for (int i = 0; reading->key && reading->creates && i < resource->key_count; i++)
        *plan_body_cell(reading->body, reading->row, resource->key[i]) =
            (struct plan_cell){ true, reading->key[i] };
    if (reading->tenant.data && reading->creates)
        *plan_body_cell(reading->body, reading->row, resource->tenant_field) =
            (struct plan_cell){ true, reading->tenant };
}

static void require_fields(struct reading *reading)
{
    const struct resource *resource = reading->resource;
    const bool replaces = reading->query->operation == OP_REPLACE;
    if ((!reading->creates && !replaces) || is_rewritten(reading))
        return;
    for (int i = 0; i < resource->fields_count; i++) {
        const struct field *field = &resource->fields[i];
        int unused;
        if (!field->required_on_create || plan_body_cell(reading->body, reading->row, field)->given ||
            !is_writable(reading, field) || (replaces && is_key(resource, field, &unused)))
            continue;
        /* What other violations kept the schema from filling in is not missing. */
        if (resource->schemas && resource->schemas->wishes && resource->schemas->wishes[i].fills &&
            violations_any(&reading->violations))
            continue;
        if (replaces && reading->tenant.data && field == resource->tenant_field)
            continue;
        violate(reading, field->name, "required", "is required");
    }
}

/* Fields that the body leaves out and the schema has defaults for, where leaving out means a default at all.
 */
static void fill_row(struct reading *reading, const struct json_node *node)
{
    const struct resource *resource = reading->resource;
    const enum operation operation = reading->query->operation;
    struct arena *arena = reading->builder->arena;
    if (operation == OP_UPDATE || (operation == OP_UPSERT && !reading->key))
        return;
    const struct json_doc *body = reading->reader.doc;
    for (const struct jsonschema_fill *fill = plan_schema_fills_of(&reading->fills, reading->row, node); fill;
         fill = fill->next_of_object) {
        const struct field *field = table_get(&resource->fields_by_name, fill->name);
        struct json_doc doc;
        struct json_error error;
        struct bytes value;
        if (!field || !is_writable(reading, field) ||
            plan_body_cell(reading->body, reading->row, field)->given)
            continue;
        reading->field = field;
        if (!json_parse(fill->value, NULL, arena, &doc, &error))
            continue; /* only memory: the arena is exhausted, and that is told */
        reading->reader.doc = &doc;
        if (pg_param_from_json(&reading->reader, field->column->type, field->column->typmod, json_root(&doc),
                               &value)) {
            *plan_body_cell(reading->body, reading->row, field) = (struct plan_cell){ true, value };
            if (value.data)
                check_value(reading, json_root(&doc), value);
        }
        reading->reader.doc = body;
    }
}

static void read_row(struct reading *reading, const struct json_node *node)
{
    if (json_type(node) != JSON_OBJECT) {
        violate(reading, (struct bytes){ NULL, 0 }, "type", "must be an object");
        return;
    }
    preset_row(reading);
    const int before = reading->violations.count;
    for (const struct json_node *member = json_first(node); member; member = json_next(member))
        read_member(reading, member);
    if (reading->fills.tables)
        fill_row(reading, node);
    /* A field that was given wrongly was given. */
    if (reading->violations.count == before && !reading->violations.more) {
        require_fields(reading);
        return;
    }
    struct plan_cell *const row = plan_body_cell(reading->body, reading->row, reading->resource->fields);
    for (const struct json_node *member = json_first(node); member; member = json_next(member)) {
        const struct bytes name =
            json_string(reading->query->body, json_key(member), reading->builder->arena);
        const struct field *field = name.data ? table_get(&reading->resource->fields_by_name, name) : NULL;
        if (field)
            row[field - reading->resource->fields].given = true;
    }
    require_fields(reading);
}

/* ---- all rows ---- */

static void compare_rows(struct plan_body *body)
{
    const int fields = body->resource->fields_count;
    body->alike = true;
    for (int row = 0; row < body->rows_count; row++)
        for (int i = 0; i < fields; i++) {
            body->given[i] |= body->cells[row * fields + i].given;
            body->alike &= body->cells[row * fields + i].given == body->cells[i].given;
        }
}

/* Two rows of one upsert with the same key: PostgreSQL would refuse the whole statement. */
static void refuse_same_keys(struct reading *reading)
{
    const struct resource *resource = reading->resource;
    struct table seen = { 0 };
    for (reading->row = 0; reading->row < reading->body->rows_count; reading->row++) {
        struct text key;
        bool whole = true;
        text_init(&key, reading->builder->arena, 32);
        for (int i = 0; i < resource->key_count; i++) {
            const struct plan_cell *cell = plan_body_cell(reading->body, reading->row, resource->key[i]);
            whole &= cell->value.data != NULL;
            text_int(&key, (int64_t)cell->value.size);
            text_byte(&key, ':');
            text_add(&key, cell->value);
        }
        const void *before = whole && text_ok(&key) ? table_get(&seen, text_bytes(&key)) : NULL;
        if (before) {
            char message[64];
            snprintf(message, sizeof message, "has the same key as the row at /%d",
                     (int)((const struct plan_cell *)before - reading->body->cells) / resource->fields_count);
            violate(reading, (struct bytes){ NULL, 0 }, "duplicate", message);
        } else if (whole && text_ok(&key)) {
            table_put(&seen, text_bytes(&key), plan_body_cell(reading->body, reading->row, resource->fields));
        }
    }
    table_done(&seen);
}

static bool rows_room(struct reading *reading)
{
    struct plan_body *body = reading->body;
    const size_t fields = (size_t)body->resource->fields_count, cells = (size_t)body->rows_count * fields;
    body->cells = ARENA_ARRAY(reading->builder->arena, struct plan_cell, cells + 1);
    body->given = ARENA_ARRAY(reading->builder->arena, bool, fields + 1);
    return (body->cells && body->given) ||
           fail(&PROBLEM_TOO_LARGE, "the request needs more memory than it may use");
}

static bool read_rows(struct reading *reading, const struct json_node *root)
{
    struct plan_body *body = reading->body;
    const struct resource *resource = reading->resource;
    if (body->rows_count > resource->bulk_max) {
        body->many = false;
        char message[64];
        snprintf(message, sizeof message, "holds more than %lld rows", (long long)resource->bulk_max);
        violate(reading, (struct bytes){ NULL, 0 }, "too_many", message);
        return true;
    }
    if (!rows_room(reading))
        return false;
    if (body->many)
        for (const struct json_node *node = json_first(root); node; node = json_next(node), reading->row++)
            read_row(reading, node);
    else
        read_row(reading, root);
    compare_rows(body);
    if (reading->query->operation != OP_UPSERT || reading->key || violations_any(&reading->violations))
        return true;
    if (!body->alike) {
        body->many = false;
        violate(reading, (struct bytes){ NULL, 0 }, "shape",
                "rows that are merged must all give the same fields");
        return true;
    }
    refuse_same_keys(reading);
    return true;
}

static void reading_init(struct reading *reading, struct plan_builder *builder,
                         const struct resource *resource, const struct write_query *query,
                         const struct bytes *key, struct plan_body *body)
{
    *reading = (struct reading){ .builder = builder,
                                 .resource = resource,
                                 .query = query,
                                 .key = key,
                                 .body = body,
                                 .creates = query->operation == OP_CREATE || query->operation == OP_UPSERT };
    reading->violations.arena = builder->arena;
    reading->reader = (struct pg_param_reader){ .arena = builder->arena,
                                                .doc = query->body,
                                                .encoding = &resource->set->encoding,
                                                .violation = on_violation,
                                                .arg = reading };
}

static bool tenant_find(struct reading *reading)
{
    return !plan_tenant_known(reading->builder, reading->resource) ||
           plan_tenant_value(reading->builder, reading->resource, &reading->tenant);
}

static struct plan_judging judging_of(struct reading *reading, const char *prefix)
{
    return (struct plan_judging){ .resource = reading->resource,
                                  .query = reading->query,
                                  .key = reading->key,
                                  .tenant_known = reading->tenant.data != NULL,
                                  .arena = reading->builder->arena,
                                  .violations = &reading->violations,
                                  .prefix = prefix };
}

static bool is_refused_whole(const struct reading *reading, const char *prefix)
{
    const struct json_node *root = json_root(reading->query->body);
    if (json_type(root) == JSON_ARRAY && !prefix)
        return !reading->may_be_many || (int64_t)json_count(root) > reading->resource->bulk_max;
    return json_type(root) != JSON_OBJECT;
}

/* The schemas first: what they fill in, the catalog judges too. */
static bool judge(struct reading *reading, const char *prefix)
{
    const struct plan_judging judging = judging_of(reading, prefix);
    return !reading->resource->schemas || is_refused_whole(reading, prefix) ||
           plan_schema_judge(&judging, &reading->fills);
}

/* The rules last: they are not asked of values that are wrong by themselves. */
static bool judge_rules(struct reading *reading, const char *prefix)
{
    const struct plan_judging judging = judging_of(reading, prefix);
    return !reading->resource->rules || is_refused_whole(reading, prefix) ||
           plan_rules_judge(&judging, &reading->fills, is_rewritten(reading));
}

static bool refusal(struct reading *reading)
{
    if (!violations_any(&reading->violations))
        return true;
    const long long count = violations_tell(&reading->violations, reading->query->body);
    const struct app_error *own =
        count == 1 ? app_errors_coded(&reading->resource->set->errors, reading->violations.items[0].code)
                   : NULL;
    if (own) /* what is wrong has a code of its own: as if PostgreSQL had refused it */
        return fail(&own->problem, "%s", own->problem.title);
    return fail(&PROBLEM_VALIDATION, "%lld value%s of the body can't be accepted; the details say which",
                count, count == 1 ? "" : "s");
}

bool plan_row_check(struct arena *arena, const struct resource *resource, const struct plan_context *context,
                    const struct json_doc *doc, int64_t index, struct violations *into)
{
    char prefix[24] = "";
    struct plan_builder builder = { .arena = arena, .context = context };
    const struct write_query query = { .operation = OP_CREATE, .body = doc };
    struct plan_body body = { .resource = resource, .rows_count = 1, .many = index >= 0 };
    struct reading reading;
    if (index >= 0)
        snprintf(prefix, sizeof prefix, "/%lld", (long long)index);
    reading_init(&reading, &builder, resource, &query, NULL, &body);
    reading.index = index > 0 ? index : 0;
    if (!tenant_find(&reading) || !judge(&reading, prefix) || !rows_room(&reading))
        return false;
    read_row(&reading, json_root(doc));
    if (!judge_rules(&reading, prefix))
        return false;
    if (arena->exhausted)
        return fail(&PROBLEM_TOO_LARGE, "the request needs more memory than it may use");
    if (!violations_any(&reading.violations))
        return true;
    violations_order(&reading.violations, doc, strlen(prefix));
    for (int i = 0; i < reading.violations.count; i++) {
        const struct violation *item = &reading.violations.items[i];
        (item->of_rule ? violations_add_rule : violations_add)(into, item->pointer, item->code,
                                                               item->message);
    }
    into->more += reading.violations.more;
    return true;
}

bool plan_body_read(struct plan_builder *builder, const struct resource *resource,
                    const struct write_query *query, const struct bytes *key, struct plan_body *ret_body)
{
    const struct json_node *root = json_root(query->body);
    const bool may_be_many = !key && (query->operation == OP_CREATE || query->operation == OP_UPSERT);
    struct plan_body body = { .resource = resource, .rows_count = 1 };
    struct reading reading;
    reading_init(&reading, builder, resource, query, key, &body);
    reading.may_be_many = may_be_many;
    if (!tenant_find(&reading))
        return false;
    if (json_type(root) == JSON_ARRAY && may_be_many) {
        body.many = true;
        body.rows_count = (int)json_count(root);
    }
    if (!judge(&reading, NULL) || !read_rows(&reading, root) || !judge_rules(&reading, NULL))
        return false;
    if (builder->arena->exhausted)
        return fail(&PROBLEM_TOO_LARGE, "the request needs more memory than it may use");
    if (!refusal(&reading))
        return false;
    *ret_body = body;
    return true;
}
