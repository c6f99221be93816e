/* pool.c - `lintel ctl pool`: the connections as they are, and their limits changed while they work. */
#include "base/log.h"
#include "base/text.h"
#include "features/admit/admit.h"
#include "fiber/fiber.h"
#include "kit/here.h"
#include "wire/json_write.h"

/* What can change under running connections; the rest of section pools is read at the start. */
static const char *const changeable[] = { "max",
                                          "lanes",
                                          "lane_depth",
                                          "writers_max",
                                          "acquire_timeout",
                                          "waiting_max",
                                          "idle_timeout",
                                          "lifetime",
                                          "queries_max",
                                          "slow",
                                          "retry_percent",
                                          "breaker_failures",
                                          "breaker_pause",
                                          "transaction_idle_timeout",
                                          "hold_warning",
                                          NULL };

static bool is_changeable(struct bytes name)
{
    for (int i = 0; changeable[i]; i++)
        if (bytes_is(name, changeable[i]))
            return true;
    return false;
}

static void write_core(struct text *text)
{
    struct pg_pool_state state;
    if (!kit_here.pool)
        return;
    pg_pool_state(kit_here.pool, &state);
    text_printf(text,
                "{\"core\":%d,\"open\":%lld,\"lanes\":%lld,\"writers\":%lld,\"sessions\":%lld,\"idle\":%lld,"
                "\"waiting\":%lld,"
                "\"in_flight\":%lld,\"abandoned\":%lld,\"healthy\":%s,\"breaker_open\":%s}",
                core_index(core_here()), (long long)state.open, (long long)state.lanes,
                (long long)state.writers, (long long)state.sessions, (long long)state.idle,
                (long long)state.waiting, (long long)state.in_flight, (long long)state.abandoned,
                state.healthy ? "true" : "false", state.breaker_open ? "true" : "false");
}

WAITS static bool write_pool(const struct admit_room *room, struct text *answer)
{
    struct pg_pool_state state;
    struct pg_conf conf;
    pg_pool_state(kit_here.pool, &state);
    pg_pool_conf(kit_here.pool, &conf);
    text_printf(answer, "{\"allowed\":%lld,\"limits\":{", (long long)state.budget);
    for (int i = 0; changeable[i]; i++) {
        char value[128];
        knob_print(knob_find(pg_knobs, bytes_of(changeable[i])), &conf, value);
        if (i)
            text_byte(answer, ',');
        json_write_key(answer, bytes_of(changeable[i]));
        json_write_string(answer, bytes_of(value));
    }
    text_lit(answer, "},\"cores\":[");
    if (!admit_each_core(room->kit, write_core, answer))
        return false;
    text_lit(answer, "]}");
    return true;
}

static bool change_one(struct bytes word, struct pg_conf *conf)
{
    char why[160];
    const char *whole = word.data; /* zero-terminated: a word of the command line */
    const struct bytes name = bytes_cut(&word, '=');
    const struct knob *knob = is_changeable(name) ? knob_find(pg_knobs, name) : NULL;
    if (!knob && knob_find(pg_knobs, name))
        return fail(&PROBLEM_CONFIG, "pools.%.*s is read at the start only: change lintel.yaml and restart",
                    BYTES_ARG(name));
    if (!knob)
        return fail(&PROBLEM_CONFIG, "there is no pools.%.*s; `lintel ctl pool` shows what can be set",
                    BYTES_ARG(name));
    if (!word.data)
        return fail(&PROBLEM_CONFIG, "write %s=VALUE", whole);
    if (!knob_parse(knob, word, conf, why))
        return fail(&PROBLEM_CONFIG, "%.*s %s", BYTES_ARG(name), why);
    return true;
}

bool admit_ctl_pool(void *room, int argc, const char *const *argv, struct text *answer)
{
    struct pg_conf conf;
    if (argc == 1)
        return write_pool(room, answer);
    if (argc < 3 || strcmp(argv[1], "set") != 0)
        return fail(&PROBLEM_CONFIG, "usage: pool [set KEY=VALUE …], for example pool set max=40 lanes=6");
    pg_pool_conf(kit_here.pool, &conf);
    for (int i = 2; i < argc; i++)
        if (!change_one(bytes_of(argv[i]), &conf))
            return false;
    if (!pg_pool_conf_change(kit_here.pool, &conf))
        return false;
    for (int i = 2; i < argc; i++)
        log_event(LOG_INFO, "pool_changed", "\"set\":\"%s\"", log_string_z(argv[i]));
    return write_pool(room, answer);
}
