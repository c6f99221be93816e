#include "features/advise/memory.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "features/advise/report.h"
#include "wire/json_write.h"

#define MIB           1048576.0
#define SETTLED_SHARE 8 /* of the window */
#define SHOWN         8

/* ---- looking ---- */

void memory_watch_init(struct memory_watch *watch, int64_t window_ns)
{
    const int64_t share_ns = window_ns / SETTLED_SHARE;
    *watch = (struct memory_watch){ .settled_ns = share_ns < NS_PER_S ? share_ns : NS_PER_S };
    watch->rings[0].every_ns = window_ns / (MEMORY_LOOKS - 1);
    watch->rings[1].every_ns = window_ns / (MEMORY_LOOKS - 1) * LONG_WINDOWS;
}

void memory_watch_done(struct memory_watch *watch)
{
    for (size_t i = 0; i < array_count(watch->rings); i++)
        for (int k = 0; k < watch->rings[i].count; k++)
            free(watch->rings[i].looks[k].sites);
}

static struct memory_look *ring_next(struct memory_ring *ring)
{
    if (ring->count == MEMORY_LOOKS) {
        free(ring->looks[0].sites);
        memmove(&ring->looks[0], &ring->looks[1], sizeof *ring->looks * (MEMORY_LOOKS - 1));
        ring->count--;
    }
    return &ring->looks[ring->count++];
}

static void look_at_sites(struct memory_look *look, int64_t settled_ns)
{
    struct heap_sites all;
    heap_sites_take(look->at_ns, settled_ns, &all);
    look->heap_bytes = all.bytes;
    look->sites = calloc((size_t)all.count + 1, sizeof *look->sites);
    check(look->sites != NULL);
    for (int i = 0; i < all.count; i++) {
        const struct heap_site *from = &all.sites[i];
        struct memory_site *to = &look->sites[look->sites_count];
        memcpy(to->name, from->name, sizeof to->name);
        memcpy(to->route, from->route, sizeof to->route);
        to->bytes = from->settled_bytes;
        to->samples = from->settled;
        look->sites_count += from->settled > 0;
    }
    heap_sites_done(&all);
}

static const struct memory_site *site_named(const struct memory_look *look, const char *name)
{
    for (int i = 0; i < look->sites_count; i++)
        if (strcmp(look->sites[i].name, name) == 0)
            return &look->sites[i];
    return NULL;
}

void memory_watch_turn(struct memory_watch *watch, int64_t now_ns, uint64_t requests, int64_t connections)
{
    for (size_t i = 0; i < array_count(watch->rings); i++) {
        struct memory_ring *ring = &watch->rings[i];
        if (ring->count && now_ns - ring->looks[ring->count - 1].at_ns < ring->every_ns)
            continue;
        struct memory_look *look = ring_next(ring);
        *look = (struct memory_look){ .at_ns = now_ns, .requests = requests, .connections = connections };
        memory_now_read(&look->now);
        look_at_sites(look, watch->settled_ns);
    }
}

/* ---- facts ---- */

static struct growth site_growth(const struct memory_ring *ring, const struct memory_site *site)
{
    struct growth growth = { .name = site->name, .route = site->route };
    for (int i = 0; i < ring->count; i++) {
        const struct memory_site *then = site_named(&ring->looks[i], site->name);
        growth.bytes[i] = then ? then->bytes : 0;
        growth.samples_first = i == 0 && then ? then->samples : growth.samples_first;
        growth.samples_last = then ? then->samples : 0;
    }
    return growth;
}

static struct growth room_growth(const struct memory_ring *ring, const char *name)
{
    struct growth growth = { .name = name, .route = "" };
    for (int i = 0; i < ring->count; i++) {
        const struct memory_now *now = &ring->looks[i].now;
        for (int k = 0; k < now->owners_count; k++)
            if (strcmp(now->owners[k].name, name) == 0)
                growth.bytes[i] = (double)now->owners[k].bytes;
    }
    return growth;
}

static int by_growth(const void *a, const void *b)
{
    const struct growth *x = a, *y = b;
    const double more_x = x->bytes[MEMORY_LOOKS - 1] - x->bytes[0];
    const double more_y = y->bytes[MEMORY_LOOKS - 1] - y->bytes[0];
    return more_x > more_y ? -1 : more_x < more_y;
}

struct grown {
    struct growth *sites, rooms[MEMORY_OWNERS_MAX];
};

static void make_facts(const struct memory_ring *ring, double oldest_request_s, struct grown *grown,
                       struct memory_facts *ret_facts)
{
    struct memory_facts facts = { .looks = ring->count, .oldest_request_s = oldest_request_s };
    const struct memory_look *first = &ring->looks[0],
                             *last = &ring->looks[ring->count ? ring->count - 1 : 0];
    for (int i = 0; i < ring->count; i++) {
        facts.resident_bytes[i] = (double)ring->looks[i].now.resident_bytes;
        facts.accounted_bytes[i] = (double)ring->looks[i].now.accounted_bytes;
        facts.gap_bytes[i] = (double)ring->looks[i].now.gap_bytes;
        facts.malloc_used_bytes[i] = (double)ring->looks[i].now.malloc_used_bytes;
        facts.connections[i] = (double)ring->looks[i].connections;
    }
    facts.window_s = (double)(last->at_ns - first->at_ns) / NS_PER_S;
    facts.requests = (double)(last->requests - first->requests);
    facts.heap_bytes = last->heap_bytes;
    facts.sample_every_bytes = (double)heap_sampled_every();
    grown->sites = calloc((size_t)last->sites_count + 1, sizeof *grown->sites);
    check(grown->sites != NULL);
    for (int i = 0; i < last->sites_count; i++)
        grown->sites[facts.sites_count++] = site_growth(ring, &last->sites[i]);
    for (int i = 0; i < last->now.owners_count; i++) {
        const struct memory_owner *owner = &last->now.owners[i];
        if (strcmp(owner->name, "malloc_free") == 0)
            facts.malloc_free_bytes = (double)owner->bytes;
        else if (strcmp(owner->name, "program") != 0) /* pages of files come and go as the kernel likes */
            grown->rooms[facts.rooms_count++] = room_growth(ring, owner->name);
    }
    qsort(grown->sites, (size_t)facts.sites_count, sizeof *grown->sites, by_growth);
    facts.sites = grown->sites;
    facts.rooms = grown->rooms;
    *ret_facts = facts;
}

/* ---- telling ---- */

static double grown_bytes(const struct growth *growth, int looks)
{
    return looks ? growth->bytes[looks - 1] - growth->bytes[0] : 0;
}

static void growths_write(struct text *json, struct text *people, const char *name, const struct growth *all,
                          int count, int looks)
{
    int said = 0;
    text_printf(json, ",\"%s\":[", name);
    for (int i = 0; i < count; i++) {
        const double more = grown_bytes(&all[i], looks), now = looks ? all[i].bytes[looks - 1] : 0;
        if (said == SHOWN || now <= 0)
            continue;
        text_printf(json, "%s{\"name\":", said++ ? "," : "");
        json_write_string(json, bytes_of(all[i].name));
        text_printf(json, ",\"bytes\":%.0f,\"grown_bytes\":%.0f}", now, more);
        text_printf(people, "  %-9s %9.2f MiB  %+9.2f  %s\n", name, now / MIB, more / MIB, all[i].name);
    }
    text_byte(json, ']');
}

static void numbers_write(struct text *json, struct text *people, const struct memory_facts *facts)
{
    const int last = facts->looks ? facts->looks - 1 : 0;
    text_printf(
        json,
        ",\"facts\":{\"looks\":%d,\"window_s\":%.6g,\"requests\":%.0f,\"resident_bytes\":%.0f,"
        "\"resident_grown_bytes\":%.0f,\"accounted_bytes\":%.0f,\"gap_bytes\":%.0f,\"gap_grown_bytes\":%.0f,"
        "\"connections\":%.0f,\"malloc_free_bytes\":%.0f,\"heap_bytes\":%.0f,\"sample_every_bytes\":%.0f,"
        "\"oldest_request_s\":%.3f}",
        facts->looks, facts->window_s, facts->requests, facts->resident_bytes[last],
        facts->resident_bytes[last] - facts->resident_bytes[0], facts->accounted_bytes[last],
        facts->gap_bytes[last], facts->gap_bytes[last] - facts->gap_bytes[0], facts->connections[last],
        facts->malloc_free_bytes, facts->heap_bytes, facts->sample_every_bytes, facts->oldest_request_s);
    text_printf(people,
                "  window    %.1f s, %.0f requests, %.0f connections; the oldest request is %.1f s old\n"
                "  resident  %9.2f MiB  %+9.2f\n  gap       %9.2f MiB  %+9.2f  which nobody accounts for\n",
                facts->window_s, facts->requests, facts->connections[last], facts->oldest_request_s,
                facts->resident_bytes[last] / MIB,
                (facts->resident_bytes[last] - facts->resident_bytes[0]) / MIB, facts->gap_bytes[last] / MIB,
                (facts->gap_bytes[last] - facts->gap_bytes[0]) / MIB);
}

void memory_watch_report(const struct memory_watch *watch, double oldest_request_s, struct text *json)
{
    struct memory_facts facts;
    struct memory_verdict verdict = { 0 };
    struct grown grown = { 0 };
    struct text people;
    /* The long window is asked when the short one has found nothing, and once it is whole. */
    for (size_t i = 0; i < array_count(watch->rings); i++) {
        if (i && (verdict.found || watch->rings[i].count < MEMORY_LOOKS))
            break;
        if (i)
            free(grown.sites);
        make_facts(&watch->rings[i], oldest_request_s, &grown, &facts);
        decide_memory(&facts, &verdict);
    }
    text_init_heap(&people, 0);
    report_begin(json, "memory", memory_words[verdict.word], verdict.found);
    text_lit(json, ",\"owner\":");
    if (verdict.owner)
        json_write_string(json, bytes_of(verdict.owner->name));
    else
        json_write_null(json);
    text_printf(json, ",\"grown_bytes\":%.0f", verdict.grown_bytes);
    report_text(json, "reason", verdict.reason);
    report_text(json, "todo", verdict.todo);
    text_printf(&people, "memory: %s\n", memory_words[verdict.word]);
    if (verdict.reason[0])
        text_printf(&people, "  %s\n", verdict.reason);
    if (verdict.todo[0])
        text_printf(&people, "  → %s\n", verdict.todo);
    numbers_write(json, &people, &facts);
    growths_write(json, &people, "rooms", facts.rooms, facts.rooms_count, facts.looks);
    growths_write(json, &people, "sites", facts.sites, facts.sites_count, facts.looks);
    report_end(json, &people);
    free(grown.sites);
}
