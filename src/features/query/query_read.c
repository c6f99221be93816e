/* query_read.c - a file of queries/: its head, checked by a table, and its parameters. */
#include "features/query/query.h"

#include "base/clock.h"
#include "wire/shape.h"
#include "wire/sqltemplate.h"

struct head_param {
    struct bytes name, preset, description;
    bool required;
    const struct yaml_node *node;
};
static const struct shape_field head_param_fields[] = {
    SHAPE_SELF(struct head_param, node),
    SHAPE_KEY(struct head_param, name),
    { .name = "default",
      .kind = SHAPE_KIND_TEXT,
      .offset = offsetof(struct head_param, preset),
      .doc = "Taken when the request leaves it out, as a URL would say it." },
    SHAPE_TEXT(struct head_param, description, .doc = "For the documentation."),
    SHAPE_BOOL(struct head_param, required, .preset = "true",
               .doc = "Without it and without a default, leaving it out means NULL."),
    { 0 }
};
static const struct shape head_param_shape = { "query parameter", "A parameter of a query.",
                                               sizeof(struct head_param), head_param_fields };

static const char *const results[] = { "many", "one", "scalar", "none", NULL };
static const char *const accesses[] = { "closed", "public", NULL };

struct head {
    const struct yaml_node *node;
    struct bytes route, summary, description;
    int access, result;
    bool stream;
    int64_t timeout_ns;
    struct shape_list params;
};
static const struct shape_field head_fields[] = {
    SHAPE_SELF(struct head, node),
    SHAPE_TEXT(struct head, route,
               .doc = "METHOD /path; {names} in the path are parameters. Preset: GET /v1/<file name>."),
    SHAPE_CHOICE(struct head, access, .choices = accesses, .preset = "closed",
                 .doc = "public: everybody who reaches the listener. Without it the route is closed."),
    SHAPE_CHOICE(struct head, result, .choices = results, .preset = "many",
                 .doc = "many rows, one row (404 without), scalar (one value), none (204)."),
    SHAPE_BOOL(struct head, stream, .preset = "false",
               .doc = "Rows go out as they come in, without a limit on their number."),
    SHAPE_TEXT(struct head, summary, .doc = "A line for the documentation."),
    SHAPE_TEXT(struct head, description, .doc = "More of it."),
    { .name = "timeout",
      .kind = SHAPE_KIND_DURATION,
      .offset = offsetof(struct head, timeout_ns),
      .max = 3600 * NS_PER_S,
      .doc = "The request's deadline; preset: the server's." },
    SHAPE_MAP(struct head, params, .shape = &head_param_shape,
              .doc = "What Describe can't say of the :named parameters."),
    { 0 }
};
static const struct shape head_shape = { "query", "The head of a file of queries/.", sizeof(struct head),
                                         head_fields };

static struct source_place place_of(const struct resource_source *source, const struct head *head)
{
    return head->node ? head->node->place : (struct source_place){ source->file.data, 1, 1 };
}

/* "GET /v1/x" */
static bool route_read(struct query_set *set, const struct resource_source *source, const struct head *head,
                       struct diagnostics *diagnostics, struct query *query)
{
    struct bytes route = head->route;
    if (!route.size) {
        struct bytes name = bytes_from(source->file, strlen("queries/"));
        name.size -= strlen(".sql");
        query->method = HTTP_GET;
        query->pattern = arena_printf(&set->arena, "/v1/%.*s", BYTES_ARG(name));
        return query->pattern != NULL;
    }
    const struct bytes method = bytes_cut(&route, ' ');
    const struct bytes path = bytes_trim(route);
    int found = -1;
    for (int i = 0; i < HTTP_METHODS; i++)
        if (bytes_is(method, http_method_names[i]) && i != HTTP_HEAD && i != HTTP_OPTIONS)
            found = i;
    if (found < 0 || !path.size || path.data[0] != '/') {
        (void)diagnostics_error(diagnostics, place_of(source, head), "route: `%.*s` is no route",
                                BYTES_ARG(head->route));
        diagnostics_fix(diagnostics, "write METHOD /path, for example GET /v1/top_products");
        return false;
    }
    query->method = (enum http_method)found;
    query->pattern = arena_copy(&set->arena, path);
    return query->pattern != NULL;
}

static bool in_pattern(const char *pattern, struct bytes name)
{
    for (const char *at = strchr(pattern, '{'); at; at = strchr(at + 1, '{'))
        if (strncmp(at + 1, name.data, name.size) == 0 && at[1 + name.size] == '}')
            return true;
    return false;
}

static bool has_param(const struct sqltemplate *template, struct bytes name)
{
    for (int i = 0; i < template->params_count; i++)
        if (bytes_equal(template->params[i], name))
            return true;
    return false;
}

static void param_make(const struct query *query, const struct head *head, struct bytes name,
                       struct query_param *param)
{
    const bool body = query->method == HTTP_POST || query->method == HTTP_PUT || query->method == HTTP_PATCH;
    *param = (struct query_param){ .name = name, .place = body ? PLACE_BODY : PLACE_QUERY, .required = true };
    if (in_pattern(query->pattern, name))
        param->place = PLACE_PATH;
    const struct head_param *items = head->params.items;
    for (int i = 0; i < head->params.count; i++) {
        if (!bytes_equal(items[i].name, name))
            continue;
        param->preset = items[i].preset.size ? items[i].preset : (struct bytes){ NULL, 0 };
        param->required = items[i].required && !param->preset.data;
        param->description = items[i].description;
    }
}

static bool params_make(struct query_set *set, const struct resource_source *source, const struct head *head,
                        const struct sqltemplate *template, struct diagnostics *diagnostics,
                        struct query *query)
{
    const int errors = diagnostics->errors_total;
    const struct head_param *items = head->params.items;
    for (int i = 0; i < head->params.count; i++)
        if (!has_param(template, items[i].name)) {
            (void)diagnostics_error(diagnostics, items[i].node->place, "the statement has no parameter :%.*s",
                                    BYTES_ARG(items[i].name));
            const struct bytes near =
                bytes_nearest(items[i].name, template->params, (size_t) template->params_count);
            if (near.size)
                diagnostics_fix(diagnostics, "did you mean `%.*s`?", BYTES_ARG(near));
        }
    query->params = ARENA_ARRAY(&set->arena, struct query_param, (size_t) template->params_count + 1);
    query->params_count = template->params_count;
    for (int i = 0; query->params && i < template->params_count; i++)
        param_make(query, head, template->params[i], &query->params[i]);
    for (const char *at = strchr(query->pattern, '{'); at; at = strchr(at + 1, '{')) {
        const struct bytes name = { at + 1, strcspn(at + 1, "}") };
        if (!has_param(template, name))
            (void)diagnostics_error(diagnostics, place_of(source, head),
                                    "route: the statement has no parameter :%.*s", BYTES_ARG(name));
    }
    return query->params && diagnostics->errors_total == errors;
}

static struct bytes text_copy(struct query_set *set, struct bytes text)
{
    const char *copy = arena_copy(&set->arena, text);
    return copy ? (struct bytes){ copy, text.size } : (struct bytes){ "", 0 };
}

/* The head as the eye sees it: behind as many spaces as stand before it, so that its first key and those of
 * the next lines are in one column, and places are the file's own. */
static bool head_parse(struct query_set *set, const struct resource_source *source,
                       const struct sqltemplate *template, struct diagnostics *diagnostics,
                       struct yaml_node **ret_root)
{
    *ret_root = NULL;
    if (!template->head.size)
        return true;
    struct text text;
    text_init(&text, &set->arena, template->head.size + template->head_column);
    for (uint32_t i = 1; i < template->head_column; i++)
        text_byte(&text, ' ');
    text_add(&text, template->head);
    const struct yaml_source yaml = { .file = source->file.data,
                                      .text = text_bytes(&text),
                                      .line_offset = template->head_line - 1 };
    return text_ok(&text) && yaml_parse(&set->arena, &yaml, diagnostics, ret_root);
}

bool query_read(struct query_set *set, const struct resource_source *source, struct diagnostics *diagnostics,
                struct query *ret_query)
{
    struct sqltemplate template;
    struct wire_error error;
    struct head head;
    struct yaml_node *root = NULL;
    if (!sqltemplate_parse(&set->arena, source->text, &template, &error)) {
        uint32_t line = 1;
        for (size_t i = 0; i < error.offset && i < source->text.size; i++)
            line += source->text.data[i] == '\n';
        return diagnostics_error(diagnostics, (struct source_place){ source->file.data, line, 1 }, "%s",
                                 error.message);
    }
    if (!head_parse(set, source, &template, diagnostics, &root) ||
        !shape_decode(&set->arena, &head_shape, root, &head, diagnostics))
        return false;
    struct query query = { .file = source->file.data,
                           .result = (enum query_result)head.result,
                           .stream = head.stream,
                           .timeout_ns = head.timeout_ns,
                           .summary = text_copy(set, head.summary),
                           .description = text_copy(set, head.description),
                           .sql = template.sql };
    if (head.access == 0) {
        diagnostics_warning(diagnostics, place_of(source, &head), "closed: nobody may call it");
        diagnostics_fix(diagnostics, "`access: public` opens it to everybody who reaches the listener");
        return false;
    }
    if (!route_read(set, source, &head, diagnostics, &query) ||
        !params_make(set, source, &head, &template, diagnostics, &query))
        return false;
    if (query.method != HTTP_GET && !set->room->kit->loopback) {
        (void)diagnostics_error(diagnostics, place_of(source, &head), "everybody could write through %s",
                                query.pattern);
        diagnostics_fix(diagnostics, "until authentication is configured, listen on 127.0.0.1");
        return false;
    }
    *ret_query = query;
    return true;
}
