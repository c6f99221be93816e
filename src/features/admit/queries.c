/* queries.c - `lintel ctl queries`: what is in flight, by route. */
#include "base/text.h"
#include "features/admit/admit.h"
#include "fiber/fiber.h"
#include "kit/here.h"
#include "wire/json.h"
#include "wire/json_write.h"

#define SQL_SHOWN_BYTES 200

static void separate(struct text *text)
{
    if (text_bytes(text).size)
        text_byte(text, ',');
}

static void write_who(struct text *text, const struct log_context *who)
{
    text_lit(text, ",\"route\":");
    if (who && who->route)
        json_write_string(text, bytes_of(who->route));
    else
        json_write_null(text);
    text_lit(text, ",\"correlation_id\":");
    if (who && who->correlation_id)
        json_write_string(text, bytes_of(who->correlation_id));
    else
        json_write_null(text);
}

static void write_request(void *arg, const char *name, const char *wait, const struct log_context *who,
                          int64_t age_ns)
{
    struct text *text = arg;
    if (strcmp(name, "request") != 0 || !who->route)
        return;
    separate(text);
    text_printf(text, "{\"core\":%d,\"waits_for\":\"%s\",\"age_ms\":%.1f", core_index(core_here()),
                wait ? wait : "nothing", (double)age_ns / 1e6);
    write_who(text, who);
    text_byte(text, '}');
}

static void write_requests(struct text *text)
{
    fiber_each(write_request, text);
}

/* The beginning of a statement: whole characters, one line. The fingerprint is of all of it. */
static void write_sql(struct text *text, struct bytes sql)
{
    char shown[SQL_SHOWN_BYTES];
    size_t size = 0;
    for (size_t i = 0; i < sql.size && size < sizeof shown; i++) {
        const bool space =
            sql.data[i] == ' ' || sql.data[i] == '\n' || sql.data[i] == '\t' || sql.data[i] == '\r';
        if (!space)
            shown[size++] = sql.data[i];
        else if (size && shown[size - 1] != ' ')
            shown[size++] = ' ';
    }
    struct bytes start = { shown, size };
    for (int i = 0; i < 4 && start.size && !bytes_is_utf8(start); i++)
        start.size--;
    text_lit(text, ",\"sql\":");
    json_write_string(text, start);
    text_printf(text, ",\"fingerprint\":\"%016llx\"", (unsigned long long)bytes_hash(sql));
}

static void write_query(void *arg, const struct pg_running *running)
{
    struct text *text = arg;
    separate(text);
    text_printf(
        text,
        "{\"core\":%d,\"connection\":\"%s\",\"state\":\"%s\",\"backend\":%d,\"behind\":%d,\"age_ms\":%.1f",
        core_index(core_here()), running->kind, running->state, running->backend, running->behind,
        (double)running->age_ns / 1e6);
    write_who(text, running->who);
    write_sql(text, running->sql);
    text_byte(text, '}');
}

static void write_queries(struct text *text)
{
    if (kit_here.pool)
        pg_pool_each(kit_here.pool, write_query, text);
}

bool admit_ctl_queries(void *room, int argc, const char *const *argv, struct text *answer)
{
    const struct admit_room *admit = room;
    (void)argv;
    if (argc != 1)
        return fail(&PROBLEM_CONFIG, "usage: queries");
    text_lit(answer, "{\"requests\":[");
    if (!admit_each_core(admit->kit, write_requests, answer))
        return false;
    text_lit(answer, "],\"queries\":[");
    if (!admit_each_core(admit->kit, write_queries, answer))
        return false;
    text_lit(answer, "]}");
    return true;
}

/* ---- for people ---- */

static struct bytes member(const struct json_doc *doc, const struct json_node *object, const char *name,
                           struct arena *arena)
{
    const struct json_node *node = json_get(doc, object, bytes_of(name));
    if (!node || json_is_null(node))
        return BYTES("-");
    return json_type(node) == JSON_STRING ? json_string(doc, node, arena) : json_raw(doc, node);
}

static void show_list(const struct json_doc *doc, const char *list, const char *const *columns, FILE *file,
                      struct arena *arena)
{
    const struct json_node *rows = json_get(doc, json_root(doc), bytes_of(list));
    fprintf(file, "%s: %u\n", list, rows ? json_count(rows) : 0);
    for (const struct json_node *row = rows ? json_first(rows) : NULL; row; row = json_next(row)) {
        for (int i = 0; columns[i]; i++)
            fprintf(file, "  %s %.*s", columns[i], BYTES_ARG(member(doc, row, columns[i], arena)));
        fputc('\n', file);
    }
}

void admit_ctl_queries_show(struct bytes answer, FILE *file)
{
    static const char *const of_requests[] = {
        "route", "age_ms", "waits_for", "core", "correlation_id", NULL
    };
    static const char *const of_queries[] = { "route",   "age_ms",      "connection", "state",
                                              "backend", "fingerprint", "sql",        NULL };
    struct arena arena;
    struct json_doc doc;
    struct json_error error;
    arena_init(&arena, 64 << 20);
    if (json_parse(answer, NULL, &arena, &doc, &error)) {
        show_list(&doc, "requests", of_requests, file, &arena);
        show_list(&doc, "queries", of_queries, file, &arena);
    }
    arena_done(&arena);
}
