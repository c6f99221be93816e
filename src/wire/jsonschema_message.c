/* What is said of a failure: where, which rule, and a sentence that follows the field's name. Cold. */
#include "wire/jsonschema_run.h"

#define QUOTED_BYTES_MAX 60u /* of a value or pattern in a message */
#define LISTED_MAX       12u /* values of an enum in a message */

const char *const js_keyword_names[JS_KEYWORDS_COUNT] = {
    "type",
    "enum",
    "const",
    "multipleOf",
    "maximum",
    "exclusiveMaximum",
    "minimum",
    "exclusiveMinimum",
    "maxLength",
    "minLength",
    "pattern",
    "format",
    "maxItems",
    "minItems",
    "uniqueItems",
    "maxContains",
    "minContains",
    "maxProperties",
    "minProperties",
    "required",
    "dependentRequired",
    "prefixItems",
    "items",
    "contains",
    "properties",
    "patternProperties",
    "additionalProperties",
    "propertyNames",
    "dependentSchemas",
    "if",
    "then",
    "else",
    "allOf",
    "anyOf",
    "oneOf",
    "not",
    "unevaluatedItems",
    "unevaluatedProperties",
    "$ref",
    "$dynamicRef",
    "$id",
    "$schema",
    "$anchor",
    "$dynamicAnchor",
    "$vocabulary",
    "$comment",
    "$defs",
    "title",
    "description",
    "default",
    "deprecated",
    "readOnly",
    "writeOnly",
    "examples",
    "contentEncoding",
    "contentMediaType",
    "contentSchema",
    "discriminator",
    "false",
};

static const char *const codes[JS_KEYWORDS_COUNT] = {
    [JS_TYPE] = JSONSCHEMA_ERROR_TYPE,
    [JS_ENUM] = JSONSCHEMA_ERROR_ENUM,
    [JS_DISCRIMINATOR] = JSONSCHEMA_ERROR_ENUM,
    [JS_CONST] = JSONSCHEMA_ERROR_CONST,
    [JS_MULTIPLE_OF] = JSONSCHEMA_ERROR_MULTIPLE,
    [JS_MAXIMUM] = JSONSCHEMA_ERROR_RANGE,
    [JS_EXCLUSIVE_MAXIMUM] = JSONSCHEMA_ERROR_RANGE,
    [JS_MINIMUM] = JSONSCHEMA_ERROR_RANGE,
    [JS_EXCLUSIVE_MINIMUM] = JSONSCHEMA_ERROR_RANGE,
    [JS_MAX_LENGTH] = JSONSCHEMA_ERROR_LONG,
    [JS_MIN_LENGTH] = JSONSCHEMA_ERROR_SHORT,
    [JS_PATTERN] = JSONSCHEMA_ERROR_PATTERN,
    [JS_FORMAT] = JSONSCHEMA_ERROR_FORMAT,
    [JS_MAX_ITEMS] = JSONSCHEMA_ERROR_MANY,
    [JS_MIN_ITEMS] = JSONSCHEMA_ERROR_FEW,
    [JS_UNIQUE_ITEMS] = JSONSCHEMA_ERROR_SAME,
    [JS_CONTAINS] = JSONSCHEMA_ERROR_CONTAINS,
    [JS_MAX_CONTAINS] = JSONSCHEMA_ERROR_CONTAINS,
    [JS_MIN_CONTAINS] = JSONSCHEMA_ERROR_CONTAINS,
    [JS_MAX_PROPERTIES] = JSONSCHEMA_ERROR_MANY,
    [JS_MIN_PROPERTIES] = JSONSCHEMA_ERROR_FEW,
    [JS_REQUIRED] = JSONSCHEMA_ERROR_REQUIRED,
    [JS_DEPENDENT_REQUIRED] = JSONSCHEMA_ERROR_REQUIRED,
    [JS_PROPERTY_NAMES] = JSONSCHEMA_ERROR_NAME,
    [JS_ADDITIONAL_PROPERTIES] = JSONSCHEMA_ERROR_UNKNOWN,
    [JS_UNEVALUATED_PROPERTIES] = JSONSCHEMA_ERROR_UNKNOWN,
    [JS_UNEVALUATED_ITEMS] = JSONSCHEMA_ERROR_MANY,
    [JS_ANY_OF] = JSONSCHEMA_ERROR_UNION,
    [JS_ONE_OF] = JSONSCHEMA_ERROR_UNION,
    [JS_NOT] = JSONSCHEMA_ERROR_NOT,
    [JS_FALSE] = JSONSCHEMA_ERROR_FALSE,
};

/* A failure being put into words. */
struct saying {
    struct js_run *run;
    const struct js_schema *schema;
    const struct json_node *node;
    const struct js_detail *detail;
    struct js_failure *failure;
    struct text out;
};

static void add_param(struct saying *saying, const char *name, struct bytes value)
{
    struct jsonschema_error *error = &saying->failure->error;
    const char *copy = arena_copy(saying->run->arena, value); /* the report may outlive the schema */
    if (copy)
        error->params[error->params_count++] =
            (struct jsonschema_param){ name, (struct bytes){ copy, value.size } };
}

static struct bytes number_text(struct saying *saying, uint64_t value)
{
    return bytes_of(arena_printf(saying->run->arena, "%llu", (unsigned long long)value));
}

/* Cut between characters. */
static void add_quoted(struct saying *saying, struct bytes text)
{
    size_t size = text.size;
    if (size > QUOTED_BYTES_MAX) {
        size = QUOTED_BYTES_MAX;
        while (size > 0 && (text.data[size] & 0xc0) == 0x80)
            size--;
    }
    for (size_t i = 0; i < size; i++)
        text_byte(&saying->out, (unsigned char)text.data[i] < 0x20 ? ' ' : text.data[i]);
    if (size < text.size)
        text_lit(&saying->out, "…");
}

/* The value the schema gives to a keyword. */
static struct bytes keyword_value(const struct saying *saying, enum js_keyword keyword)
{
    const struct json_doc *doc = &saying->schema->document->doc;
    const struct json_node *value = json_get(doc, saying->schema->node, bytes_of(js_keyword_names[keyword]));
    return value ? json_raw(doc, value) : BYTES("?");
}

static void say_limit(struct saying *saying, const char *before, enum js_keyword keyword, const char *after)
{
    const struct bytes limit = keyword_value(saying, keyword);
    text_add_z(&saying->out, before);
    add_quoted(saying, limit);
    text_add_z(&saying->out, after);
    add_param(saying, "limit", limit);
}

/* "at least 3 items", "1 item". */
static void say_count(struct saying *saying, const char *before, enum js_keyword keyword, const char *noun)
{
    const struct bytes limit = keyword_value(saying, keyword);
    text_printf(&saying->out, "%s%.*s %s%s", before, BYTES_ARG(limit), noun,
                bytes_is(limit, "1")                  ? ""
                : bytes_is(bytes_of(noun), "propert") ? "ies"
                                                      : "s");
    if (bytes_is(bytes_of(noun), "propert") && bytes_is(limit, "1"))
        text_lit(&saying->out, "y");
    add_param(saying, "limit", limit);
    if (saying->detail)
        add_param(saying, "count", number_text(saying, saying->detail->count));
}

static const char *const type_words[] = { "null",     "true or false", "a number",
                                          "a string", "an array",      "an object" };

static void say_type(struct saying *saying)
{
    const bool several = saying->detail && saying->detail->types;
    unsigned types = several ? saying->detail->types : saying->schema->types;
    const bool whole = several ? saying->detail->index : saying->schema->integer;
    struct text names;
    text_init(&names, saying->run->arena, 64);
    text_lit(&saying->out, "must be ");
    for (unsigned type = 0; type <= JSON_OBJECT; type++) {
        if (!(types >> type & 1))
            continue;
        types &= ~(1u << type);
        const bool integer = type == JSON_NUMBER && whole;
        if (names.size) {
            text_add_z(&saying->out, types ? ", " : " or ");
            text_lit(&names, ",");
        }
        text_add_z(&saying->out, integer ? "a whole number" : type_words[type]);
        text_add_z(&names, integer ? "integer" : json_type_name((enum json_type)type));
    }
    add_param(saying, "expected", text_bytes(&names));
    add_param(saying, "found", bytes_of(json_type_name(json_type(saying->node))));
}

static void say_values(struct saying *saying, const struct js_values *values)
{
    text_add_z(&saying->out, values->count == 1 ? "must be " : "must be one of ");
    const uint32_t listed = values->count < LISTED_MAX ? values->count : LISTED_MAX;
    for (uint32_t i = 0; i < listed; i++) {
        if (i)
            text_lit(&saying->out, ", ");
        add_quoted(saying, json_raw(values->doc, values->items[i].node));
    }
    if (listed < values->count)
        text_printf(&saying->out, " and %u more", values->count - listed);
}

/* What else the name may have been. */
static void say_unknown(struct saying *saying)
{
    const struct js_object_rules *rules = saying->schema->object;
    const struct json_node *key = json_key(saying->node);
    const struct bytes name =
        key ? json_string(saying->run->doc, key, saying->run->arena) : (struct bytes){ "", 0 };
    struct bytes nearest = { NULL, 0 };
    text_lit(&saying->out, "is no known field here");
    if (rules && name.data) {
        struct bytes *names = ARENA_ARRAY(saying->run->arena, struct bytes, rules->names_count + 1);
        size_t count = 0;
        for (uint32_t i = 0; names && i < rules->names_count; i++)
            if (rules->names[i].declared)
                names[count++] = rules->names[i].text;
        nearest = bytes_nearest(name, names, count);
    }
    if (nearest.size) {
        text_lit(&saying->out, "; did you mean '");
        add_quoted(saying, nearest);
        text_lit(&saying->out, "'?");
        add_param(saying, "nearest", nearest);
    }
}

static void say_pattern(struct saying *saying)
{
    const struct bytes source = saying->schema->string->pattern_source;
    text_lit(&saying->out, "must match ");
    add_quoted(saying, source);
    add_param(saying, "pattern", source);
}

static void say_format(struct saying *saying)
{
    const char *name = saying->schema->string->format_name;
    text_printf(&saying->out, "is no valid %s", name);
    add_param(saying, "format", bytes_of(name));
}

static void say_one_of(struct saying *saying, bool one)
{
    const struct js_detail *detail = saying->detail;
    if (detail->count)
        text_printf(&saying->out, "fits none of the %llu forms that are allowed here",
                    (unsigned long long)detail->count);
    else
        text_printf(&saying->out, "fits the forms %u and %u of the schema; it must fit one only",
                    detail->index + 1, detail->other + 1);
    if (one && !detail->count) {
        add_param(saying, "first", number_text(saying, detail->index));
        add_param(saying, "second", number_text(saying, detail->other));
    }
}

static void say_dependent(struct saying *saying)
{
    const struct bytes cause = saying->schema->object->names[saying->detail->index].text;
    text_lit(&saying->out, "is required when '");
    add_quoted(saying, cause);
    text_lit(&saying->out, "' is given");
    add_param(saying, "with", cause);
}

static void say_counts(struct saying *saying, enum js_keyword keyword)
{
    switch (keyword) {
    case JS_MAX_LENGTH:
        return say_count(saying, "must have at most ", keyword, "character");
    case JS_MIN_LENGTH:
        return say_count(saying, "must have at least ", keyword, "character");
    case JS_MAX_ITEMS:
        return say_count(saying, "must hold at most ", keyword, "item");
    case JS_MIN_ITEMS:
        return say_count(saying, "must hold at least ", keyword, "item");
    case JS_MAX_PROPERTIES:
        return say_count(saying, "must have at most ", keyword, "propert");
    case JS_MIN_PROPERTIES:
        return say_count(saying, "must have at least ", keyword, "propert");
    case JS_MAX_CONTAINS:
        return say_count(saying, "must hold at most ", keyword, "matching item");
    default:
        return say_count(saying, "must hold at least ", keyword, "matching item");
    }
}

static void say_rest(struct saying *saying, enum js_keyword keyword)
{
    switch (keyword) {
    case JS_CONTAINS:
        text_lit(&saying->out, "must hold an item of the kind that is asked for");
        return;
    case JS_UNIQUE_ITEMS:
        text_printf(&saying->out, "holds the same item twice, at %u and %u", saying->detail->index,
                    saying->detail->other);
        add_param(saying, "first", number_text(saying, saying->detail->index));
        add_param(saying, "second", number_text(saying, saying->detail->other));
        return;
    case JS_REQUIRED:
        text_lit(&saying->out, "is required");
        return;
    case JS_DEPENDENT_REQUIRED:
        return say_dependent(saying);
    case JS_PROPERTY_NAMES:
        text_lit(&saying->out, "is a name that no field may have here");
        return;
    case JS_ADDITIONAL_PROPERTIES:
    case JS_UNEVALUATED_PROPERTIES:
        return say_unknown(saying);
    case JS_UNEVALUATED_ITEMS:
        text_lit(&saying->out, "is one item too many");
        return;
    case JS_ANY_OF:
    case JS_ONE_OF:
        return say_one_of(saying, keyword == JS_ONE_OF);
    case JS_NOT:
        text_lit(&saying->out, "is what must not stand here");
        return;
    default:
        text_lit(&saying->out, "must not be given");
    }
}

static void say_keyword(struct saying *saying, enum js_keyword keyword)
{
    switch (keyword) {
    case JS_TYPE:
        return say_type(saying);
    case JS_ENUM:
        return say_values(saying, saying->schema->enumeration);
    case JS_CONST:
        return say_values(saying, saying->schema->constant);
    case JS_DISCRIMINATOR:
        return say_values(saying, saying->detail->values);
    case JS_MULTIPLE_OF:
        return say_limit(saying, "must be a multiple of ", keyword, "");
    case JS_MAXIMUM:
        return say_limit(saying, "must be at most ", keyword, "");
    case JS_EXCLUSIVE_MAXIMUM:
        return say_limit(saying, "must be less than ", keyword, "");
    case JS_MINIMUM:
        return say_limit(saying, "must be at least ", keyword, "");
    case JS_EXCLUSIVE_MINIMUM:
        return say_limit(saying, "must be more than ", keyword, "");
    case JS_PATTERN:
        return say_pattern(saying);
    case JS_FORMAT:
        return say_format(saying);
    case JS_MAX_LENGTH:
    case JS_MIN_LENGTH:
    case JS_MAX_ITEMS:
    case JS_MIN_ITEMS:
    case JS_MAX_PROPERTIES:
    case JS_MIN_PROPERTIES:
    case JS_MAX_CONTAINS:
    case JS_MIN_CONTAINS:
        return say_counts(saying, keyword);
    default:
        return say_rest(saying, keyword);
    }
}

const char *js_pointer_here(struct js_run *run, struct bytes name)
{
    struct text pointer;
    text_init(&pointer, run->arena, 64);
    text_add(&pointer, run->pointer_prefix);
    for (uint32_t i = 0; i < run->level; i++) {
        if (run->path[i].key)
            json_pointer_append(&pointer, json_string(run->doc, run->path[i].key, run->arena));
        else
            json_pointer_append_index(&pointer, run->path[i].index);
    }
    if (name.data)
        json_pointer_append(&pointer, name);
    const char *text = text_z(&pointer);
    return text ? text : "";
}

static const char *schema_pointer(struct js_run *run, const struct js_schema *schema, enum js_keyword keyword)
{
    struct text pointer;
    text_init(&pointer, run->arena, 64);
    json_pointer_to(&pointer, &schema->document->doc, schema->node);
    if (keyword == JS_DISCRIMINATOR ||
        (keyword == JS_REQUIRED && !(schema->object && schema->object->has_required))) {
        /* Said of a union, whose branches ask for it. */
        keyword = schema->in_place && schema->in_place->one_of ? JS_ONE_OF : JS_ANY_OF;
    }
    if (keyword != JS_FALSE)
        json_pointer_append(&pointer, bytes_of(js_keyword_names[keyword]));
    const char *text = text_z(&pointer);
    return text ? text : "";
}

static struct js_failure *failure_new(struct js_run *run)
{
    struct js_report *report = run->report;
    if (report->count == report->max) {
        report->more = true;
        return NULL;
    }
    if (report->count == report->room) {
        const uint32_t room = report->room ? report->room * 2 : 4;
        struct js_failure *failures = arena_grow(run->arena, report->failures,
                                                 report->room * sizeof *failures, room * sizeof *failures);
        if (!failures) {
            js_refuse(run, JSONSCHEMA_REFUSED_MEMORY);
            return NULL;
        }
        report->failures = failures;
        report->room = room;
    }
    return &report->failures[report->count++];
}

bool js_say(struct js_run *run, const struct js_schema *schema, const struct json_node *node,
            enum js_keyword keyword, const struct js_detail *detail)
{
    if (!run->report || run->refusal)
        return false;
    struct js_failure *failure = failure_new(run);
    if (!failure)
        return false;
    const bool names_missing = keyword == JS_REQUIRED || keyword == JS_DEPENDENT_REQUIRED;
    *failure = (struct js_failure){ .node = node, .schema = schema, .level = run->level, .keyword = keyword };
    struct saying saying = { run, schema, node, detail, failure, { 0 } };
    text_init(&saying.out, run->arena, 64);
    say_keyword(&saying, keyword);
    const char *message = text_z(&saying.out);
    struct jsonschema_error *error = &failure->error;
    error->pointer = js_pointer_here(run, names_missing ? detail->name : (struct bytes){ NULL, 0 });
    error->schema_uri = schema->document->is_root ? "" : arena_copy(run->arena, schema->document->uri);
    error->schema_pointer = schema_pointer(run, schema, keyword);
    error->keyword = js_keyword_names[keyword];
    error->code = codes[keyword];
    error->message = message ? message : "";
    if (run->arena->exhausted)
        return js_refuse(run, JSONSCHEMA_REFUSED_MEMORY);
    return true;
}
