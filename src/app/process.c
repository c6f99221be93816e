#include "app/process.h"

#include "app/supervised.h"
#include "base/clock.h"

static const char *const seccomp_modes[] = { "enforce", "log", "off", NULL };

#define PROCESS_KNOB(name_, field_, ...)                                                                     \
    {                                                                                                        \
        .name = name_, .offset = offsetof(struct process_conf, field_), __VA_ARGS__                          \
    }

static const struct knob knobs[] = {
    PROCESS_KNOB("user", user, .kind = KNOB_TEXT, .preset_text = "lintel",
                 .doc = "Started as root, the server becomes this user once its listeners are open and its "
                        "secrets read; the supervisor stays root. Empty, or no such account: it stays root, "
                        "and says so."),
    PROCESS_KNOB("seccomp", seccomp, .kind = KNOB_CHOICE, .choices = seccomp_modes, .preset = SECCOMP_ENFORCE,
                 .doc = "The server's system calls: others than it needs (execve, ptrace, mount …) fail, or "
                        "are only written to the kernel's audit log, or no filter. Off under sanitizers."),
    PROCESS_KNOB("core_dumps", core_dumps, .kind = KNOB_BOOL, .preset = false,
                 .doc = "Whether a crashed server may leave a core file (and be looked into by other "
                        "processes of its user): its memory holds secrets."),
    PROCESS_KNOB("stall", stall_ns, .kind = KNOB_DURATION, .min = NS_PER_S, .max = 3600 * NS_PER_S,
                 .preset = 30 * NS_PER_S, .unit = "time",
                 .doc = "A server none of whose cores turned for so long is aborted and started again."),
    PROCESS_KNOB("upgrade_timeout", upgrade_timeout_ns, .kind = KNOB_DURATION, .min = NS_PER_S,
                 .max = 110 * NS_PER_S, .preset = 60 * NS_PER_S, .unit = "time",
                 .doc = "How long a new binary may take to serve; past it the old one goes on."),
    PROCESS_KNOB("restart_burst", restart_burst, .min = 0, .max = 1000, .preset = 5, .unit = "restarts",
                 .doc = "Crashes within restart_window after which a restart no longer follows at once, but "
                        "after a delay that doubles from 100 ms, with jitter."),
    PROCESS_KNOB("restart_window", restart_window_ns, .kind = KNOB_DURATION, .min = NS_PER_S,
                 .max = 3600 * NS_PER_S, .preset = 60 * NS_PER_S, .unit = "time",
                 .doc = "How long a crash counts."),
    PROCESS_KNOB("restart_delay_max", restart_delay_max_ns, .kind = KNOB_DURATION, .min = 100 * NS_PER_MS,
                 .max = 600 * NS_PER_S, .preset = 30 * NS_PER_S, .unit = "time",
                 .doc = "The longest delay between a crash and the restart."),
    { 0 }
};

struct metric process_restarts =
    COUNTER("restarts", "restarts", "Servers started again by their supervisor, by reason.");
static struct metric upgrades = COUNTER("upgrades", "upgrades", "Binaries replaced without a pause.");
static struct metric *const metrics[] = { &process_restarts, &upgrades, NULL };

/* A server is young; its supervisor counts, and tells it at its birth. */
static bool process_open(const void *conf, const struct kit *kit, void **ret_room)
{
    (void)conf, (void)kit, (void)ret_room;
    char labels[32];
    for (int i = 0; i < RESTART_REASONS; i++) {
        snprintf(labels, sizeof labels, "reason=\"%s\"", restart_reason_names[i]);
        metric_series_add(metric_series_of(&process_restarts, labels), supervised_inheritance()->restarts[i]);
    }
    metric_add(&upgrades, supervised_inheritance()->upgrades);
    return true;
}

const struct module process_module = {
    .name = "process",
    .summary = "Supervisor, restarts, upgrades, user and system calls.",
    .metrics_prefix = "server",
    .conf_bytes = sizeof(struct process_conf),
    .knobs = knobs,
    .open = process_open,
    .metrics = metrics,
    .ctl = supervised_verbs,
};
