#include "app/supervised.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "app/privileges.h"
#include "app/process.h"
#include "app/seccomp.h"
#include "base/clock.h"
#include "base/inject.h"
#include "base/log.h"
#include "kit/here.h"
#include "wire/json_write.h"

#define BEAT_NS        NS_PER_S
#define HOLD_NS        (2 * NS_PER_S) /* after a crash: then clients are told what is wrong */
#define DOORS_AHEAD_NS (50 * NS_PER_MS)
#define UPGRADE_NS     (115 * NS_PER_S)

/* One server a process. */
static struct supervised {
    struct inheritance *inheritance;
    struct house *house;
    struct pulse *pulse;
    struct timer beats[METRIC_CORES_MAX], hold, not_listening;
    uv_poll_t poll;
    bool watched, ready, reloading;
    _Atomic int cores_warm;
    bool first_snapshot;
    /* an upgrade that was asked for here */
    struct signal upgraded;
    bool asking, upgraded_well;
    char upgrade_text[MESSAGE_TEXT_BYTES];
} self;
static struct inheritance nothing;

const struct inheritance *supervised_inheritance(void)
{
    return self.inheritance ? self.inheritance : &nothing;
}

bool supervised_door(const char *address, int *ret_fd)
{
    *ret_fd = doors_fd(&supervised_inheritance()->doors, address);
    if (*ret_fd || !supervised_inheritance()->doors.count)
        return true;
    return fail(&PROBLEM_CONFIG, "%s: the addresses changed since the start, which wants a restart", address);
}

static void say(enum message_kind kind)
{
    const struct message message = { .kind = kind };
    (void)message_send(supervised_inheritance()->channel, &message, 0);
}

/* ---- the pulse ---- */

static void beat(struct timer *timer)
{
    const int index = (int)(timer - self.beats);
    if (inject("core.stall"))
        for (;;)
            pause();
    atomic_fetch_add_explicit(&self.pulse->beats[index], 1, memory_order_relaxed);
    timer_start(timer, core_now_ns() + BEAT_NS);
}

void supervised_core_begin(int index)
{
    if (!self.pulse)
        return;
    self.beats[index].fire = beat;
    timer_start(&self.beats[index], core_now_ns() + BEAT_NS);
}

/* ---- what the supervisor says ---- */

static void told_shares(int shares)
{
    pg_home_share(self.house->home, shares < 1 ? 1 : shares);
}

static void told_upgraded(const struct message *message)
{
    self.upgraded_well = message->number != 0;
    memcpy(self.upgrade_text, message->text, sizeof self.upgrade_text);
    signal_set(&self.upgraded);
}

static void heard(uv_poll_t *poll, int status, int events)
{
    struct message message;
    int fd;
    (void)status, (void)events;
    for (;;) {
        const int got = message_receive(supervised_inheritance()->channel, &message, &fd);
        if (got == 0)
            return;
        if (got < 0) { /* the supervisor is gone; so are we, by the death signal */
            uv_poll_stop(poll);
            return;
        }
        if (message.kind == TELL_SHARES)
            told_shares(message.number);
        else if (message.kind == TELL_UPGRADED)
            told_upgraded(&message);
        else if (message.kind == TELL_RETIRE && fd)
            house_retire(self.house, fd);
        else if (fd)
            close(fd);
    }
}

static void hold_is_over(struct timer *timer)
{
    (void)timer;
    http_server_accept(self.house->server);
}

void supervised_open(struct house *house)
{
    const struct inheritance *inheritance = supervised_inheritance();
    if (self.inheritance)
        doors_release(&self.inheritance->doors); /* all who needed them have duplicates */
    if (!inheritance->channel)
        return;
    self.house = house;
    check(uv_poll_init(core_loop(core_here()), &self.poll, inheritance->channel) == 0);
    self.watched = true;
    uv_poll_start(&self.poll, UV_READABLE, heard);
    if (inheritance->testator) {
        told_shares(2);
        http_server_inherit(house->server, inheritance->testator);
    } else if (inheritance->again) {
        self.hold.fire = hold_is_over;
        timer_start(&self.hold, core_now_ns() + HOLD_NS);
    }
    say(SAY_SERVING);
}

/* ---- becoming ready ---- */

static void ready_perhaps(void *arg)
{
    struct house *house = arg;
    if (self.ready || !self.first_snapshot || !supervised_inheritance()->channel ||
        atomic_load(&self.cores_warm) < house->cores_count)
        return;
    self.ready = true;
    timer_stop(&self.hold);
    http_server_accept(house->server);
    say(SAY_READY);
}

void supervised_warm(struct house *house)
{
    atomic_fetch_add(&self.cores_warm, 1);
    (void)core_post(house->cores[0], ready_perhaps, house);
}

void supervised_ready(struct house *house)
{
    self.first_snapshot = true;
    if (inject("seccomp.probe"))
        seccomp_probe();
    ready_perhaps(house);
}

void supervised_reloaded(struct house *house)
{
    (void)house;
    say(SAY_RELOADED);
}

static void not_listening(struct timer *timer)
{
    (void)timer;
    say(SAY_NOT_LISTENING);
}

void supervised_stopping(struct house *house)
{
    const struct http_conf *http = config_section(house->conf, "http");
    if (!supervised_inheritance()->channel)
        return;
    /* A little before we stop: whoever closes a listening socket last resets those who wait in it, and we,
     * who accept them first, shall be that. */
    self.not_listening.fire = not_listening;
    if (http->drain_delay_ns > DOORS_AHEAD_NS)
        timer_start(&self.not_listening, core_now_ns() + http->drain_delay_ns - DOORS_AHEAD_NS);
    else
        say(SAY_NOT_LISTENING);
}

void supervised_close(struct house *house)
{
    (void)house;
    if (!self.watched)
        return;
    self.watched = false;
    uv_poll_stop(&self.poll);
    uv_close((uv_handle_t *)&self.poll, NULL);
    self.inheritance->channel = 0;
}

/* ---- birth ---- */

static bool settle_in(const struct app_conf *conf)
{
    const struct process_conf *process = config_section(conf, "process");
    const pid_t parent = getppid();
    if (supervised_inheritance()->pulse_fd) {
        self.pulse = mmap(NULL, sizeof *self.pulse, PROT_READ | PROT_WRITE, MAP_SHARED,
                          supervised_inheritance()->pulse_fd, 0);
        if (self.pulse == MAP_FAILED)
            return fail(&PROBLEM_ENVIRONMENT, "the pulse cannot be mapped: %s", strerror(errno));
    }
    if (!privileges_drop(conf))
        return false;
    if (supervised_inheritance()->channel) { /* after the drop, which clears it */
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
        if (getppid() != parent)
            return fail(&PROBLEM_ENVIRONMENT, "the supervisor is gone");
    }
    return seccomp_install((enum seccomp_mode)process->seccomp);
}

int supervised_serve(struct app_conf *conf, struct inheritance *inheritance)
{
    self.inheritance = inheritance;
    if (!settle_in(conf)) {
        log_event(LOG_ERROR, "start_failed", "\"message\":\"%s\"", log_string_z(failure_here->message));
        return EXIT_ENVIRONMENT;
    }
    return house_serve(conf, false, NULL, NULL);
}

/* ---- the verbs ---- */

static void answer_upgraded(struct text *answer, int64_t started_ns)
{
    text_printf(answer, "{\"upgraded\":true,\"from_pid\":%d,\"to_pid\":%s,\"took_ms\":%lld}", (int)getpid(),
                self.upgrade_text[0] ? self.upgrade_text : "0",
                (long long)((clock_now_ns() - started_ns) / NS_PER_MS));
}

static WAITS bool upgrade_run(void *room, int argc, const char *const *argv, struct text *answer)
{
    (void)room;
    const bool named = argc == 3 && strcmp(argv[1], "--binary") == 0;
    if (argc != 1 && !named)
        return fail(&PROBLEM_CONFIG, "usage: upgrade [--binary PATH]");
    if (!supervised_inheritance()->channel)
        return fail(&PROBLEM_CONFIG, "this server runs without a supervisor: restart it instead");
    if (self.asking)
        return fail(&PROBLEM_CONFIG, "an upgrade is under way");
    struct message message = { .kind = ASK_UPGRADE };
    if (named && (argv[2][0] != '/' || strlen(argv[2]) >= sizeof message.text))
        return fail(&PROBLEM_CONFIG, "--binary takes an absolute path");
    if (named)
        memcpy(message.text, argv[2], strlen(argv[2]));
    const int64_t started_ns = clock_now_ns();
    signal_reset(&self.upgraded);
    if (!message_send(supervised_inheritance()->channel, &message, 0))
        return fail(&PROBLEM_ENVIRONMENT, "the supervisor does not listen");
    self.asking = true;
    const bool told = signal_wait(&self.upgraded, "supervisor.upgrade", core_now_ns() + UPGRADE_NS);
    self.asking = false;
    if (!told)
        return false;
    if (!self.upgraded_well)
        return fail(&PROBLEM_ENVIRONMENT, "not upgraded, the old server goes on: %s", self.upgrade_text);
    answer_upgraded(answer, started_ns);
    return true;
}

void supervised_describe(struct text *answer)
{
    const struct inheritance *inheritance = supervised_inheritance();
    text_printf(answer, "{\"supervisor\":%d,\"user\":", inheritance->channel ? (int)getppid() : 0);
    json_write_string(answer, bytes_of(privileges_user()));
    text_printf(answer, ",\"seccomp\":\"%s\",\"upgrades\":%lld,\"restarts\":{", seccomp_in_force(),
                (long long)inheritance->upgrades);
    for (int i = 0; i < RESTART_REASONS; i++)
        text_printf(answer, "%s\"%s\":%lld", i ? "," : "", restart_reason_names[i],
                    (long long)inheritance->restarts[i]);
    text_lit(answer, "}}");
}

const struct ctl_verb supervised_verbs[] = {
    { .name = "upgrade",
      .usage = "upgrade [--binary PATH]",
      .summary = "Replaces the binary without losing a request; default: the path it was started by.",
      .run = upgrade_run },
    { 0 },
};
