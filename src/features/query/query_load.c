/* query_load.c - every file of queries/, read and typed, for one snapshot; which of them stand in for which.
 */
#include "features/query/query.h"

#include <stdlib.h>

#include "wire/sqlcte.h"
#include "wire/sqltemplate.h"

struct loading {
    struct query_set *set;
    const struct load *load;
    struct resource_source *sources;
    int count;
};

static const struct resource_source *source_of(const struct loading *loading, struct bytes name)
{
    for (int i = 0; i < loading->count; i++) {
        struct bytes file = bytes_from(loading->sources[i].file, strlen("queries/"));
        file.size -= strlen(".sql");
        if (bytes_equal(file, name))
            return &loading->sources[i];
    }
    return NULL;
}

/* A closed file that another names is not forgotten: it is served there. */
static bool is_fallback(const struct query *queries, int count, const char *file)
{
    for (int i = 0; i < count; i++) {
        const struct bytes name = queries[i].fallback_name;
        if (name.size && strncmp(file + strlen("queries/"), name.data, name.size) == 0 &&
            strcmp(file + strlen("queries/") + name.size, ".sql") == 0)
            return true;
    }
    return false;
}

static bool read_all(const struct loading *loading, struct query *ret_queries, int *ret_count)
{
    struct diagnostics *diagnostics = loading->load->diagnostics;
    for (int i = 0; i < loading->count; i++) {
        struct query *query = &ret_queries[*ret_count];
        loading->sources[i].file =
            bytes_of(arena_copy(loading->load->arena, loading->sources[i].file)); /* diagnostics borrow it */
        if (query_read(loading->set, &loading->sources[i], NULL, diagnostics, query))
            (*ret_count)++;
    }
    for (int i = 0; i < *ret_count; i++) {
        if (!ret_queries[i].closed || is_fallback(ret_queries, *ret_count, ret_queries[i].file))
            continue;
        diagnostics_warning(diagnostics, ret_queries[i].head, "closed: nobody may call it");
        diagnostics_fix(diagnostics, "`access: public` opens it to everybody who reaches the listener");
    }
    return !loading->set->arena.exhausted ||
           fail(&PROBLEM_TOO_LARGE, "the queries need more memory than they may use");
}

static bool is_usable(const struct query *query)
{
    return query->lacks || query->typed;
}

/* Only a statement with a WITH that is read whole: a stream is not kept to be compared, a script stages. */
static void watch_begin(const struct loading *loading, struct query *query)
{
    struct query_set *set = loading->set;
    struct sqlcte ctes[SQLCTE_MAX];
    if (set->room->conf->recurring_every == 0 || query->method != HTTP_GET || query->stream ||
        query->statements_count != 1 || query->result == RESULT_NONE || !query->typed || query->lacks ||
        sqlcte_find(query->written, ctes) == 0)
        return;
    const struct query_statement *statement = &query->statements[0];
    struct recur_param params[SQLTEMPLATE_PARAMS_MAX];
    for (int i = 0; i < statement->params_count; i++) {
        const struct query_param *param = &query->params[statement->params[i]];
        params[i] = param->place == PLACE_OWN
                        ? (struct recur_param){ param->name, query->depth_max + 1, true }
                        : (struct recur_param){ param->name, 0, false };
    }
    char route[256];
    snprintf(route, sizeof route, "GET %s", query->pattern);
    query->watch = recur_watch_of(&set->room->recur,
                                  &(struct recur_subject){ .route = bytes_of(route),
                                                           .file = bytes_of(query->file),
                                                           .sql = query->written,
                                                           .params = params,
                                                           .params_count = statement->params_count,
                                                           .paged = query->page.asked },
                                  metric_cells);
}

/* Read again as if it had this route, typed, and kept beside it: it serves when the first can't. */
static WAITS bool fallback_make(const struct loading *loading, struct query *query)
{
    struct diagnostics *diagnostics = loading->load->diagnostics;
    const struct resource_source *source = source_of(loading, query->fallback_name);
    struct query *fallback = ARENA_NEW(&loading->set->arena, struct query);
    if (!query->fallback_name.size || !fallback)
        return !query->fallback_name.size;
    if (!source || strcmp(source->file.data, query->file) == 0) {
        (void)diagnostics_error(diagnostics, query->head, "fallback: there is no other file queries/%.*s.sql",
                                BYTES_ARG(query->fallback_name));
        return true;
    }
    if (!query_read(loading->set, source, query, diagnostics, fallback))
        return true;
    if (fallback->fallback_name.size) {
        (void)diagnostics_error(diagnostics, query->head, "fallback: %s has one itself: one step is all",
                                fallback->file);
        return true;
    }
    fallback->encoding = &loading->load->set->encoding;
    fallback->set = loading->load->set;
    if (!query_type(loading->set, fallback, loading->load))
        return false;
    if (fallback->typed && !fallback->lacks)
        query->fallback = fallback;
    if (query->fallback && is_usable(query))
        watch_begin(loading, fallback);
    return true;
}

/* Paths are few and names many: one that is taken closes this file alone. */
static bool claim(const struct loading *loading, const struct query *query)
{
    const struct route route = { .method = query->method, .pattern = query->pattern, .run = query_run };
    if (router_add(loading->load->claimed, &route))
        return true;
    (void)diagnostics_error(loading->load->diagnostics, query->head, "%s", failure_here->message);
    failure_clear();
    return false;
}

static WAITS bool type_all(const struct loading *loading, struct query *queries, int count)
{
    struct query_set *set = loading->set;
    for (int i = 0; i < count; i++) {
        if (queries[i].closed || !claim(loading, &queries[i]))
            continue;
        queries[i].encoding = &loading->load->set->encoding;
        queries[i].set = loading->load->set;
        if (!query_type(set, &queries[i], loading->load) || !fallback_make(loading, &queries[i]))
            return false;
        watch_begin(loading, &queries[i]);
        if (is_usable(&queries[i]))
            set->queries[set->count++] = queries[i];
    }
    return true;
}

bool query_set_load(void *room, const struct load *load, void **ret_loaded)
{
    struct query_set *set = calloc(1, sizeof *set);
    check(set != NULL);
    arena_init(&set->arena, 256 << 20);
    set->room = room;
    set->set = resource_set_ref(load->set);
    struct loading loading = { .set = set, .load = load };
    int count = 0;
    bool loaded =
        load->read_files(&set->arena, load->folder, "queries", ".sql", &loading.sources, &loading.count);
    struct query *queries = ARENA_ARRAY(&set->arena, struct query, (size_t)loading.count + 1);
    set->queries = ARENA_ARRAY(&set->arena, struct query, (size_t)loading.count + 1);
    loaded = loaded && queries && set->queries && read_all(&loading, queries, &count) &&
             type_all(&loading, queries, count);
    if (loaded)
        *ret_loaded = set;
    else
        query_set_free(set);
    return loaded;
}

void query_set_free(void *loaded)
{
    struct query_set *set = loaded;
    for (int i = 0; i < set->programs_count; i++)
        jsonschema_free(set->programs[i]);
    for (int i = 0; i < set->count; i++) {
        const struct query *query = &set->queries[i];
        recur_unref(&set->room->recur, query->watch);
        if (query->fallback)
            recur_unref(&set->room->recur, query->fallback->watch);
    }
    free(set->programs);
    for (int i = 0; i < set->rules_count; i++)
        rules_done(set->rules[i]);
    free(set->rules);
    resource_set_unref(set->set);
    arena_done(&set->arena);
    free(set);
}
