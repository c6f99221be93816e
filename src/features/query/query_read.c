/* query_read.c - a file of queries/: its head, and its statements' parameters. Nothing is asked of PostgreSQL
 * here. */
#include "features/query/query.h"
#include "features/query/query_head.h"

#include "wire/sqltemplate.h"

#define DEPTH_PARAM "depth" /* bound by us where the head says `depth:` */

struct reading {
    struct query_set *set;
    const struct resource_source *source;
    const struct head *head;
    const struct sqltemplate *template;
    struct diagnostics *diagnostics;
    struct query *query;
};

static struct source_place place_of(const struct reading *reading)
{
    return reading->head->node ? reading->head->node->place
                               : (struct source_place){ reading->source->file.data, 1, 1 };
}

/* ---- the route ---- */

/* "GET /v1/x" */
static bool route_read(const struct reading *reading)
{
    struct query_set *set = reading->set;
    struct query *query = reading->query;
    struct bytes route = reading->head->route;
    if (!route.size) {
        struct bytes name = bytes_from(reading->source->file, strlen("queries/"));
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
        (void)diagnostics_error(reading->diagnostics, place_of(reading), "route: `%.*s` is no route",
                                BYTES_ARG(reading->head->route));
        diagnostics_fix(reading->diagnostics, "write METHOD /path, for example GET /v1/top_products");
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

/* ---- parameters ---- */

static bool has_param(const struct sqltemplate *template, struct bytes name)
{
    for (int i = 0; i < template->params_count; i++)
        if (bytes_equal(template->params[i], name))
            return true;
    return false;
}

static void param_declared(struct query_param *param, const struct head_param *declared)
{
    param->preset = declared->preset.size ? declared->preset : (struct bytes){ NULL, 0 };
    param->required = declared->required && !param->preset.data;
    param->description = declared->description;
    param->place_of = declared->node->place;
    param->min = declared->min;
    param->max = declared->max;
    param->pattern_text = declared->pattern;
    param->length_min = declared->length_min;
    param->length_max = declared->length_max;
    param->choices = declared->choices;
    param->schema_node = declared->schema;
}

static void param_make(const struct reading *reading, struct bytes name, struct query_param *param)
{
    const struct query *query = reading->query;
    const struct head *head = reading->head;
    const bool body = query->method == HTTP_POST || query->method == HTTP_PUT || query->method == HTTP_PATCH;
    *param = (struct query_param){ .name = name,
                                   .place = body ? PLACE_BODY : PLACE_QUERY,
                                   .required = true,
                                   .place_of = place_of(reading) };
    if (in_pattern(query->pattern, name))
        param->place = PLACE_PATH;
    if (head->depth && bytes_is(name, DEPTH_PARAM))
        param->place = PLACE_OWN;
    const struct head_param *items = head->params.items;
    for (int i = 0; i < head->params.count; i++)
        if (bytes_equal(items[i].name, name))
            param_declared(param, &items[i]);
}

/* What the head or the path names must be in the statements. */
static void params_compare(const struct reading *reading)
{
    const struct head *head = reading->head;
    const struct sqltemplate *template = reading->template;
    struct diagnostics *diagnostics = reading->diagnostics;
    const struct head_param *items = head->params.items;
    for (int i = 0; i < head->params.count; i++) {
        if (has_param(template, items[i].name))
            continue;
        (void)diagnostics_error(diagnostics, items[i].node->place, "the statement has no parameter :%.*s",
                                BYTES_ARG(items[i].name));
        const struct bytes near =
            bytes_nearest(items[i].name, template->params, (size_t) template->params_count);
        if (near.size)
            diagnostics_fix(diagnostics, "did you mean `%.*s`?", BYTES_ARG(near));
    }
    for (const char *at = strchr(reading->query->pattern, '{'); at; at = strchr(at + 1, '{')) {
        const struct bytes name = { at + 1, strcspn(at + 1, "}") };
        if (!has_param(template, name))
            (void)diagnostics_error(diagnostics, place_of(reading),
                                    "route: the statement has no parameter :%.*s", BYTES_ARG(name));
    }
    if (head->depth && !has_param(template, BYTES(DEPTH_PARAM))) {
        (void)diagnostics_error(diagnostics, place_of(reading),
                                "depth: no statement has the parameter :depth");
        diagnostics_fix(diagnostics, "bound the recursive part by it: where t.depth < :depth");
    }
}

static bool params_make(const struct reading *reading)
{
    struct query *query = reading->query;
    const struct sqltemplate *template = reading->template;
    const int errors = reading->diagnostics->errors_total;
    params_compare(reading);
    query->params =
        ARENA_ARRAY(&reading->set->arena, struct query_param, (size_t) template->params_count + 1);
    query->params_count = template->params_count;
    for (int i = 0; query->params && i < template->params_count; i++) {
        param_make(reading, template->params[i], &query->params[i]);
        if (query->page.asked && query->params[i].place == PLACE_QUERY &&
            query_is_own_name(query, query->params[i].name))
            (void)diagnostics_error(reading->diagnostics, query->page.place,
                                    "page: :%.*s is the name of a page's own parameter",
                                    BYTES_ARG(query->params[i].name));
    }
    return query->params && reading->diagnostics->errors_total == errors;
}

bool query_is_own_name(const struct query *query, struct bytes name)
{
    return query->page.asked &&
           (bytes_is(name, "limit") || bytes_is(name, "after") || bytes_is(name, "before"));
}

/* ---- statements ---- */

/* The transaction is ours: a script that ended it would leave the rest outside. */
static bool ends_transaction(struct bytes sql)
{
    static const char *const words[] = { "begin",  "start",     "commit",  "end",       "rollback",
                                         "abort",  "savepoint", "release", "prepare",   "copy",
                                         "listen", "unlisten",  "discard", "deallocate" };
    size_t size = 0;
    while (size < sql.size && ((sql.data[size] | 32) >= 'a' && (sql.data[size] | 32) <= 'z'))
        size++;
    for (size_t i = 0; i < array_count(words); i++)
        if (bytes_is_nocase(bytes_first(sql, size), words[i]))
            return true;
    return false;
}

/* The first statement with its locking clause. */
static bool lock_make(const struct reading *reading)
{
    struct query *query = reading->query;
    struct query_statement *first = &query->statements[0];
    const struct yaml_node *node = reading->head->node ? yaml_get(reading->head->node, "lock") : NULL;
    const struct query_locking locking = { .lock = reading->head->lock,
                                           .first = first->sql,
                                           .read_only = query->method == HTTP_GET,
                                           .diagnostics = reading->diagnostics,
                                           .place = node ? node->place : place_of(reading) };
    if (!query_lock_judge(&locking))
        return false;
    query->locks = locking.lock != 0;
    if (!query->locks)
        return true;
    struct text sql;
    text_init(&sql, &reading->set->arena, first->sql.size + 64);
    text_add(&sql, first->sql);
    const bool written = query_lock_write(&sql, locking.lock);
    first->sql = text_bytes(&sql);
    return written;
}

void query_place_advance(struct source_place *place, struct bytes text)
{
    for (size_t i = 0; i < text.size; i++) {
        if (text.data[i] == '\n') {
            place->line++;
            place->column = 1;
        } else if (((unsigned char)text.data[i] & 0xc0) != 0x80) {
            place->column++;
        }
    }
}

static void statement_place(const struct reading *reading, const struct sqltemplate_statement *from,
                            struct query_statement *statement)
{
    size_t at = from->offset;
    const struct bytes text = reading->source->text;
    while (at < text.size && strchr(" \t\r\n", text.data[at]))
        at++;
    statement->place = (struct source_place){ reading->source->file.data, 1, 1 };
    query_place_advance(&statement->place, bytes_first(text, at));
    statement->text = bytes_from(text, at);
}

static bool statements_make(const struct reading *reading)
{
    struct query *query = reading->query;
    const struct sqltemplate *template = reading->template;
    query->statements_count = template->statements_count;
    query->statements =
        ARENA_ARRAY(&reading->set->arena, struct query_statement, (size_t) template->statements_count);
    for (int i = 0; query->statements && i < template->statements_count; i++) {
        const struct sqltemplate_statement *from = &template->statements[i];
        query->statements[i] = (struct query_statement){ .sql = from->sql,
                                                         .params = from->params,
                                                         .params_count = from->params_count };
        statement_place(reading, from, &query->statements[i]);
        query->own_session |= query_marks_session(from->sql);
        if (ends_transaction(from->sql))
            return diagnostics_error(reading->diagnostics, place_of(reading),
                                     "statement %d: transactions and COPY are not a query's business: all "
                                     "statements of a file are one transaction",
                                     i + 1);
    }
    return query->statements && lock_make(reading);
}

/* ---- the head ---- */

/* The head as the eye sees it: behind as many spaces as stand before it, so that its first key and those of
 * the next lines are in one column, and places are the file's own. */
static bool head_parse(const struct reading *reading, struct yaml_node **ret_root)
{
    const struct sqltemplate *template = reading->template;
    *ret_root = NULL;
    if (!template->head.size)
        return true;
    struct text text;
    text_init(&text, &reading->set->arena, template->head.size + template->head_column);
    for (uint32_t i = 1; i < template->head_column; i++)
        text_byte(&text, ' ');
    text_add(&text, template->head);
    const struct yaml_source yaml = { .file = reading->source->file.data,
                                      .text = text_bytes(&text),
                                      .line_offset = template->head_line - 1 };
    return text_ok(&text) && yaml_parse(&reading->set->arena, &yaml, reading->diagnostics, ret_root);
}

static bool header_value_sound(struct bytes value)
{
    for (size_t i = 0; i < value.size; i++)
        if (value.data[i] < ' ' || value.data[i] > '~')
            return false;
    return true;
}

static struct bytes word_next(struct bytes *rest)
{
    *rest = bytes_trim(*rest);
    return rest->size ? bytes_cut(rest, ' ') : (struct bytes){ NULL, 0 };
}

bool query_page_key_read(struct bytes text, struct bytes *ret_name, struct page_key *ret_key)
{
    struct page_key key = { .column = -1, .nullable = true };
    struct bytes rest = text;
    *ret_name = word_next(&rest);
    bool said = false;
    for (struct bytes word; (word = word_next(&rest)).size;) {
        if (bytes_is_nocase(word, "desc"))
            key.descending = true;
        else if (bytes_is_nocase(word, "not") && bytes_is_nocase(word_next(&rest), "null"))
            key.nullable = false;
        else if (bytes_is_nocase(word, "nulls")) {
            word = word_next(&rest);
            if (!bytes_is_nocase(word, "first") && !bytes_is_nocase(word, "last"))
                return false;
            said = true;
            key.nulls_first = bytes_is_nocase(word, "first");
        } else if (!bytes_is_nocase(word, "asc"))
            return false;
    }
    if (!said)
        key.nulls_first = key.descending; /* PostgreSQL's */
    *ret_key = key;
    return ret_name->size > 0;
}

/* Keys that cannot stand together. */
static bool head_judge(const struct reading *reading)
{
    const struct head *head = reading->head;
    struct diagnostics *diagnostics = reading->diagnostics;
    const struct query *query = reading->query;
    const struct source_place place = place_of(reading);
    const int errors = diagnostics->errors_total;
    const bool many = query->result == RESULT_MANY && query->method == HTTP_GET;
    if (head->page.node && !many)
        (void)diagnostics_error(diagnostics, place, "page: only a GET of many rows has pages");
    if (head->page.node && head->stream)
        (void)diagnostics_error(diagnostics, place, "page and stream exclude each other");
    if (head->page.node && head->page.limit > head->page.max)
        (void)diagnostics_error(diagnostics, head->page.node->place, "page: limit is more than max");
    if (head->page.by.count > PAGE_KEYS_MAX)
        (void)diagnostics_error(diagnostics, head->page.node->place, "page: more than %d columns",
                                PAGE_KEYS_MAX);
    if (head->stream && (query->statements_count > 1 || !many))
        (void)diagnostics_error(diagnostics, place,
                                "stream: only a GET of many rows by one statement streams");
    if (head->cache_control.size && query->method != HTTP_GET)
        (void)diagnostics_error(diagnostics, place, "cache_control: only answers to GET are kept");
    if (!header_value_sound(head->cache_control))
        (void)diagnostics_error(diagnostics, place, "cache_control: only visible ASCII");
    if (head->depth && query->result != RESULT_MANY)
        (void)diagnostics_error(diagnostics, place, "depth: only many rows have a depth");
    return diagnostics->errors_total == errors;
}

/* Open to nobody, or too open. */
static bool access_judge(const struct reading *reading)
{
    struct diagnostics *diagnostics = reading->diagnostics;
    const struct query *query = reading->query;
    if (query->method == HTTP_GET || reading->set->room->kit->loopback)
        return true;
    (void)diagnostics_error(diagnostics, place_of(reading), "everybody could write through %s",
                            query->pattern);
    diagnostics_fix(diagnostics, "until authentication is configured, listen on 127.0.0.1");
    return false;
}

static void head_take(const struct reading *reading)
{
    const struct head *head = reading->head;
    struct query *query = reading->query;
    query->file = reading->source->file.data;
    query->head = place_of(reading);
    query->result = (enum query_result)head->result;
    query->stream = head->stream;
    query->timeout_ns = head->timeout_ns;
    query->concurrent_max = head->limits.concurrent;
    query->priority = head->priority;
    query->summary = head->summary;
    query->description = head->description;
    query->cache_control = head->cache_control;
    query->requires = head->requires;
    query->body_node = reading->head->schema;
    query->rules_declared = reading->head->rules;
    query->fallback_name = head->fallback;
    query->depth_max = head->depth;
    query->depth_name = head->depth_column;
    query->closed = head->access == HEAD_CLOSED;
    query->page = (struct query_paging){ .asked = head->page.node != NULL,
                                         .unique = head->page.unique,
                                         .by = head->page.by,
                                         .limit = head->page.limit,
                                         .max = head->page.max,
                                         .place = head->page.node ? head->page.node->place : query->head };
}

static bool parse_failed(const struct resource_source *source, struct diagnostics *diagnostics,
                         const struct wire_error *error)
{
    uint32_t line = 1;
    for (size_t i = 0; i < error->offset && i < source->text.size; i++)
        line += source->text.data[i] == '\n';
    return diagnostics_error(diagnostics, (struct source_place){ source->file.data, line, 1 }, "%s",
                             error->message);
}

bool query_read(struct query_set *set, const struct resource_source *source, const struct query *instead_of,
                struct diagnostics *diagnostics, struct query *ret_query)
{
    struct sqltemplate template;
    struct wire_error error;
    struct head head;
    struct yaml_node *root = NULL;
    struct query query = { 0 };
    const struct reading reading = { set, source, &head, &template, diagnostics, &query };
    if (!sqltemplate_parse(&set->arena, source->text, &template, &error))
        return parse_failed(source, diagnostics, &error);
    if (!head_parse(&reading, &root) ||
        !shape_decode(&set->arena, &query_head_shape, root, &head, diagnostics))
        return false;
    head_take(&reading);
    if (instead_of) {
        query.method = instead_of->method;
        query.pattern = instead_of->pattern;
        query.closed = false;
    } else if (!route_read(&reading)) {
        return false;
    }
    if (!statements_make(&reading) || !head_judge(&reading) || !params_make(&reading) ||
        (!query.closed && !access_judge(&reading)))
        return false;
    *ret_query = query;
    return true;
}
