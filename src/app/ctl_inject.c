/* ctl_inject.c - `lintel ctl inject`: a test arms failures in a running server, and reads who passed. */
#include "app/ctl.h"
#include "base/inject.h"

static void point_write(const struct inject_point *point, long passed, long hit, void *arg)
{
    struct text *answer = arg;
    text_printf(answer, "%s{\"name\":\"%s\",\"passed\":%ld,\"hit\":%ld}", point == inject_points ? "" : ",",
                point->name, passed, hit);
}

/* The counts are those of the list before. `here`: what this core holds, the asker's own share included. */
bool ctl_inject_run(void *room, int argc, const char *const *argv, struct text *answer)
{
    (void)room;
    if (!inject_allowed())
        return fail(&PROBLEM_CONFIG, "this server was not started with LINTEL_INJECT");
    if (argc > 2)
        return fail(&PROBLEM_CONFIG, "usage: inject [NAME[:N[+]],…]");
    const struct arena_stats arenas = arena_stats_here();
    struct core_stats core;
    core_stats_read(core_here(), &core);
    text_lit(answer, "{\"points\":[");
    inject_each(point_write, answer);
    text_printf(answer, "],\"here\":{\"fibers\":%lld,\"chunks_lent\":%lld}}", (long long)core.fibers_running,
                (long long)arenas.chunks_lent);
    if (argc == 2)
        inject_set(argv[1]);
    return true;
}
