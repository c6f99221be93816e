#include "base/heap_site.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/table.h"

const char *const heap_age_names[HEAP_AGES] = { "1s", "10s", "1m", "10m", "1h", ">1h" };
static const int64_t ages_ns[HEAP_AGES - 1] = { NS_PER_S, 10 * NS_PER_S, 60 * NS_PER_S, 600 * NS_PER_S,
                                                3600 * NS_PER_S };

/* Who fetches memory for somebody else: the one who asked it is meant. */
static const char *const helpers[] = { "arena_",      "account_", "chunk_new", "text_",      "table_",
                                       "list_",       "must",     "copy_of",   "malloc_due", "calloc_due",
                                       "realloc_due", "malloc",   "calloc",    "realloc",    "reallocarray" };

int heap_age_of(int64_t age_ns)
{
    int age = 0;
    while (age < HEAP_AGES - 1 && age_ns >= ages_ns[age])
        age++;
    return age;
}

static bool is_helper(const char *name)
{
    for (size_t i = 0; i < array_count(helpers); i++) {
        const size_t size = strlen(helpers[i]);
        if (helpers[i][size - 1] == '_' ? strncmp(name, helpers[i], size) == 0
                                        : strcmp(name, helpers[i]) == 0)
            return true;
    }
    return false;
}

static void site_name(const struct heap_sample *sample, char ret_name[static SYMBOL_TEXT_BYTES])
{
    for (int i = 0; i < sample->frames_count; i++) {
        if (!symbol_is_own(sample->frames[i]))
            continue;
        symbol_write(sample->frames[i], true, false, ret_name);
        if (!is_helper(ret_name))
            return;
    }
    symbol_write(sample->frames[0], true, false, ret_name); /* a library's own thread */
}

static void site_add(struct heap_site *site, const struct heap_sample *sample, const struct heap_sites *all,
                     int64_t settled_ns)
{
    const double bytes = sample->stands_for * (double)sample->size;
    const int64_t age_ns = all->at_ns - sample->at_ns;
    if (site->samples == 0)
        memcpy(site->route, sample->route, sizeof site->route);
    else if (strcmp(site->route, sample->route) != 0)
        memcpy(site->route, "(several)", sizeof "(several)");
    site->samples++;
    site->bytes += bytes;
    site->blocks += sample->stands_for;
    site->age_bytes[heap_age_of(age_ns)] += bytes;
    if (age_ns >= settled_ns) {
        site->settled++;
        site->settled_bytes += bytes;
    }
    if (!site->oldest_ns || sample->at_ns < site->oldest_ns)
        site->oldest_ns = sample->at_ns;
    if (bytes > site->stack_weight) {
        site->stack_weight = bytes;
        site->frames_count = sample->frames_count;
        memcpy(site->frames, sample->frames, sizeof site->frames);
    }
}

static int by_bytes(const void *a, const void *b)
{
    const struct heap_site *x = a, *y = b;
    return x->bytes > y->bytes ? -1 : x->bytes < y->bytes;
}

/* One place for each name, in the order of their coming; there are never more than samples. */
static struct heap_site *site_of(struct table *table, struct heap_sites *all,
                                 const struct heap_sample *sample)
{
    char name[SYMBOL_TEXT_BYTES];
    site_name(sample, name);
    struct heap_site *site = table_get(table, bytes_of(name));
    if (site)
        return site;
    site = &all->sites[all->count++];
    *site = (struct heap_site){ 0 };
    memcpy(site->name, name, sizeof name);
    (void)table_put(table, bytes_of(site->name), site);
    return site;
}

void heap_sites_take(int64_t now_ns, int64_t settled_ns, struct heap_sites *ret_sites)
{
    struct heap_sites all = { .at_ns = now_ns };
    struct heap_stats stats;
    struct table table = { 0 };
    heap_stats_read(&stats);
    const int room = stats.live + 64; /* a few more may come meanwhile */
    struct heap_sample *samples = malloc(sizeof *samples * (size_t)room);
    check(samples != NULL);
    const int there = heap_read(samples, room);
    all.samples = there < room ? there : room;
    all.sites = malloc(sizeof *all.sites * (size_t)(all.samples + 1));
    check(all.sites != NULL);
    for (int i = 0; i < all.samples; i++) {
        site_add(site_of(&table, &all, &samples[i]), &samples[i], &all, settled_ns);
        all.bytes += samples[i].stands_for * (double)samples[i].size;
        all.blocks += samples[i].stands_for;
    }
    table_done(&table);
    free(samples);
    qsort(all.sites, (size_t)all.count, sizeof *all.sites, by_bytes);
    struct heap_site *fitting = realloc(all.sites, sizeof *all.sites * (size_t)(all.count + 1));
    all.sites = fitting ? fitting : all.sites;
    *ret_sites = all;
}

void heap_sites_done(struct heap_sites *sites)
{
    free(sites->sites);
    *sites = (struct heap_sites){ 0 };
}

const struct heap_site *heap_site_find(const struct heap_sites *sites, const char *name)
{
    for (int i = 0; i < sites->count; i++)
        if (strcmp(sites->sites[i].name, name) == 0)
            return &sites->sites[i];
    return NULL;
}
