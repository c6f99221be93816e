/* query_load.c - every file of queries/, read and typed, for one snapshot; which of them stand in for which.
 */
#include "features/query/query.h"

#include <stdlib.h>

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
    return true;
}

static WAITS bool type_all(const struct loading *loading, struct query *queries, int count)
{
    struct query_set *set = loading->set;
    for (int i = 0; i < count; i++) {
        if (queries[i].closed)
            continue;
        queries[i].encoding = &loading->load->set->encoding;
        queries[i].set = loading->load->set;
        if (!query_type(set, &queries[i], loading->load) || !fallback_make(loading, &queries[i]))
            return false;
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
    free(set->programs);
    for (int i = 0; i < set->rules_count; i++)
        rules_done(set->rules[i]);
    free(set->rules);
    resource_set_unref(set->set);
    arena_done(&set->arena);
    free(set);
}
