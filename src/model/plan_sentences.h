#pragma once
/* plan_sentences.h - requests as text, for the fuzzer, its corpus and the tests: a method and a target, for
 * writes a body.
 *
 *   GET /orders?select=id,lines(no)&total=gt.5        GET /orders/7?select=id
 *   POST /orders⏎{"total":1}      MERGE, IGNORE (POST with resolution=…)      PATCH, PUT, REPLACE, DELETE
 * /orders/7 */
#include <stdlib.h>

#include "model/plan_fixture.h"

struct sentence {
    const struct resource *resource;
    struct list_query list;
    struct write_query write;
    struct bytes key[URI_SEGMENTS_MAX];
    struct json_doc body;
    bool reads;
};

static const struct {
    const char *method;
    enum operation operation;
    enum upsert_mode upsert;
    bool keyed;
} sentence_methods[] = {
    { "GET", OP_LIST, UPSERT_NONE, false },       { "POST", OP_CREATE, UPSERT_NONE, false },
    { "MERGE", OP_UPSERT, UPSERT_MERGE, false },  { "IGNORE", OP_UPSERT, UPSERT_IGNORE, false },
    { "PATCH", OP_UPDATE, UPSERT_NONE, true },    { "PUT", OP_UPSERT, UPSERT_MERGE, true },
    { "REPLACE", OP_REPLACE, UPSERT_NONE, true }, { "DELETE", OP_DELETE, UPSERT_NONE, true },
};

/* Takes a request apart. False when it is none; nothing is said. */
static bool sentence_read(const struct fixture *shop, struct arena *arena, struct bytes input,
                          struct sentence *sentence)
{
    struct bytes rest = input;
    struct bytes line = bytes_cut(&rest, '\n');
    const struct bytes method = bytes_cut(&line, ' ');
    struct wire_error error;
    struct json_error json_error;
    struct uri uri;
    size_t at = 0;
    *sentence = (struct sentence){ 0 };
    while (at < array_count(sentence_methods) && !bytes_is(method, sentence_methods[at].method))
        at++;
    if (at == array_count(sentence_methods) || !line.data ||
        !fixture_query(shop, arena, line, &sentence->resource, &sentence->list, &error) ||
        !uri_parse(arena, line, &uri, &error))
        return false;
    for (size_t i = 1; i < uri.segments_count; i++)
        sentence->key[i - 1] = uri.segments[i];
    const int key_count = (int)uri.segments_count - 1;
    sentence->write = (struct write_query){
        .operation = sentence_methods[at].operation,
        .upsert = sentence_methods[at].upsert,
        .select = sentence->list.select,
        .return_rows = true,
        .key = key_count ? sentence->key : NULL,
    };
    const struct uri_pair *version = uri_query_get(&uri, "version");
    if (version && sentence_methods[at].keyed) /* it must be a filter too: version=eq.3 */
        sentence->write.expected_version =
            bytes_starts(version->value, BYTES("eq.")) ? bytes_from(version->value, 3) : version->value;
    sentence->reads = sentence->write.operation == OP_LIST;
    if (key_count != 0 && key_count != sentence->resource->key_count)
        return false;
    if (sentence->reads && key_count)
        sentence->write.operation = OP_GET;
    if (sentence_methods[at].keyed != (key_count > 0) && !sentence->reads)
        return false;
    if (sentence->reads || sentence->write.operation == OP_DELETE)
        return true;
    sentence->write.body = &sentence->body;
    return rest.data && json_parse(rest, NULL, arena, &sentence->body, &json_error);
}

/* Its plan, or false with the failure said. */
static bool sentence_plan(const struct sentence *sentence, struct arena *arena,
                          const struct plan_context *context, const struct cursor_box *box,
                          struct plan *ret_plan)
{
    const struct write_query *write = &sentence->write;
    bool impossible;
    switch (write->operation) {
    case OP_LIST:
        return plan_list(arena, sentence->resource, &sentence->list, context, box, ret_plan);
    case OP_GET:
        return plan_get(arena, sentence->resource, write->key, write->select, context, ret_plan, &impossible);
    case OP_DELETE:
        return plan_delete(arena, sentence->resource, write->key, write->expected_version, true,
                           write->select, context, ret_plan);
    default:
        return plan_write(arena, sentence->resource, write, context, ret_plan);
    }
}

/* ---- what holds for every statement ---- */

/* Past a quoted thing, whose quote stands doubled inside; NULL when it is never closed. */
static const char *sentence_unquote(const char *at, const char *end)
{
    const char quote = *at++;
    for (; at < end; at++) {
        if (*at != quote)
            continue;
        if (at + 1 == end || at[1] != quote)
            return at + 1;
        at++;
    }
    return NULL;
}

/* Outside of quotes there are only words of ours: no comment, no second statement, no byte that we never
 * write; brackets close; and the parameters are $1 … $count, each used. What is wrong, or NULL. */
static const char *sentence_wrong(struct bytes sql, int params_count)
{
    static const char ours[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_ .,()[]$:=<>~*@&|!%+-?";
    const char *at = sql.data, *const end = sql.data + sql.size;
    bool used[1024] = { 0 };
    int depth = 0;
    while (at && at < end) {
        if (*at == '"' || *at == '\'') {
            at = sentence_unquote(at, end);
            continue;
        }
        if (!memchr(ours, *at, sizeof ours - 1))
            return "a byte that is not ours";
        if (end - at > 1 && ((at[0] == '-' && at[1] == '-') || (at[0] == '/' && at[1] == '*')))
            return "a comment";
        depth += (*at == '(') - (*at == ')');
        if (depth < 0)
            return "a bracket that nobody opened";
        if (*at == '$') {
            char *after;
            const long number = strtol(at + 1, &after, 10);
            if (number < 1 || number > params_count)
                return "a parameter that is not there";
            if (number < 1024)
                used[number] = true;
            at = after;
            continue;
        }
        at++;
    }
    if (!at)
        return "a quote that is never closed";
    for (int i = 1; i <= params_count && i < 1024; i++)
        if (!used[i])
            return "a parameter that is not used";
    return depth ? "a bracket that is never closed" : NULL;
}
