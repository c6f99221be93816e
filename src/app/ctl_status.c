/* ctl_status.c - the house's own verbs. */
#include <unistd.h>

#include "app/ctl.h"
#include "app/supervised.h"
#include "base/clock.h"
#include "wire/json_write.h"

static bool status_run(void *room, int argc, const char *const *argv, struct text *answer)
{
    const struct house *house = room;
    struct http_server_state state;
    (void)argv;
    if (argc != 1)
        return fail(&PROBLEM_CONFIG, "usage: status");
    http_server_state(house->server, &state);
    text_printf(
        answer, "{\"version\":\"%s\",\"pid\":%d,\"uptime_s\":%lld,\"cores\":%d,\"folder\":", LINTEL_VERSION,
        (int)getpid(), (long long)((clock_now_ns() - house->started_ns) / NS_PER_S), house->cores_count);
    json_write_string(answer, bytes_of(house->conf->folder));
    text_lit(answer, ",\"listen\":");
    json_write_string(answer, bytes_of(http_server_address(house->server, 0)));
    text_printf(answer,
                ",\"serving\":%s,\"draining\":%s,\"snapshot\":%llu,\"connections\":%lld,\"in_flight\":%lld,"
                "\"requests_total\":%llu,\"process\":",
                house->set ? "true" : "false", house->stopping ? "true" : "false",
                (unsigned long long)house->generation, (long long)state.connections_open,
                (long long)state.requests_in_flight, (unsigned long long)state.requests_total);
    supervised_describe(answer);
    text_byte(answer, '}');
    return true;
}

const struct ctl_verb house_verbs[] = {
    { .name = "status",
      .usage = "status",
      .summary = "Version, process, addresses, what is in flight.",
      .run = status_run },
    { .name = "inject",
      .usage = "inject [LIST]",
      .summary = "Tests only: arms failures by name in a server started with LINTEL_INJECT.",
      .run = ctl_inject_run },
    { 0 },
};
