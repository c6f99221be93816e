/* Files of resources/: what may stand in them. One table decodes them, complains, and is the published
 * schema. */
#include "model/resource_internal.h"
#include "model/rules.h"

const char *const operation_names[OPS] = { "list", "get", "create", "update", "replace", "upsert", "delete" };
static const char *const operation_choices[] = { "list",    "get",    "create", "update",
                                                 "replace", "upsert", "delete", NULL };
static const char *const access_choices[] = { "closed", "public", NULL };
static const char *const conflict_choices[] = { "refuse", "reapply", NULL };
static const char *const priority_choices[] = { "normal", "high", "low", NULL };

static const struct shape_field fields_fields[] = {
    SHAPE_SELF(struct resource_fields, node),
    SHAPE_TEXTS(struct resource_fields, only, .doc = "Columns that are shown; all others are hidden."),
    SHAPE_TEXTS(struct resource_fields, hide,
                .doc = "Columns that are not shown, filtered, ordered by or written."),
    SHAPE_TEXTS(struct resource_fields, read_only, .doc = "Columns that are shown but not written."),
    SHAPE_PAIRS(struct resource_fields, rename, .doc = "column: its name in the API."),
    { 0 },
};
static const struct shape fields_shape = { "fields", "Which columns are shown, and how.",
                                           sizeof(struct resource_fields), fields_fields };

static const struct shape_field limits_fields[] = {
    SHAPE_SELF(struct resource_limits, node),
    SHAPE_INT(struct resource_limits, page, .min = 1, .max = 100000, .preset = "20",
              .doc = "Rows of a page."),
    SHAPE_INT(struct resource_limits, page_max, .min = 1, .max = 100000, .preset = "1000",
              .doc = "Rows that ?limit= may ask for."),
    SHAPE_INT(struct resource_limits, depth, .min = 0, .max = 10, .preset = "5",
              .doc = "Embeds inside embeds."),
    SHAPE_INT(struct resource_limits, bulk, .min = 1, .max = 10000, .preset = "1000",
              .doc = "Rows of one create or upsert."),
    SHAPE_INT(struct resource_limits, offset, .min = 0, .max = 1000000000, .preset = "10000",
              .doc = "How far ?offset= may go; cursors go further."),
    SHAPE_INT(struct resource_limits, concurrent, .min = 1, .max = 1000000,
              .doc = "Requests of one route at once, in the whole process; past it 503. Preset: no limit."),
    { .name = "timeout",
      .kind = SHAPE_KIND_DURATION,
      .offset = offsetof(struct resource_limits, timeout_ns),
      .max = 3600000000000LL,
      .doc = "A request's deadline; preset: the server's." },
    SHAPE_SIZE(struct resource_limits, body, .min = 0, .max = 1LL << 40, .preset = "0",
               .doc = "Bytes of a body; 0: the server's own limit. More than the memory of a request "
                      "(http.request_memory) is of use to ?dry_run=validate alone, which holds one row at a "
                      "time."),
    { 0 },
};
static const struct shape limits_shape = { "limits", "How much one request may ask for.",
                                           sizeof(struct resource_limits), limits_fields };

static const struct shape_field tenant_fields[] = {
    SHAPE_SELF(struct resource_tenant, node),
    SHAPE_TEXT(struct resource_tenant, setting, .required = true, .min = 3, .max = 63,
               .doc = "The setting that row security policies read: app.tenant."),
    SHAPE_TEXT(struct resource_tenant, header, .required = true, .min = 1, .max = 64,
               .doc = "The request header that it is taken from. Whoever may set it is any tenant: for "
                      "benches and demos."),
    SHAPE_TEXT(struct resource_tenant, field,
               .doc = "The column that holds the tenant, to be bound in queries too."),
    { 0 },
};
static const struct shape tenant_shape = { "tenant", "Whose rows are shown, until tokens say it.",
                                           sizeof(struct resource_tenant), tenant_fields };

/* What a declared schema may be, for editors: a JSON Schema, or the file that holds it. */
#define DECLARED_SCHEMA                                                                                      \
    "{\"anyOf\":[{\"type\":\"object\",\"properties\":{\"file\":{\"type\":\"string\"}},\"required\":["        \
    "\"file\"],"                                                                                             \
    "\"additionalProperties\":false},{\"$ref\":\"https://json-schema.org/draft/2020-12/schema\"}]}"

static const struct shape_field column_fields[] = {
    SHAPE_SELF(struct resource_column, node),
    SHAPE_KEY(struct resource_column, name),
    SHAPE_ANY(struct resource_column, schema, .schema = DECLARED_SCHEMA,
              .doc = "The JSON Schema of its values, or file: schemas/NAME.yaml."),
    { 0 },
};
static const struct shape column_shape = { "column", "What the catalog does not say of a column.",
                                           sizeof(struct resource_column), column_fields };

#define VERSION_SCHEMA                                                                                       \
    "{\"anyOf\":[{\"type\":\"string\"},{\"type\":\"object\",\"properties\":{\"column\":{\"type\":"           \
    "\"string\"},"                                                                                           \
    "\"required\":{\"type\":\"boolean\"}},\"required\":[\"column\"],\"additionalProperties\":false}]}"
#define EMBED_SCHEMA                                                                                         \
    "{\"anyOf\":[{\"type\":\"array\",\"items\":{\"type\":\"string\"}},{\"type\":\"object\","                 \
    "\"additionalProperties\":"                                                                              \
    "{\"anyOf\":[{\"type\":\"string\"},{\"type\":\"object\",\"properties\":{\"resource\":{\"type\":"         \
    "\"string\"},"                                                                                           \
    "\"via\":{\"type\":\"string\"},\"kind\":{\"enum\":[\"one\",\"many\"]}},\"required\":[\"resource\"],"     \
    "\"additionalProperties\":false}]}}]}"

static const struct shape_field resource_fields_[] = {
    SHAPE_SELF(struct declaration, node),
    SHAPE_TEXT(
        struct declaration, table, .min = 1, .max = 300,
        .doc =
            "The table or view: schema.name; odd names in double quotes inside single ones: '\"Shop\".\"My "
            "Table\"'. Preset: public and the file's name."),
    SHAPE_TEXT(struct declaration, name, .min = 1, .max = RESOURCE_NAME_BYTES_MAX,
               .doc = "What stands in the path: /v1/NAME. Preset: the file's name."),
    SHAPE_TEXT(struct declaration, title, .max = 200, .doc = "A line for the documentation."),
    SHAPE_TEXT(struct declaration, description, .max = 20000,
               .doc = "For the documentation. Preset: the table's comment in the database."),
    SHAPE_CHOICE(struct declaration, access, .choices = access_choices, .preset = "closed",
                 .doc = "Who may use it. public: everybody who reaches the listener."),
    SHAPE_CHOICES(struct declaration, operations, .choices = operation_choices,
                  .doc = "What is offered. Preset: list and get."),
    SHAPE_TEXTS(
        struct declaration, key,
        .doc = "Columns that name one row in paths. Preset: the primary key; views have none of their own."),
    SHAPE_ANY(struct declaration, version, .schema = VERSION_SCHEMA,
              .doc = "The column that changes with every write, behind ETag and If-Match, or xmin: the "
                     "transaction that wrote a table's row; {column, required: true} refuses writes without "
                     "If-Match (428)."),
    SHAPE_CHOICE(struct declaration, on_conflict, .choices = conflict_choices, .preset = "refuse",
                 .doc = "A PATCH whose If-Match names an old version: refuse it (412), or reapply it to the "
                        "row as it is now when it sets nothing but the fields of `reapply`."),
    SHAPE_TEXTS(struct declaration, reapply,
                .doc = "Fields whose new value does not depend on what the client read: the last one written "
                       "stands."),
    SHAPE_MAPPING(struct declaration, fields, .shape = &fields_shape,
                  .doc = "Preset: every column that may be read."),
    SHAPE_ANY(
        struct declaration, embed, .schema = EMBED_SCHEMA,
        .doc =
            "Related resources. Preset: every foreign key between exposed resources, both ways. A list names "
            "which "
            "of them; a mapping adds or renames: name: {resource, via: constraint, column or join table}."),
    SHAPE_TEXTS(struct declaration, order, .doc = "column, column.asc or column.desc. Preset: the key."),
    SHAPE_ANY(struct declaration, schema, .schema = DECLARED_SCHEMA,
              .doc =
                  "The JSON Schema (2020-12) of the bodies that write a row, beside what the catalog says; "
                  "or file: schemas/NAME.yaml. A merge patch is held against its rules of single fields."),
    SHAPE_MAP(struct declaration, columns, .shape = &column_shape,
              .doc = "Fields whose values have a schema of their own, such as JSONB."),
    SHAPE_LIST(struct declaration, rules, .shape = &rule_shape,
               .doc = "What must hold between the values of a row that is written, as expressions; a rule is "
                      "broken only when it is false."),
    SHAPE_MAPPING(struct declaration, limits, .shape = &limits_shape,
                  .doc = "How much one request may ask for."),
    SHAPE_CHOICE(struct declaration, priority, .choices = priority_choices, .preset = "normal",
                 .doc = "Who is refused first when there is more to do than can be done in time: low."),
    SHAPE_MAPPING(struct declaration, tenant, .shape = &tenant_shape, .doc = "Whose rows are shown."),
    SHAPE_BOOL(struct declaration, trusted,
               .doc =
                   "Exposes a view although it reads past row security: its rows are meant for everybody."),
    { 0 },
};
const struct shape resource_shape = { "resource", "A table or view exposed under /v1.",
                                      sizeof(struct declaration), resource_fields_ };

void resource_schema_write(struct text *text)
{
    shape_schema_write(text, &resource_shape, "urn:lintel:schema:resource");
}

/* ---- names ---- */

bool resource_name_fits(struct bytes name)
{
    if (!name.size || name.size > RESOURCE_NAME_BYTES_MAX || bytes_is(name, ".") || bytes_is(name, ".."))
        return false;
    for (size_t i = 0; i < name.size; i++) {
        const unsigned char c = (unsigned char)name.data[i];
        const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        if (!letter && c < 0x80 && (!c || !strchr("._~-", c)))
            return false;
    }
    return bytes_is_utf8(name);
}

static bool part_read(struct arena *arena, struct bytes *rest, struct bytes *ret_part)
{
    if (!rest->size || rest->data[0] != '"') {
        const ptrdiff_t dot = bytes_find(*rest, '.');
        *ret_part = dot < 0 ? *rest : bytes_first(*rest, (size_t)dot);
        *rest = bytes_from(*rest, ret_part->size);
        return ret_part->size > 0 && bytes_find(*ret_part, '"') < 0;
    }
    char *out = arena_alloc(arena, rest->size);
    if (!out)
        return false;
    size_t size = 0;
    for (size_t i = 1; i < rest->size; i++) {
        if (rest->data[i] == '"') {
            if (i + 1 >= rest->size || rest->data[i + 1] != '"') {
                *ret_part = bytes_make(out, size);
                *rest = bytes_from(*rest, i + 1);
                return size > 0;
            }
            i++;
        }
        out[size++] = rest->data[i];
    }
    return false;
}

bool table_name_read(struct arena *arena, struct bytes text, struct bytes *ret_schema, struct bytes *ret_name)
{
    struct bytes rest = text, first, second;
    if (!part_read(arena, &rest, &first))
        return false;
    if (!rest.size) {
        *ret_schema = BYTES("public");
        *ret_name = first;
        return true;
    }
    if (rest.data[0] != '.')
        return false;
    rest = bytes_from(rest, 1);
    if (!part_read(arena, &rest, &second) || rest.size)
        return false;
    *ret_schema = first;
    *ret_name = second;
    return true;
}

static void part_write(struct text *text, struct bytes part)
{
    if (bytes_find(part, '.') < 0 && bytes_find(part, '"') < 0) {
        text_add(text, part);
        return;
    }
    text_byte(text, '"');
    for (size_t i = 0; i < part.size; i++) {
        if (part.data[i] == '"')
            text_byte(text, '"');
        text_byte(text, part.data[i]);
    }
    text_byte(text, '"');
}

void table_name_write(struct text *text, struct bytes schema, struct bytes name)
{
    part_write(text, schema);
    text_byte(text, '.');
    part_write(text, name);
}

/* ---- one file ---- */

/* resources/products.yaml -> products */
static struct bytes stem_of(struct bytes file)
{
    for (ptrdiff_t slash; (slash = bytes_find(file, '/')) >= 0;)
        file = bytes_from(file, (size_t)slash + 1);
    if (bytes_ends(file, BYTES(".yaml")))
        file.size -= 5;
    return file;
}

static struct source_place place_of(const struct draft *draft, const char *key)
{
    const struct yaml_node *node = yaml_get(draft->declared.node, key);
    return node ? node->place : draft->place;
}

bool resource_declare(struct resource_build *build, const struct resource_source *source, struct draft *draft)
{
    const char *file = arena_copy(build->diagnostics->arena, source->file);
    struct yaml_node *root;
    draft->place = (struct source_place){ file, 0, 0 };
    if (!yaml_parse(&build->scratch, &(struct yaml_source){ .file = file, .text = source->text },
                    build->diagnostics, &root))
        return false;
    /* What is right of a wrong file is still used: its name keeps clashing, its neighbours still find it. But
     * it is closed. */
    const bool right =
        shape_decode(&build->scratch, &resource_shape, root, &draft->declared, build->diagnostics);

    struct resource *resource = draft->resource;
    const struct declaration *declared = &draft->declared;
    resource->file = resource_keep(build, source->file);
    resource->line = 1;
    resource->name = resource_keep(build, declared->name.size ? declared->name : stem_of(source->file));
    resource->title = resource_keep(build, declared->title);
    resource->description = resource_keep(build, declared->description);
    resource->priority = declared->priority;
    resource->public_access = right && declared->access == ACCESS_PUBLIC;
    if (!resource_name_fits(resource->name)) {
        diagnostics_error(build->diagnostics, place_of(draft, "name"), "'%.*s' can not stand in a path",
                          BYTES_ARG(resource->name));
        diagnostics_fix(build->diagnostics, "name: letters, digits and . _ ~ -, at most %d bytes",
                        RESOURCE_NAME_BYTES_MAX);
        return false;
    }
    if (right && !yaml_get(declared->node, "access")) {
        diagnostics_warning(build->diagnostics, draft->place, "%.*s is closed: it has no `access`",
                            BYTES_ARG(resource->name));
        diagnostics_fix(build->diagnostics,
                        "access: public, if everybody who reaches the listener may use it");
    }
    return true;
}
