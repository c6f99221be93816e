#include "features/observe/heap_write.h"

#include "base/clock.h"
#include "base/log.h"
#include "wire/json_write.h"

#define MIB               1048576.0
#define FRAMES_FOR_HUMANS 4

static double age_s(const struct heap_sites *sites, const struct heap_site *site)
{
    return (double)(sites->at_ns - site->oldest_ns) / NS_PER_S;
}

static void stack_write(struct text *json, const struct heap_site *site)
{
    text_lit(json, ",\"stack\":[");
    for (int i = 0; i < site->frames_count; i++) {
        char name[SYMBOL_TEXT_BYTES];
        symbol_write(site->frames[i], true, true, name);
        text_add_z(json, i ? "," : "");
        json_write_string(json, bytes_of(name));
    }
    text_byte(json, ']');
}

static void site_write(struct text *json, const struct heap_sites *sites, const struct heap_site *site)
{
    text_lit(json, "{\"site\":");
    json_write_string(json, bytes_of(site->name));
    text_lit(json, ",\"route\":");
    json_write_string(json, bytes_of(site->route));
    text_printf(json, ",\"bytes\":%.0f,\"blocks\":%.0f,\"samples\":%d,\"oldest_s\":%.3f,\"ages\":{",
                site->bytes, site->blocks, site->samples, age_s(sites, site));
    for (int i = 0; i < HEAP_AGES; i++)
        text_printf(json, "%s\"%s\":%.0f", i ? "," : "", heap_age_names[i], site->age_bytes[i]);
    text_byte(json, '}');
    stack_write(json, site);
    text_byte(json, '}');
}

static void memory_write(struct text *json, const struct memory_now *now)
{
    text_printf(
        json,
        "\"resident_bytes\":%lld,\"malloc_used_bytes\":%lld,\"accounted_bytes\":%lld,\"gap_bytes\":%lld",
        (long long)now->resident_bytes, (long long)now->malloc_used_bytes, (long long)now->accounted_bytes,
        (long long)now->gap_bytes);
}

/* ---- for people ---- */

/* "kit_ask < rest_get < http_serve": the callers, without offsets. */
static void callers_write(struct text *people, const struct heap_site *site)
{
    bool found = false;
    for (int i = 0, said = 0; i < site->frames_count && said < FRAMES_FOR_HUMANS; i++) {
        char name[SYMBOL_TEXT_BYTES];
        symbol_write(site->frames[i], true, false, name);
        if (found) {
            text_printf(people, "%s%s", said ? " < " : "", name);
            said++;
        }
        found |= strcmp(name, site->name) == 0;
    }
}

static void people_write(struct text *people, const struct heap_sites *sites, const struct memory_now *now,
                         int top)
{
    text_printf(people, "heap: %.1f MiB in %.0f blocks, from %d samples, one each %lld bytes on average\n",
                sites->bytes / MIB, sites->blocks, sites->samples, (long long)heap_sampled_every());
    text_printf(people, "  resident %.1f MiB = %.1f accounted for + %.1f not\n",
                (double)now->resident_bytes / MIB, (double)now->accounted_bytes / MIB,
                (double)now->gap_bytes / MIB);
    for (int i = 0; i < now->owners_count; i++)
        text_printf(people, "    %-12s %9.2f MiB\n", now->owners[i].name, (double)now->owners[i].bytes / MIB);
    text_printf(people, "  %9s %9s %9s  younger than", "MiB", "blocks", "oldest");
    for (int i = 0; i < HEAP_AGES; i++)
        text_printf(people, "%6s", heap_age_names[i]);
    text_lit(people, " (% of the bytes)  who\n");
    for (int i = 0; i < sites->count && i < top; i++) {
        const struct heap_site *site = &sites->sites[i];
        text_printf(people, "  %9.2f %9.0f %8.0fs  %12s", site->bytes / MIB, site->blocks, age_s(sites, site),
                    "");
        for (int age = 0; age < HEAP_AGES; age++)
            text_printf(people, "%6.0f", site->bytes > 0 ? site->age_bytes[age] / site->bytes * 100 : 0);
        text_printf(people, "%19s%s", "", site->name);
        if (site->route[0])
            text_printf(people, " (%s)", site->route);
        text_lit(people, "  < ");
        callers_write(people, site);
        text_byte(people, '\n');
    }
}

void heap_write_json(struct text *json, const struct heap_sites *sites, const struct memory_now *now, int top)
{
    struct heap_stats stats;
    struct text people;
    heap_stats_read(&stats);
    text_printf(json,
                "{\"sample_every_bytes\":%lld,\"samples\":%d,\"samples_lost\":%llu,\"bytes\":%.0f,"
                "\"blocks\":%.0f,",
                (long long)heap_sampled_every(), sites->samples, (unsigned long long)stats.lost_total,
                sites->bytes, sites->blocks);
    memory_write(json, now);
    text_lit(json, ",\"accounted\":{");
    for (int i = 0; i < now->owners_count; i++)
        text_printf(json, "%s\"%s\":%lld", i ? "," : "", now->owners[i].name,
                    (long long)now->owners[i].bytes);
    text_lit(json, "},\"sites\":[");
    for (int i = 0; i < sites->count && i < top; i++) {
        text_add_z(json, i ? "," : "");
        site_write(json, sites, &sites->sites[i]);
    }
    text_lit(json, "],\"text\":");
    text_init_heap(&people, 0);
    people_write(&people, sites, now, top);
    json_write_string(json, text_bytes(&people));
    text_done(&people);
    text_byte(json, '}');
}

void heap_write_line(struct text *members, const struct heap_sites *sites, const struct memory_now *now,
                     int top)
{
    memory_write(members, now);
    text_printf(members, ",\"heap_bytes\":%.0f,\"samples\":%d,\"sites\":[", sites->bytes, sites->samples);
    for (int i = 0; i < sites->count && i < top; i++) {
        const struct heap_site *site = &sites->sites[i];
        text_printf(members, "%s{\"site\":\"%s\",\"route\":\"%s\",\"bytes\":%.0f,\"oldest_s\":%.0f}",
                    i ? "," : "", log_string_z(site->name), log_string_z(site->route), site->bytes,
                    age_s(sites, site));
    }
    text_byte(members, ']');
}
