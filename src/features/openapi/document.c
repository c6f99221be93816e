#include "features/openapi/document.h"

#include "features/openapi/declared.h"
#include "features/openapi/document_shared.h"

#include "model/json_schema.h"
#include "model/resource_rules.h"
#include "wire/filter.h"
#include "wire/json_write.h"
#include "wire/uri.h"

struct document {
    struct text *text;
    const struct resource_set *set;
    const struct resource *resource;
    bool writes;      /* the operation being written may meet constraints */
    struct text name; /* the resource's component */
};

/* A name fit for components and parameters (OpenAPI 3.1, 4.8.7.1): others become _. */
static void plain_name(struct text *text, struct bytes name)
{
    for (size_t i = 0; i < name.size; i++) {
        const char c = name.data[i];
        const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                           c == '.' || c == '_' || c == '-';
        text_byte(text, plain ? c : '_');
    }
}

/* Resources may differ only in characters that plain_name() folds: their number keeps them apart. */
static void component_name(struct text *text, const struct resource *resource, const char *suffix)
{
    const size_t before = text->size;
    plain_name(text, resource->name);
    if (text->data &&
        !bytes_equal((struct bytes){ text->data + before, text->size - before }, resource->name))
        text_printf(text, "_%d", resource->index);
    text_add_z(text, suffix);
}

static void reference(struct document *doc, const char *suffix)
{
    text_lit(doc->text, "{\"$ref\":\"#/components/schemas/");
    component_name(doc->text, doc->resource, suffix);
    text_lit(doc->text, "\"}");
}

/* ---- schemas ---- */

/* VIEW_REPLACE: a create whose key the path has already said. */
enum view { VIEW_READ, VIEW_CREATE, VIEW_UPDATE, VIEW_REPLACE };

static bool field_in(const struct field *field, enum view view)
{
    return view == VIEW_READ ? field->readable : view == VIEW_UPDATE ? field->updatable : field->creatable;
}

static bool is_key(const struct resource *resource, const struct field *field)
{
    for (int i = 0; i < resource->key_count; i++)
        if (resource->key[i] == field)
            return true;
    return false;
}

/* What the catalog says, and beside it what the file declares. */
static void object_schema(struct document *doc, enum view view);
static void view_schema(struct document *doc, enum view view)
{
    static const char *const suffixes[] = { ".body.read", ".body", ".body.update", ".body" };
    const struct resource_schemas *schemas = doc->resource->schemas;
    if (!schemas || !schemas->has_body) {
        object_schema(doc, view);
        return;
    }
    text_lit(doc->text, "{\"allOf\":[");
    object_schema(doc, view);
    text_lit(doc->text, ",{\"$ref\":\"#/components/schemas/");
    text_add(doc->text, text_bytes(&doc->name));
    text_printf(doc->text, "%s\"}]}", suffixes[view]);
}

static void object_schema(struct document *doc, enum view view)
{
    const struct resource *resource = doc->resource;
    struct text *text = doc->text;
    const struct pg_encoding *encoding = &doc->set->encoding;
    text_lit(text, "{\"type\":\"object\",\"properties\":{");
    bool first = true;
    for (int i = 0; i < resource->fields_count; i++) {
        const struct field *field = &resource->fields[i];
        if (!field_in(field, view))
            continue;
        if (!first)
            text_byte(text, ',');
        first = false;
        json_write_key(text, field->name);
        const struct column_schema *column = declared_column(resource, field);
        if (column)
            declared_reference_write(text, column, text_bytes(&doc->name));
        else
            json_schema_type_write(text, field->column->type, field->column->typmod, field->nullable,
                                   field->column, encoding);
    }
    text_byte(text, '}');
    bool any = false;
    for (int i = 0; (view == VIEW_CREATE || view == VIEW_REPLACE) && i < resource->fields_count; i++) {
        if (!resource->fields[i].required_on_create || !resource->fields[i].creatable ||
            (view == VIEW_REPLACE && is_key(resource, &resource->fields[i])))
            continue;
        text_add_z(text, any ? "," : ",\"required\":[");
        json_write_string(text, resource->fields[i].name);
        any = true;
    }
    if (any)
        text_byte(text, ']');
    if (view != VIEW_READ)
        text_lit(text, ",\"additionalProperties\":false");
    if (view != VIEW_READ && resource->rules) {
        text_lit(text, ",\"x-rules\":");
        rules_write_json(text, &resource->rules->held);
    }
    if (view == VIEW_READ && resource->description.size) {
        text_lit(text, ",\"description\":");
        json_write_string(text, resource->description);
    }
    text_byte(text, '}');
}

static void example_object(struct document *doc, enum view view)
{
    const struct resource *resource = doc->resource;
    bool first = true;
    text_byte(doc->text, '{');
    for (int i = 0; i < resource->fields_count; i++) {
        const struct field *field = &resource->fields[i];
        if (!field_in(field, view) ||
            ((view == VIEW_CREATE || view == VIEW_REPLACE) && !field->required_on_create) ||
            (view == VIEW_REPLACE && is_key(resource, field)))
            continue;
        if (!first)
            text_byte(doc->text, ',');
        first = false;
        json_write_key(doc->text, field->name);
        json_schema_example_write(doc->text, field->column->type, field->column->typmod, field->column,
                                  &doc->set->encoding);
        if (view == VIEW_UPDATE)
            break; /* one changed field tells what a merge patch is */
    }
    text_byte(doc->text, '}');
}

/* `,"example":…`, unless what the file declares would refuse it. */
static void example(struct document *doc, enum view view, const char *before, const char *after)
{
    struct text *text = doc->text;
    const size_t start = text->size;
    text_printf(text, ",\"example\":%s", before);
    const size_t sample = text->size;
    example_object(doc, view);
    if (text_ok(text) &&
        !declared_fits(doc->resource, (struct bytes){ text->data + sample, text->size - sample },
                       view == VIEW_CREATE)) {
        text->size = start;
        return;
    }
    text_add_z(text, after);
}

static void resource_schemas(struct document *doc)
{
    static const char *const suffixes[] = { "", ".create", ".update", ".replace" };
    const unsigned replace = 1u << OP_REPLACE | 1u << OP_UPSERT;
    for (int view = VIEW_READ; view <= VIEW_REPLACE; view++) {
        if ((view == VIEW_CREATE && !(doc->resource->operations & 1u << OP_CREATE)) ||
            (view == VIEW_REPLACE && (!doc->resource->key_count || !(doc->resource->operations & replace))) ||
            (view == VIEW_UPDATE && !(doc->resource->operations & 1u << OP_UPDATE)))
            continue;
        text_lit(doc->text, ",\"");
        component_name(doc->text, doc->resource, suffixes[view]);
        text_lit(doc->text, "\":");
        view_schema(doc, (enum view)view);
    }
    declared_components_write(doc->text, doc->resource, text_bytes(&doc->name));
}

/* ---- operations ---- */

static void parameter_reference(struct text *text, const char *name, bool *first)
{
    text_printf(text, "%s{\"$ref\":\"#/components/parameters/%s\"}", *first ? "" : ",", name);
    *first = false;
}

/* What tells whose rows are meant, where a header does. */
static void tenant_parameter(struct document *doc, bool *first)
{
    if (!doc->resource->tenant_header_setting.size)
        return;
    text_add_z(doc->text, *first ? "{\"name\":" : ",{\"name\":");
    *first = false;
    json_write_string(doc->text, doc->resource->tenant_header);
    text_lit(doc->text, ",\"in\":\"header\",\"required\":true,\"description\":\"Whose rows are meant.\","
                        "\"schema\":{\"type\":\"string\",\"minLength\":1,\"maxLength\":128}}");
}

/* Operators that make sense for a type, as the description of its filter. */
static void filter_doc(struct text *text, const struct pg_type *type)
{
    static const char compare[] = "eq neq gt gte lt lte in is isdistinct",
                      words[] = " like ilike match imatch fts plfts phfts wfts",
                      sets[] = "eq neq cs cd ov is", ranges[] = "eq neq cs cd ov sl sr nxr nxl adj is",
                      json[] = "eq neq cs cd is";
    text_lit(text, "operator.value; operators: ");
    switch (type->kind) {
    case PG_TYPE_ARRAY:
        text_add_z(text, sets);
        break;
    case PG_TYPE_RANGE:
    case PG_TYPE_MULTIRANGE:
        text_add_z(text, ranges);
        break;
    case PG_TYPE_JSON:
        text_add_z(text, json);
        text_lit(text, "; reach inside with -> and ->>");
        break;
    case PG_TYPE_STRING:
        text_add_z(text, compare);
        text_add_z(text, words);
        break;
    default:
        text_add_z(text, compare);
    }
    text_lit(text, "; not. negates");
}

static bool reserved(struct bytes name)
{
    static const char *const names[] = { "select", "order",   "limit", "offset",          "page",
                                         "after",  "before",  "count", "include_deleted", "and",
                                         "or",     "not.and", "not.or" };
    for (size_t i = 0; i < array_count(names); i++)
        if (bytes_is(name, names[i]))
            return true;
    return false;
}

static void filter_parameters(struct document *doc, bool *first)
{
    struct text *text = doc->text;
    for (int i = 0; i < doc->resource->fields_count; i++) {
        const struct field *field = &doc->resource->fields[i];
        if (!field->readable || reserved(field->name))
            continue;
        text_add_z(text, *first ? "" : ",");
        *first = false;
        text_lit(text, "{\"name\":");
        json_write_string(text, field->name);
        text_lit(text, ",\"in\":\"query\",\"required\":false,\"description\":\"");
        filter_doc(text, field->column->type);
        text_lit(text, "\",\"schema\":{\"type\":\"string\"}}");
    }
}

/* {id}, {id}/{line}: names as the path template has them. */
static void key_name(struct document *doc, int i)
{
    const struct bytes name = doc->resource->key[i]->name;
    const size_t before = doc->text->size;
    for (size_t c = 0; c < name.size; c++) {
        const char at = name.data[c];
        const bool plain =
            (at >= 'a' && at <= 'z') || (at >= 'A' && at <= 'Z') || (at >= '0' && at <= '9') || at == '_';
        text_byte(doc->text, plain ? at : '_');
    }
    if (doc->text->data &&
        !bytes_equal((struct bytes){ doc->text->data + before, doc->text->size - before }, name))
        text_printf(doc->text, "_%d", i);
}

static void path_parameters(struct document *doc)
{
    text_lit(doc->text, "\"parameters\":[");
    for (int i = 0; i < doc->resource->key_count; i++) {
        const struct field *key = doc->resource->key[i];
        text_add_z(doc->text, i ? ",{\"name\":\"" : "{\"name\":\"");
        key_name(doc, i);
        text_lit(doc->text, "\",\"in\":\"path\",\"required\":true,\"schema\":");
        json_schema_type_write(doc->text, key->column->type, key->column->typmod, false, NULL,
                               &doc->set->encoding);
        text_byte(doc->text, '}');
    }
    text_lit(doc->text, "],");
}

static void operation_begin(struct document *doc, const char *method, const char *verb, const char *summary)
{
    struct text *text = doc->text;
    text_printf(text, "\"%s\":{\"operationId\":\"%s_", method, verb);
    component_name(text, doc->resource, "");
    text_printf(text, "\",\"summary\":\"%s\",\"tags\":[", summary);
    json_write_string(text, doc->resource->name);
    text_lit(text, "],");
}

/* "404_NotFound": the component NotFound. Whatever else may be wrong has the same shape: `default`. */
static void responses(struct document *doc, const char *const *names)
{
    for (const char *const *name = names; *name; name++)
        text_printf(doc->text, ",\"%.3s\":{\"$ref\":\"#/components/responses/%s\"}", *name, *name + 4);
    if (doc->writes)
        app_errors_document(doc->text, &doc->set->errors, names);
    doc->writes = false;
    text_lit(doc->text, ",\"default\":{\"$ref\":\"#/components/responses/Failure\"}}}");
}

static void headers(struct document *doc, const char *const *names)
{
    text_lit(doc->text, ",\"headers\":{\"X-Request-Id\":{\"$ref\":\"#/components/headers/X-Request-Id\"}");
    for (; *names; names++)
        if (doc->resource->version || strcmp(*names, "ETag") != 0)
            text_printf(doc->text, ",\"%s\":{\"$ref\":\"#/components/headers/%s\"}", *names, *names);
    text_byte(doc->text, '}');
}

static const char *const read_headers[] = { "ETag", NULL }, *const list_headers[] = { "Link", NULL },
                         *const written_headers[] = { "ETag", "Preference-Applied", NULL },
                         *const created_headers[] = { "ETag", "Preference-Applied", "Location", NULL },
                         *const deleted_headers[] = { "Preference-Applied", NULL };

static void one_content(struct document *doc)
{
    text_lit(doc->text, ",\"content\":{\"application/json\":{\"schema\":");
    reference(doc, "");
    example(doc, VIEW_READ, "", "");
    text_lit(doc->text, "}}");
}

static void operation_list(struct document *doc)
{
    static const char *const also[] = { "400_Invalid", "403_Denied", "503_Unavailable", "504_Timeout", NULL };
    static const char *const shared[] = { "select", "order", "limit", "after", "before",
                                          "offset", "page",  "count", "and",   "or" };
    operation_begin(doc, "get", "list", "Lists rows, page by page");
    text_lit(doc->text, "\"parameters\":[");
    bool first = true;
    for (size_t i = 0; i < array_count(shared); i++)
        parameter_reference(doc->text, shared[i], &first);
    tenant_parameter(doc, &first);
    filter_parameters(doc, &first);
    text_lit(doc->text, "],\"responses\":{\"200\":{\"description\":\"A page of rows.\"");
    headers(doc, list_headers);
    text_lit(doc->text, ",\"content\":{\"application/"
                        "json\":{\"schema\":{\"type\":\"object\",\"required\":[\"data\",\"page\"],"
                        "\"properties\":{\"data\":{\"type\":\"array\",\"items\":");
    reference(doc, "");
    text_lit(doc->text, "},\"page\":{\"$ref\":\"#/components/schemas/Page\"}}}");
    char page[96];
    snprintf(page, sizeof page, "],\"page\":{\"next\":null,\"prev\":null,\"limit\":%lld}}",
             (long long)doc->resource->page_size);
    example(doc, VIEW_READ, "{\"data\":[", page);
    text_lit(doc->text, "}}}");
    responses(doc, also);
}

static void operation_get(struct document *doc)
{
    static const char *const also[] = { "400_Invalid",     "403_Denied",  "404_NotFound",
                                        "503_Unavailable", "504_Timeout", NULL };
    bool first = true;
    operation_begin(doc, "get", "get", "Reads one row");
    text_lit(doc->text, "\"parameters\":[");
    parameter_reference(doc->text, "select", &first);
    if (doc->resource->version)
        parameter_reference(doc->text, "If-None-Match", &first);
    tenant_parameter(doc, &first);
    text_lit(doc->text, "],\"responses\":{\"200\":{\"description\":\"The row.\"");
    headers(doc, read_headers);
    one_content(doc);
    text_byte(doc->text, '}');
    if (doc->resource->version) {
        text_lit(doc->text, ",\"304\":{\"description\":\"If-None-Match names the version it has.\"");
        headers(doc, read_headers);
        text_byte(doc->text, '}');
    }
    responses(doc, also);
}

static void write_parameters(struct document *doc, enum operation op)
{
    const struct resource *resource = doc->resource;
    bool first = true;
    text_lit(doc->text, "\"parameters\":[");
    parameter_reference(doc->text, "select", &first);
    parameter_reference(doc->text, "Prefer", &first);
    if (op == OP_CREATE)
        parameter_reference(doc->text, "dry_run", &first);
    else if (resource->version)
        parameter_reference(doc->text, resource->version_required ? "If-Match-Required" : "If-Match", &first);
    if (op == OP_REPLACE && resource->operations & 1u << OP_UPSERT)
        parameter_reference(doc->text, "If-None-Match-Any", &first);
    tenant_parameter(doc, &first);
    text_lit(doc->text, "],");
}

/* One row or, for an array, its rows; and what a dry run answers. */
static void created_content(struct document *doc)
{
    text_lit(doc->text, ",\"content\":{\"application/json\":{\"schema\":{\"anyOf\":[");
    reference(doc, "");
    text_lit(doc->text, ",{\"type\":\"object\",\"required\":[\"data\"],\"properties\":{\"data\":{\"type\":"
                        "\"array\",\"items\":");
    reference(doc, "");
    text_lit(doc->text, "}}}]}");
    example(doc, VIEW_READ, "", "");
    text_lit(doc->text, "}}}");
}

static void operation_create(struct document *doc)
{
    static const char *const also[] = { "400_Invalid",     "403_Denied",    "409_Conflict",
                                        "413_TooLarge",    "415_MediaType", "422_Validation",
                                        "503_Unavailable", "504_Timeout",   NULL };
    const bool upserts = doc->resource->operations & 1u << OP_UPSERT;
    doc->writes = true;
    operation_begin(doc, "post", "create", "Creates one row, or many with an array");
    write_parameters(doc, OP_CREATE);
    text_lit(doc->text,
             "\"requestBody\":{\"required\":true,\"content\":{\"application/json\":{\"schema\":{\"oneOf\":[");
    reference(doc, ".create");
    text_lit(doc->text, ",{\"type\":\"array\",\"items\":");
    reference(doc, ".create");
    text_printf(doc->text, ",\"maxItems\":%lld}]}", (long long)doc->resource->bulk_max);
    example(doc, VIEW_CREATE, "", "");
    text_lit(doc->text,
             "},\"application/x-ndjson\":{\"schema\":{\"type\":\"string\",\"description\":\"Rows, one a "
             "line; with dry_run only.\"}}}},\"responses\":{\"201\":{\"description\":\"Created; without a "
             "body where Prefer: return=minimal asked for none.\"");
    headers(doc, created_headers);
    created_content(doc);
    text_lit(doc->text,
             ",\"200\":{\"description\":\"dry_run: the body could be created, as far as the server "
             "alone can tell.\",\"content\":{\"application/json\":{\"schema\":{\"$ref\":"
             "\"#/components/schemas/DryRun\"}}}}");
    if (upserts) {
        text_lit(doc->text,
                 ",\"204\":{\"description\":\"resolution=ignore-duplicates: it was there already.\"");
        headers(doc, deleted_headers);
        text_byte(doc->text, '}');
    } else {
        text_lit(doc->text, ",\"405\":{\"$ref\":\"#/components/responses/Operation\"}");
    }
    responses(doc, also);
}

/* What a stale If-Match does not refuse. */
static void reapply_description(struct document *doc)
{
    const char *separator = "\"description\":\"A patch of nothing but ";
    for (int i = 0; i < doc->resource->fields_count; i++) {
        if (!doc->resource->fields[i].reapplied)
            continue;
        text_add_z(doc->text, separator);
        json_write_escaped(doc->text, doc->resource->fields[i].name);
        separator = ", ";
    }
    if (separator[0] == ',')
        text_lit(doc->text,
                 " is applied even if the row has changed since If-Match saw it; the answer then has no "
                 "ETag.\",");
}

static void change_body(struct document *doc, enum view view)
{
    text_lit(doc->text, "\"requestBody\":{\"required\":true,\"content\":{");
    if (view == VIEW_UPDATE) {
        text_lit(doc->text, "\"application/merge-patch+json\":{\"schema\":");
        reference(doc, ".update");
        example(doc, view, "", "");
        text_lit(doc->text, "},");
    }
    text_lit(doc->text, "\"application/json\":{\"schema\":");
    reference(doc, view == VIEW_UPDATE ? ".update" : ".replace");
    example(doc, view, "", "");
    text_lit(doc->text, "}}},");
}

static void conditional_responses(struct document *doc)
{
    const struct resource *resource = doc->resource;
    if (resource->version && resource->version_required)
        text_lit(doc->text, ",\"428\":{\"$ref\":\"#/components/responses/PreconditionRequired\"}");
}

static void operation_change(struct document *doc, const char *method, const char *verb, const char *summary,
                             enum operation op)
{
    static const char *const also[] = { "400_Invalid",
                                        "403_Denied",
                                        "404_NotFound",
                                        "409_Conflict",
                                        "412_Precondition",
                                        "413_TooLarge",
                                        "415_MediaType",
                                        "422_Validation",
                                        "503_Unavailable",
                                        "504_Timeout",
                                        NULL };
    const enum view view = op == OP_UPDATE ? VIEW_UPDATE : VIEW_REPLACE;
    doc->writes = true;
    operation_begin(doc, method, verb, summary);
    if (op == OP_UPDATE)
        reapply_description(doc);
    write_parameters(doc, op);
    change_body(doc, view);
    text_lit(doc->text, "\"responses\":{\"200\":{\"description\":\"The row as it is now.\"");
    headers(doc, written_headers);
    one_content(doc);
    if (op == OP_REPLACE && doc->resource->operations & 1u << OP_UPSERT) {
        text_lit(doc->text, "},\"201\":{\"description\":\"There was none: created.\"");
        headers(doc, written_headers);
        one_content(doc);
    }
    text_lit(doc->text, "},\"204\":{\"description\":\"Done; Prefer: return=minimal asked for no body.\"");
    headers(doc, written_headers);
    text_byte(doc->text, '}');
    conditional_responses(doc);
    responses(doc, also);
}

static void operation_delete(struct document *doc)
{
    static const char *const also[] = { "400_Invalid",      "403_Denied",      "404_NotFound", "409_Conflict",
                                        "412_Precondition", "503_Unavailable", "504_Timeout",  NULL };
    doc->writes = true;
    operation_begin(doc, "delete", "delete", "Deletes one row");
    write_parameters(doc, OP_DELETE);
    text_lit(doc->text, "\"responses\":{\"204\":{\"description\":\"Deleted.\"");
    headers(doc, deleted_headers);
    text_lit(doc->text,
             "},\"200\":{\"description\":\"Deleted; Prefer: return=representation asked for the row as it "
             "was.\"");
    headers(doc, deleted_headers);
    one_content(doc);
    text_byte(doc->text, '}');
    conditional_responses(doc);
    responses(doc, also);
}

static void path_begin(struct document *doc, bool keyed)
{
    struct text *text = doc->text;
    struct text path;
    text_init_heap(&path, 0);
    text_lit(&path, "/v1/");
    uri_write_segment(&path, doc->resource->name);
    text_lit(text, ",\"");
    json_write_escaped(text, text_bytes(&path));
    text_done(&path);
    for (int i = 0; keyed && i < doc->resource->key_count; i++) {
        text_lit(text, "/{");
        key_name(doc, i);
        text_byte(text, '}');
    }
    text_lit(text, "\":{");
}

static void collection_path(struct document *doc)
{
    const unsigned ops = doc->resource->operations;
    if (!(ops & (1u << OP_LIST | 1u << OP_CREATE)))
        return;
    path_begin(doc, false);
    if (ops & 1u << OP_LIST)
        operation_list(doc);
    if ((ops & 1u << OP_LIST) && (ops & 1u << OP_CREATE))
        text_byte(doc->text, ',');
    if (ops & 1u << OP_CREATE)
        operation_create(doc);
    text_byte(doc->text, '}');
}

static void item_path(struct document *doc)
{
    const unsigned ops = doc->resource->operations, put = 1u << OP_REPLACE | 1u << OP_UPSERT;
    if (!doc->resource->key_count || !(ops & (1u << OP_GET | 1u << OP_UPDATE | put | 1u << OP_DELETE)))
        return;
    path_begin(doc, true);
    path_parameters(doc);
    if (ops & 1u << OP_GET) {
        operation_get(doc);
        text_byte(doc->text, ',');
    }
    if (ops & 1u << OP_UPDATE) {
        operation_change(doc, "patch", "update", "Changes fields of one row (JSON Merge Patch)", OP_UPDATE);
        text_byte(doc->text, ',');
    }
    if (ops & put) {
        operation_change(doc, "put", "replace",
                         ops & 1u << OP_UPSERT ? "Replaces one row, or creates it" : "Replaces one row",
                         OP_REPLACE);
        text_byte(doc->text, ',');
    }
    if (ops & 1u << OP_DELETE) {
        operation_delete(doc);
        text_byte(doc->text, ',');
    }
    doc->text->size--; /* the last comma */
    text_byte(doc->text, '}');
}

static void tags_write(struct document *doc)
{
    struct text *text = doc->text;
    text_lit(text, "\"tags\":[");
    for (int i = 0; i < doc->set->resources_count; i++) {
        const struct resource *resource = &doc->set->resources[i];
        if (!resource->public_access || resource->missing.size)
            continue;
        text_lit(text, "{\"name\":");
        json_write_string(text, resource->name);
        if (resource->description.size || resource->title.size) {
            text_lit(text, ",\"description\":");
            json_write_string(text, resource->description.size ? resource->description : resource->title);
        }
        text_lit(text, "},");
    }
    text_lit(text, "{\"name\":\"system\",\"description\":\"Probes and catalogues.\"}],");
}

void document_write(struct text *text, const struct resource_set *set, const struct kit *kit,
                    const char *title, const char *version)
{
    struct document doc = { .text = text, .set = set };
    text_init_heap(&doc.name, 0);
    text_lit(text, "{\"openapi\":\"3.1.0\",\"info\":{\"title\":");
    json_write_string(text, bytes_of(title));
    text_lit(text, ",\"version\":");
    json_write_string(text, bytes_of(version));
    text_lit(text, ",\"license\":{\"name\":\"Proprietary\",\"identifier\":\"LicenseRef-Proprietary\"},"
                   "\"description\":\"Filters, select and order speak the grammar that PostgREST made "
                   "common; lists are paged with "
                   "opaque cursors; every failure has the same shape, its codes are listed at /errors.\"},"
                   "\"servers\":[{\"url\":\"/\"}],\"security\":[],");
    tags_write(&doc);
    text_lit(text, "\"paths\":{");
    document_system_paths_write(text);
    for (int i = 0; i < set->resources_count; i++) {
        doc.resource = &set->resources[i];
        if (!doc.resource->public_access || doc.resource->missing.size)
            continue;
        collection_path(&doc);
        item_path(&doc);
    }
    for (int i = 0; kit->modules[i]; i++)
        if (kit->modules[i]->document && kit->loaded && kit->loaded[i])
            kit->modules[i]->document(kit->loaded[i], set, text);
    text_lit(text, "},");
    document_components_begin(text);
    for (int i = 0; i < set->resources_count; i++) {
        doc.resource = &set->resources[i];
        if (!doc.resource->public_access || doc.resource->missing.size)
            continue;
        text_clear(&doc.name);
        component_name(&doc.name, doc.resource, "");
        resource_schemas(&doc);
    }
    declared_files_write(text, set);
    text_done(&doc.name);
    text_lit(text, "},");
    document_responses_write(text);
    text_lit(text, "}}\n");
}
