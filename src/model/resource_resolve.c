/* One declaration against the catalog: its table, fields, key, order, and the operations that are possible.
 */
#include <stdarg.h>

#include "model/resource_internal.h"
#include "wire/json_write.h"

struct bytes resource_keep(struct resource_build *build, struct bytes text)
{
    if (!text.size)
        return (struct bytes){ "", 0 };
    return bytes_make(arena_copy(build->arena, text), text.size);
}

struct source_place texts_place(const struct shape_texts *texts, int index)
{
    const struct yaml_node *node = texts->node;
    if (node && node->kind == YAML_SEQUENCE && index < node->count)
        node = node->items[index];
    return node ? node->place : (struct source_place){ 0 };
}

void resource_lacks(struct resource_build *build, struct draft *draft, struct source_place place,
                    const char *format, ...)
{
    char what[300];
    va_list args;
    va_start(args, format);
    vsnprintf(what, sizeof what, format, args);
    va_end(args);
    diagnostics_warning(build->diagnostics, place, "%s; /v1/%.*s answers 503 until it is there", what,
                        BYTES_ARG(draft->resource->name));
    if (!draft->resource->missing.size)
        draft->resource->missing = resource_keep(build, bytes_of(what));
}

static struct source_place place_of(const struct draft *draft, const char *key)
{
    const struct yaml_node *node = yaml_get(draft->declared.node, key);
    return node ? node->place : draft->place;
}

static bool is_declared(const struct draft *draft, const char *key)
{
    return yaml_get(draft->declared.node, key) != NULL;
}

/* ---- the relation ---- */

static void say_nearest_table(struct resource_build *build, struct bytes schema, struct bytes name)
{
    const struct catalog *catalog = build->set->catalog;
    const struct relation *near = NULL;
    int best = 3;
    for (int i = 0; i < catalog->relations_count; i++) {
        const struct relation *relation = catalog->relations[i];
        const int distance =
            bytes_equal(relation->schema, schema) || bytes_equal(relation->name, name)
                ? bytes_distance(relation->name, name, 3) + bytes_distance(relation->schema, schema, 3)
                : 4;
        if (distance <= best) {
            best = distance;
            near = relation;
        }
    }
    if (near) {
        struct text text;
        text_init(&text, &build->scratch, 0);
        table_name_write(&text, near->schema, near->name);
        diagnostics_fix(build->diagnostics, "did you mean %.*s?", BYTES_ARG(text_bytes(&text)));
    }
}

static const struct relation *relation_resolve(struct resource_build *build, struct draft *draft)
{
    struct bytes schema = BYTES("public"), name = draft->resource->name;
    const struct source_place place = place_of(draft, "table");
    if (draft->declared.table.size &&
        !table_name_read(&build->scratch, draft->declared.table, &schema, &name)) {
        diagnostics_error(build->diagnostics, place, "'%.*s' is no table's name",
                          BYTES_ARG(draft->declared.table));
        diagnostics_fix(build->diagnostics, "schema.table, or '\"Odd schema\".\"Odd table\"'");
        return NULL;
    }
    const struct relation *relation = catalog_relation(build->set->catalog, schema, name);
    if (!relation) {
        resource_lacks(build, draft, place, "the database has no table or view %.*s.%.*s", BYTES_ARG(schema),
                       BYTES_ARG(name));
        say_nearest_table(build, schema, name);
        return NULL;
    }
    const struct bytes role = build->set->catalog->role;
    if (!relation->can_select) {
        diagnostics_error(build->diagnostics, place, "the role %.*s may not read %.*s.%.*s", BYTES_ARG(role),
                          BYTES_ARG(schema), BYTES_ARG(name));
        diagnostics_fix(build->diagnostics,
                        "GRANT USAGE ON SCHEMA \"%.*s\" TO \"%.*s\"; GRANT SELECT ON %.*s TO \"%.*s\";",
                        BYTES_ARG(schema), BYTES_ARG(role), BYTES_ARG(relation->sql), BYTES_ARG(role));
        draft->resource->public_access = false;
    }
    return relation;
}

static void row_security_check(struct resource_build *build, struct draft *draft)
{
    struct resource *resource = draft->resource;
    const struct relation *relation = resource->relation;
    const struct source_place place = place_of(draft, "table");
    if (!resource->public_access)
        return;
    if (relation->bypasses_row_security && !draft->declared.trusted) {
        diagnostics_error(build->diagnostics, place,
                          relation->kind == RELATION_VIEW || relation->kind == RELATION_MATVIEW
                              ? "%.*s reads a table with row security past its policies"
                              : "%.*s is asked past the row security policies of its parent or children",
                          BYTES_ARG(relation->name));
        diagnostics_fix(
            build->diagnostics,
            relation->kind == RELATION_VIEW
                ? "ALTER VIEW %.*s SET (security_invoker = true); or, if all its rows are for everybody, "
                  "trusted: true"
                : "expose the table that has the policies instead of %.*s; or, if all its rows are for "
                  "everybody, trusted: true",
            BYTES_ARG(relation->sql));
        resource->public_access = false;
    } else if (relation->row_security && !relation->row_security_applies) {
        diagnostics_warning(
            build->diagnostics, place,
            "row security of %.*s does not bind the role %.*s: it owns the table, is a superuser or has "
            "BYPASSRLS, so every row is shown",
            BYTES_ARG(relation->name), BYTES_ARG(build->set->catalog->role));
        diagnostics_fix(build->diagnostics, "connect as a role that is none of that");
    }
}

/* ---- columns by name ---- */

static const struct column *column_find(struct resource_build *build, struct draft *draft, struct bytes name,
                                        struct source_place place)
{
    const struct relation *relation = draft->resource->relation;
    const struct column *column = relation_column(relation, name);
    if (column)
        return column;
    resource_lacks(build, draft, place, "%.*s has no column '%.*s'", BYTES_ARG(relation->name),
                   BYTES_ARG(name));
    struct bytes *names = ARENA_ARRAY(&build->scratch, struct bytes, (size_t)relation->columns_count + 1);
    for (int i = 0; i < relation->columns_count; i++)
        names[i] = relation->columns[i].name;
    const struct bytes near = bytes_nearest(name, names, (size_t)relation->columns_count);
    if (near.size)
        diagnostics_fix(build->diagnostics, "did you mean '%.*s'?", BYTES_ARG(near));
    return NULL;
}

/* A bit per column that the list names. */
static bool *columns_marked(struct resource_build *build, struct draft *draft,
                            const struct shape_texts *texts)
{
    bool *marked = ARENA_ARRAY(&build->scratch, bool, (size_t)draft->resource->relation->columns_count + 1);
    for (int i = 0; i < texts->count; i++) {
        const struct column *column = column_find(build, draft, texts->items[i], texts_place(texts, i));
        if (column)
            marked[column->position] = true;
    }
    return marked;
}

const struct field *resource_field_find(struct resource_build *build, struct draft *draft, struct bytes name,
                                        struct source_place place)
{
    const struct field *field = table_get(&draft->resource->fields_by_name, name);
    if (field)
        return field;
    const struct column *column = column_find(build, draft, name, place);
    if (!column)
        return NULL;
    if (!draft->by_column[column->position])
        diagnostics_error(build->diagnostics, place, "the role %.*s may not read the column '%.*s'",
                          BYTES_ARG(build->set->catalog->role), BYTES_ARG(name));
    return draft->by_column[column->position];
}

/* ---- fields ---- */

static struct bytes key_json_make(struct arena *arena, struct bytes name)
{
    struct text text;
    text_init(&text, arena, name.size + 4);
    json_write_key(&text, name);
    return text_bytes(&text);
}

static void field_fill(struct resource_build *build, struct field *field, const struct relation *relation,
                       const struct column *column, bool writable)
{
    field->column = column;
    field->name = column->name;
    field->readable = column->can_select;
    field->creatable = column->can_insert && writable;
    field->updatable = column->can_update && writable;
    field->nullable = !column->not_null;
    field->required_on_create = field->creatable && column->not_null && !column->has_default &&
                                !column->identity_default && !relation->rewrites_inserts;
}

static void renames_apply(struct resource_build *build, struct draft *draft)
{
    const struct shape_pairs *rename = &draft->declared.fields.rename;
    for (int i = 0; i < rename->count; i++) {
        const struct source_place place = rename->node->pairs[i].key->place;
        const struct column *column = column_find(build, draft, rename->items[i].name, place);
        struct field *field = column ? (struct field *)(uintptr_t)draft->by_column[column->position] : NULL;
        if (field && rename->items[i].value.size)
            field->name = resource_keep(build, rename->items[i].value);
    }
}

static void names_fill(struct resource_build *build, struct draft *draft, int shown)
{
    struct resource *resource = draft->resource;
    const struct shape_pairs *rename = &draft->declared.fields.rename;
    struct field *fields = (struct field *)(uintptr_t)resource->fields;
    for (int i = 0; i < resource->fields_count; i++) {
        fields[i].key_json = key_json_make(build->arena, fields[i].name);
        if (i < shown && table_put(&resource->fields_by_name, fields[i].name, &fields[i])) {
            diagnostics_error(build->diagnostics, rename->node ? rename->node->place : draft->place,
                              "two columns are called '%.*s'", BYTES_ARG(fields[i].name));
            resource->public_access = false;
        }
    }
}

/* Every readable column is a field; hidden ones stand behind the shown ones, so that keys, versions and
 * orders may use them. */
static void fields_make(struct resource_build *build, struct draft *draft)
{
    struct resource *resource = draft->resource;
    const struct relation *relation = resource->relation;
    const struct resource_fields *declared = &draft->declared.fields;
    const size_t count = (size_t)relation->columns_count;
    const bool *only = columns_marked(build, draft, &declared->only),
               *hide = columns_marked(build, draft, &declared->hide);
    const bool *read_only = columns_marked(build, draft, &declared->read_only);

    struct field *fields = ARENA_ARRAY(build->arena, struct field, count + 1);
    draft->by_column = ARENA_ARRAY(build->arena, const struct field *, count + 1);
    resource->fields = fields;
    int shown = 0;
    for (int hidden = 0; hidden < 2; hidden++)
        for (int i = 0; i < relation->columns_count; i++) {
            const struct column *column = &relation->columns[i];
            const bool named = only[i] || !declared->only.node;
            const bool visible = named && !hide[i] && (column->can_select || (only[i] && column->can_insert));
            if (hidden ? visible || !column->can_select : !visible)
                continue;
            struct field *field = &fields[resource->fields_count++];
            field_fill(build, field, relation, column, visible && !read_only[i]);
            field->readable &= visible;
            draft->by_column[i] = field;
            shown += visible;
        }
    renames_apply(build, draft);
    names_fill(build, draft, shown);
    if (!shown && relation->columns_count && relation->can_select)
        diagnostics_warning(build->diagnostics, draft->place, "no column of %.*s is shown",
                            BYTES_ARG(relation->name));
}

/* ---- key ---- */

static void key_declared(struct resource_build *build, struct draft *draft)
{
    const struct shape_texts *key = &draft->declared.key;
    struct resource *resource = draft->resource;
    if (key->count > RESOURCE_KEY_MAX) {
        diagnostics_error(build->diagnostics, place_of(draft, "key"), "a key has at most %d columns",
                          RESOURCE_KEY_MAX);
        return;
    }
    resource->key = ARENA_ARRAY(build->arena, const struct field *, (size_t)key->count + 1);
    int count = 0;
    for (int i = 0; i < key->count; i++) {
        const struct field *field = resource_field_find(build, draft, key->items[i], texts_place(key, i));
        for (int k = 0; field && k < count; k++)
            if (resource->key[k] == field) {
                diagnostics_error(build->diagnostics, texts_place(key, i), "'%.*s' stands twice in the key",
                                  BYTES_ARG(key->items[i]));
                field = NULL;
            }
        if (field)
            resource->key[count++] = field;
    }
    resource->key_count = count == key->count ? count : 0;
}

static void key_primary(struct resource_build *build, struct draft *draft)
{
    struct resource *resource = draft->resource;
    const struct constraint *primary = resource->relation->primary;
    if (!primary || primary->columns_count > RESOURCE_KEY_MAX)
        return;
    resource->key = ARENA_ARRAY(build->arena, const struct field *, (size_t)primary->columns_count);
    for (int i = 0; i < primary->columns_count; i++) {
        resource->key[i] = draft->by_column[primary->columns[i]->position];
        if (!resource->key[i])
            return; /* not readable for this role: it names nothing */
    }
    resource->key_count = primary->columns_count;
}

static bool in_key(const struct resource *resource, const struct column *column)
{
    for (int i = 0; i < resource->key_count; i++)
        if (resource->key[i]->column == column)
            return true;
    return false;
}

/* A unique index whose columns all stand in the key. exactly: and no others do, so that ON CONFLICT finds it.
 */
static bool key_is_unique(const struct resource *resource, bool exactly)
{
    const struct relation *relation = resource->relation;
    for (int i = 0; i < relation->indexes_count; i++) {
        const struct index *index = &relation->indexes[i];
        bool fits = index->unique && index->valid && !index->partial && index->columns_count > 0 &&
                    (!exactly || index->columns_count == resource->key_count);
        for (int k = 0; fits && k < index->columns_count; k++)
            fits = index->columns[k] && in_key(resource, index->columns[k]);
        if (fits)
            return true;
    }
    return false;
}

static void key_make(struct resource_build *build, struct draft *draft)
{
    struct resource *resource = draft->resource;
    if (draft->declared.key.node)
        key_declared(build, draft);
    else
        key_primary(build, draft);
    const enum relation_kind kind = resource->relation->kind;
    const bool has_indexes = kind != RELATION_VIEW && kind != RELATION_FOREIGN;
    if (draft->declared.key.node && resource->key_count && has_indexes && !key_is_unique(resource, false)) {
        diagnostics_warning(
            build->diagnostics, place_of(draft, "key"),
            "no unique index covers the key: one path may name several rows, and finds them slowly");
        diagnostics_fix(build->diagnostics, "CREATE UNIQUE INDEX CONCURRENTLY ON %.*s (…);",
                        BYTES_ARG(resource->relation->sql));
    }
}

/* ---- order, tenant, limits ---- */

static void order_make(struct resource_build *build, struct draft *draft)
{
    const struct shape_texts *order = &draft->declared.order;
    struct resource *resource = draft->resource;
    resource->default_order = ARENA_ARRAY(build->arena, const struct field *, (size_t)order->count + 1);
    resource->default_descending = ARENA_ARRAY(build->arena, bool, (size_t)order->count + 1);
    for (int i = 0; i < order->count; i++) {
        struct bytes name = order->items[i];
        bool descending = false;
        if (!table_get(&resource->fields_by_name, name)) { /* a column may end in .desc */
            descending = bytes_ends(name, BYTES(".desc"));
            if (descending || bytes_ends(name, BYTES(".asc")))
                name.size -= descending ? 5 : 4;
        }
        const struct field *field = resource_field_find(build, draft, name, texts_place(order, i));
        if (!field)
            continue;
        resource->default_order[resource->default_order_count] = field;
        resource->default_descending[resource->default_order_count++] = descending;
    }
}

static bool setting_fits(struct bytes setting) /* class.name, as custom settings of PostgreSQL are */
{
    bool dot = false;
    for (size_t i = 0; i < setting.size; i++) {
        const char c = setting.data[i];
        dot |= c == '.' && i > 0 && i + 1 < setting.size;
        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
              c == '.'))
            return false;
    }
    return dot;
}

static bool header_fits(struct bytes header) /* a token: RFC 9110, 5.6.2 */
{
    for (size_t i = 0; i < header.size; i++)
        if (header.data[i] <= ' ' || header.data[i] >= 0x7f || strchr("()<>@,;:\\\"/[]?={}", header.data[i]))
            return false;
    return header.size > 0;
}

static void tenant_make(struct resource_build *build, struct draft *draft)
{
    const struct resource_tenant *tenant = &draft->declared.tenant;
    struct resource *resource = draft->resource;
    if (!tenant->node)
        return;
    if (!setting_fits(tenant->setting) || !header_fits(tenant->header)) {
        diagnostics_error(build->diagnostics, tenant->node->place,
                          "tenant needs a setting with a dot in it and a header");
        diagnostics_fix(build->diagnostics, "tenant: {setting: app.tenant, header: X-Tenant}");
        resource->public_access = false; /* without it, whose rows would be shown? */
        return;
    }
    resource->tenant_header_setting = resource_keep(build, tenant->setting);
    resource->tenant_header = resource_keep(build, tenant->header);
    if (tenant->field.size)
        resource->tenant_field = resource_field_find(build, draft, tenant->field, tenant->node->place);
}

static void limits_make(struct resource_build *build, struct draft *draft)
{
    const struct resource_limits *limits = &draft->declared.limits;
    struct resource *resource = draft->resource;
    /* A file that could not be decoded has no presets either: its resource is closed, but whole. */
    resource->concurrent_max = limits->concurrent;
    resource->timeout_ns = limits->timeout_ns;
    resource->page_max = limits->page_max > 0 ? limits->page_max : 1;
    resource->page_size = limits->page > 0 ? limits->page : 1;
    if (resource->page_size > resource->page_max)
        resource->page_size = resource->page_max;
    resource->depth_max = limits->depth;
    resource->bulk_max = limits->bulk;
    resource->offset_max = limits->offset;
    resource->body_bytes_max = limits->body;
    if (limits->page > limits->page_max && limits->node && yaml_get(limits->node, "page"))
        diagnostics_warning(build->diagnostics, limits->node->place,
                            "page %lld is more than page_max %lld, which holds", (long long)limits->page,
                            (long long)limits->page_max);
}

/* ---- operations ---- */

static const char *kind_words(const struct relation *relation)
{
    switch (relation->kind) {
    case RELATION_VIEW:
        return "view";
    case RELATION_MATVIEW:
        return "materialised view";
    case RELATION_FOREIGN:
        return "foreign table";
    default:
        return "table";
    }
}

/* Why it is not possible, or NULL. */
static const char *obstacle(struct resource_build *build, const struct resource *resource, enum operation op)
{
    const struct relation *relation = resource->relation;
    const struct bytes role = build->set->catalog->role;
    const bool keyed = op != OP_LIST && op != OP_CREATE;
    if (!relation->can_select)
        return NULL; /* it was said, and is the reason for everything else */
    if (keyed && !resource->key_count)
        return relation->kind == RELATION_VIEW || relation->kind == RELATION_MATVIEW
                   ? "a view has no key of its own"
                   : "the table has no primary key";
    const bool inserts = op == OP_CREATE || op == OP_UPSERT;
    const bool updates = op == OP_UPDATE || op == OP_REPLACE || op == OP_UPSERT;
    const char *verb = inserts && !relation->insertable          ? "INSERT into"
                       : updates && !relation->updatable         ? "UPDATE"
                       : op == OP_DELETE && !relation->deletable ? "DELETE from"
                                                                 : NULL;
    if (verb)
        return arena_printf(&build->scratch, "the role %.*s can not %s this %s%s", BYTES_ARG(role), verb,
                            kind_words(relation),
                            relation->kind == RELATION_VIEW
                                ? " (the right is not granted, or the view has neither a simple "
                                  "query nor an INSTEAD OF trigger)"
                            : relation->kind == RELATION_MATVIEW ? ", nobody can"
                                                                 : "");
    if (op == OP_UPSERT && (relation->kind == RELATION_VIEW || !key_is_unique(resource, true)))
        return "no unique index is made of just the key's columns, so a row that exists is not recognised";
    if (op == OP_UPSERT && relation->primary && relation->primary->deferrable)
        return "its primary key is deferrable, and PostgreSQL recognises no row by such a key";
    for (int i = 0; op == OP_UPSERT && i < resource->key_count; i++)
        if (resource->key[i]->column->identity_always || resource->key[i]->column->generated)
            return arena_printf(&build->scratch, "only PostgreSQL gives %.*s its value (GENERATED ALWAYS)",
                                BYTES_ARG(resource->key[i]->column->name));
    return NULL;
}

/* A column that must have a value and that no client can give one. */
static const struct column *unfillable(const struct draft *draft)
{
    const struct relation *relation = draft->resource->relation;
    for (int i = 0; i < relation->columns_count; i++) {
        const struct column *column = &relation->columns[i];
        const struct field *field = draft->by_column[i];
        if (column->not_null && !column->has_default && !column->identity_always &&
            !column->identity_default && !column->generated && !relation->rewrites_inserts &&
            !(field && field->creatable))
            return column;
    }
    return NULL;
}

static void operation_add(struct resource_build *build, struct draft *draft, enum operation op)
{
    struct resource *resource = draft->resource;
    const bool declared = is_declared(draft, "operations");
    const struct source_place place = place_of(draft, "operations");
    const char *why = obstacle(build, resource, op);
    if (why && declared && !resource->missing.size) {
        diagnostics_error(build->diagnostics, place, "%s is not possible: %s", operation_names[op], why);
        if (!resource->key_count && op != OP_LIST && op != OP_CREATE)
            diagnostics_fix(build->diagnostics, "key: [columns that name one row], or take %s out",
                            operation_names[op]);
        else if (op == OP_UPSERT && resource->relation->insertable && resource->relation->updatable)
            diagnostics_fix(build->diagnostics, "take upsert out; PUT then needs replace");
        else if (resource->relation->kind == RELATION_TABLE ||
                 resource->relation->kind == RELATION_PARTITIONED)
            diagnostics_fix(build->diagnostics, "GRANT the right on %.*s, or take %s out",
                            BYTES_ARG(resource->relation->sql), operation_names[op]);
    }
    if (why)
        return;
    resource->operations |= 1u << op;
    const struct column *column = op == OP_CREATE || op == OP_UPSERT ? unfillable(draft) : NULL;
    if (column) {
        diagnostics_error(build->diagnostics, place,
                          "%s can never succeed: '%.*s' needs a value and has no default, but "
                          "clients can not write it",
                          operation_names[op], BYTES_ARG(column->name));
        diagnostics_fix(build->diagnostics, "give the column a default, or show it and let it be written");
        resource->operations &= ~(1u << op);
    }
}

static void operations_make(struct resource_build *build, struct draft *draft)
{
    const uint32_t wished =
        is_declared(draft, "operations") ? draft->declared.operations : 1u << OP_LIST | 1u << OP_GET;
    for (int op = 0; op < OPS; op++)
        if (wished & 1u << op)
            operation_add(build, draft, (enum operation)op);
    const uint32_t keyed = 1u << OP_UPDATE | 1u << OP_REPLACE | 1u << OP_UPSERT | 1u << OP_DELETE;
    if (draft->resource->operations & keyed && relation_is_inherited(draft->resource->relation)) {
        diagnostics_warning(
            build->diagnostics, place_of(draft, "operations"),
            "a key of %.*s may also name rows of the tables that inherit from it: one write then "
            "changes all of them",
            BYTES_ARG(draft->resource->relation->name));
        diagnostics_fix(build->diagnostics,
                        "let clients write to the inheriting tables, each a resource of its own");
    }
}

void resource_resolve(struct resource_build *build, struct draft *draft)
{
    struct resource *resource = draft->resource;
    limits_make(build, draft);
    resource->operations =
        is_declared(draft, "operations") ? draft->declared.operations : 1u << OP_LIST | 1u << OP_GET;
    resource->relation = relation_resolve(build, draft);
    if (!resource->relation)
        return;
    if (!resource->description.size)
        resource->description = resource->relation->comment;
    row_security_check(build, draft);
    fields_make(build, draft);
    key_make(build, draft);
    resource_version_make(build, draft);
    order_make(build, draft);
    tenant_make(build, draft);
    resource_schemas_make(build, draft);
    resource_rules_make(build, draft);
    resource->operations = 0;
    operations_make(build, draft);
}
