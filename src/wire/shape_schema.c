/* shape_schema.c - a table of fields, told as JSON Schema 2020-12. */
#include "wire/json_write.h"
#include "wire/shape.h"

#define SHAPES_MAX 128 /* that one file's shape reaches */

struct printer {
    struct text *out;
    const struct shape *reached[SHAPES_MAX];
    int reached_count;
};

static void key(struct printer *printer, const char *name)
{
    json_write_key(printer->out, bytes_of(name));
}

static void string(struct printer *printer, const char *value)
{
    json_write_string(printer->out, bytes_of(value));
}

static void raw(struct printer *printer, const char *json)
{
    text_add_z(printer->out, json);
}

static void reach(struct printer *printer, const struct shape *shape)
{
    for (int i = 0; i < printer->reached_count; i++) {
        if (printer->reached[i] == shape)
            return;
        check(strcmp(printer->reached[i]->name, shape->name) != 0); /* two shapes of one name */
    }
    check(printer->reached_count < SHAPES_MAX);
    printer->reached[printer->reached_count++] = shape;
}

static void reference(struct printer *printer, const struct shape *shape)
{
    reach(printer, shape);
    raw(printer, "{\"$ref\":\"#/$defs/");
    json_write_escaped(printer->out, bytes_of(shape->name));
    raw(printer, "\"}");
}

/* What yaml_expand() will replace is no number yet. */
#define REFERENCE_SCHEMA "{\"type\":\"string\",\"pattern\":\"\\\\$\\\\{\"}"
#define SCALAR_TYPES     "\"type\":[\"string\",\"number\",\"boolean\"]"

static void range(struct printer *printer, const struct shape_field *field, const char *least,
                  const char *most)
{
    if (field->min == 0 && field->max == 0)
        return;
    text_printf(printer->out, ",\"%s\":%lld,\"%s\":%lld", least, (long long)field->min, most,
                (long long)field->max);
}

static void choices(struct printer *printer, const struct shape_field *field)
{
    raw(printer, "{\"enum\":[");
    for (int i = 0; field->choices[i]; i++) {
        raw(printer, i ? "," : "");
        string(printer, field->choices[i]);
    }
    raw(printer, "]}");
}

static void text_type(struct printer *printer, const struct shape_field *field)
{
    raw(printer, "{" SCALAR_TYPES);
    if (field)
        range(printer, field, "minLength", "maxLength");
    raw(printer, "}");
}

/* One value or a list of such. */
static void one_or_list(struct printer *printer, const struct shape_field *field,
                        void (*one)(struct printer *, const struct shape_field *))
{
    raw(printer, "{\"anyOf\":[");
    one(printer, field);
    raw(printer, ",{\"type\":\"array\",\"items\":");
    one(printer, field);
    raw(printer, "}]}");
}

static void number(struct printer *printer, const struct shape_field *field)
{
    switch (field->kind) {
    case SHAPE_KIND_INT:
        raw(printer, "{\"anyOf\":[{\"type\":\"integer\"");
        range(printer, field, "minimum", "maximum");
        raw(printer, "}," REFERENCE_SCHEMA "]}");
        break;
    case SHAPE_KIND_DURATION:
        raw(printer, "{\"anyOf\":[{\"const\":0},{\"type\":\"string\",\"pattern\":\"^0$|^([0-9]+(d|h|m|s|ms|"
                     "us|ns))+$|\\\\$\\\\{\"}]}");
        break;
    default:
        raw(printer, "{\"anyOf\":[{\"type\":\"integer\"");
        range(printer, field, "minimum", "maximum");
        raw(printer, "},{\"type\":\"string\",\"pattern\":\"^[0-9]+([KMGT]iB|[kMGT]?B)?$|\\\\$\\\\{\"}]}");
        break;
    }
}

/* The schema of one field's value, without its doc. */
static void value(struct printer *printer, const struct shape_field *field)
{
    switch (field->kind) {
    case SHAPE_KIND_TEXT:
        text_type(printer, field);
        break;
    case SHAPE_KIND_BOOL:
        raw(printer, "{\"anyOf\":[{\"type\":\"boolean\"}," REFERENCE_SCHEMA "]}");
        break;
    case SHAPE_KIND_INT:
    case SHAPE_KIND_DURATION:
    case SHAPE_KIND_SIZE:
        number(printer, field);
        break;
    case SHAPE_KIND_CHOICE:
        raw(printer, "{\"anyOf\":[");
        choices(printer, field);
        raw(printer, "," REFERENCE_SCHEMA "]}");
        break;
    case SHAPE_KIND_CHOICES:
        one_or_list(printer, field, choices);
        break;
    case SHAPE_KIND_TEXTS:
        one_or_list(printer, field, text_type);
        break;
    case SHAPE_KIND_PAIRS:
        raw(printer, "{\"type\":[\"object\",\"null\"],\"additionalProperties\":");
        text_type(printer, field);
        raw(printer, "}");
        break;
    case SHAPE_KIND_MAPPING:
        reference(printer, field->shape);
        break;
    case SHAPE_KIND_LIST:
        raw(printer, "{\"type\":[\"array\",\"null\"],\"items\":");
        reference(printer, field->shape);
        raw(printer, "}");
        break;
    case SHAPE_KIND_MAP:
        raw(printer, "{\"type\":[\"object\",\"null\"],\"additionalProperties\":");
        reference(printer, field->shape);
        raw(printer, "}");
        break;
    case SHAPE_KIND_ANY:
        raw(printer, field->schema ? field->schema : "true");
        break;
    case SHAPE_KIND_END:
    case SHAPE_KIND_SELF:
    case SHAPE_KIND_KEY:
        break;
    }
}

/* A preset as JSON: numbers and booleans bare, the rest as strings. */
static void preset(struct printer *printer, const struct shape_field *field)
{
    key(printer, "default");
    if (field->kind == SHAPE_KIND_INT || field->kind == SHAPE_KIND_BOOL)
        raw(printer, field->preset);
    else
        string(printer, field->preset);
}

static void property(struct printer *printer, const struct shape_field *field)
{
    key(printer, field->name);
    raw(printer, "{\"allOf\":[");
    value(printer, field);
    raw(printer, "]");
    if (field->doc) {
        raw(printer, ",\"description\":");
        string(printer, field->doc);
    }
    if (field->preset) {
        raw(printer, ",");
        preset(printer, field);
    }
    raw(printer, "}");
}

static bool is_key(const struct shape_field *field)
{
    return field->kind != SHAPE_KIND_SELF && field->kind != SHAPE_KIND_KEY;
}

/* The inside of an object's schema. */
static void object(struct printer *printer, const struct shape *shape, bool null_too)
{
    const char *comma = "";
    raw(printer, null_too ? "\"type\":[\"object\",\"null\"],\"description\":"
                          : "\"type\":\"object\",\"description\":");
    string(printer, shape->doc ? shape->doc : "");
    raw(printer, ",\"additionalProperties\":false,\"properties\":{");
    for (const struct shape_field *field = shape->fields; field->kind; field++) {
        if (!is_key(field))
            continue;
        raw(printer, comma);
        property(printer, field);
        comma = ",";
    }
    raw(printer, "},\"required\":[");
    comma = "";
    for (const struct shape_field *field = shape->fields; field->kind; field++) {
        if (!is_key(field) || !field->required)
            continue;
        raw(printer, comma);
        string(printer, field->name);
        comma = ",";
    }
    raw(printer, "]");
}

static bool has_required(const struct shape *shape)
{
    for (const struct shape_field *field = shape->fields; field->kind; field++)
        if (field->required)
            return true;
    return false;
}

void shape_schema_write(struct text *out, const struct shape *shape, const char *id)
{
    struct printer printer = { .out = out };
    raw(&printer, "{\"$schema\":\"https://json-schema.org/draft/2020-12/schema\",\"$id\":");
    string(&printer, id);
    raw(&printer, ",\"title\":");
    string(&printer, shape->name);
    raw(&printer, ",");
    object(&printer, shape, false);
    raw(&printer, ",\"$defs\":{");
    for (int i = 0; i < printer.reached_count; i++) { /* grows while it is walked */
        raw(&printer, i ? "," : "");
        key(&printer, printer.reached[i]->name);
        raw(&printer, "{");
        object(&printer, printer.reached[i], !has_required(printer.reached[i]));
        raw(&printer, "}");
    }
    raw(&printer, "}}\n");
}
