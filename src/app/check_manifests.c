#include "app/check_manifests.h"

#include "app/check_rollout.h"
#include "app/folder.h"
#include "base/clock.h"

#define MANIFEST_BYTES_MAX    (1 << 20)
#define DOCUMENTS_MAX         256
#define GRACE_SPARE_S         5  /* pools close, the last bytes leave */
#define GRACE_PRESET_S        30 /* terminationGracePeriodSeconds, where none is given */
#define BALANCER_NOTICES_S    3  /* until a Service sends nothing more to an ending pod */
#define SYSTEMD_STOP_PRESET_S 90

struct judging {
    const struct app_conf *conf;
    const struct http_conf *http;
    struct diagnostics *diagnostics;
};

static int64_t seconds_up(int64_t ns)
{
    return (ns + NS_PER_S - 1) / NS_PER_S;
}

static int64_t drain_s(const struct judging *judging)
{
    return seconds_up(judging->http->drain_delay_ns + judging->http->drain_timeout_ns);
}

/* ---- Kubernetes ---- */

static bool runs_serve(const struct yaml_node *container)
{
    static const char *const lists[] = { "args", "command" };
    for (int i = 0; i < 2; i++) {
        const struct yaml_node *list = yaml_get(container, lists[i]);
        for (int j = 0; list && list->kind == YAML_SEQUENCE && j < list->count; j++)
            if (list->items[j]->kind == YAML_SCALAR && bytes_is(list->items[j]->value, "serve"))
                return true;
    }
    return false;
}

/* preStop: { sleep: { seconds: 5 } } or { exec: { command: [sleep, "5"] } }. */
static int64_t pre_stop_s(const struct yaml_node *container)
{
    int64_t seconds = 0;
    const struct yaml_node *sleep = MANIFEST_GET(container, "lifecycle", "preStop", "sleep", "seconds");
    const struct yaml_node *command = MANIFEST_GET(container, "lifecycle", "preStop", "exec", "command");
    if (sleep && yaml_to_int(sleep, &seconds))
        return seconds;
    if (command && command->kind == YAML_SEQUENCE && command->count)
        (void)bytes_to_int64(command->items[command->count - 1]->value, &seconds);
    return seconds;
}

static void judge_probe(const struct judging *judging, const struct yaml_node *container, const char *probe,
                        const char *wanted, const char *why)
{
    struct diagnostics *diagnostics = judging->diagnostics;
    const struct yaml_node *path = MANIFEST_GET(container, probe, "httpGet", "path");
    if (path && bytes_is(path->value, wanted))
        return;
    if (path)
        (void)diagnostics_error(diagnostics, path->place, "%s asks %.*s: %s", probe, BYTES_ARG(path->value),
                                why);
    else
        (void)diagnostics_error(diagnostics, container->place, "no %s: %s", probe, why);
    diagnostics_fix(diagnostics, "%s: { httpGet: { path: %s, port: http } }", probe, wanted);
}

static void judge_grace(const struct judging *judging, const struct yaml_node *pod,
                        const struct yaml_node *container)
{
    struct diagnostics *diagnostics = judging->diagnostics;
    const struct yaml_node *given = yaml_get(pod, "terminationGracePeriodSeconds");
    const int64_t grace_s = manifest_number(given, GRACE_PRESET_S);
    const int64_t pre_stop = pre_stop_s(container), needed_s = pre_stop + drain_s(judging) + GRACE_SPARE_S;
    if (grace_s < needed_s) {
        (void)diagnostics_error(
            diagnostics, given ? given->place : pod->place,
            "terminationGracePeriodSeconds is %lld: preStop (%lld s), http.drain_delay and "
            "http.drain_timeout (%lld s) and %d s to spare make %lld, and requests would be cut",
            (long long)grace_s, (long long)pre_stop, (long long)drain_s(judging), GRACE_SPARE_S,
            (long long)needed_s);
        diagnostics_fix(diagnostics, "terminationGracePeriodSeconds: %lld", (long long)needed_s);
    }
    if (pre_stop + judging->http->drain_delay_ns / NS_PER_S >= BALANCER_NOTICES_S)
        return;
    diagnostics_warning(
        diagnostics, container->place,
        "the listeners close at once, while the Service may still send requests for some seconds");
    diagnostics_fix(diagnostics, "set http.drain_delay: 5s, or lifecycle.preStop to a sleep of 5 s");
}

static void judge_container(const struct judging *judging, const struct yaml_node *pod,
                            const struct yaml_node *container)
{
    struct diagnostics *diagnostics = judging->diagnostics;
    judge_probe(judging, container, "livenessProbe", "/livez",
                "liveness must depend on nothing else, or a database that is away restarts every server");
    judge_probe(judging, container, "readinessProbe", "/readyz",
                "without it requests come before the server has its schema, and while it ends");
    judge_probe(judging, container, "startupProbe", "/livez",
                "without it a slow start counts as a dead server");
    judge_grace(judging, pod, container);
    if (!MANIFEST_GET(container, "resources", "requests") ||
        !MANIFEST_GET(container, "resources", "limits", "memory")) {
        diagnostics_warning(diagnostics, container->place, "no resources.requests, or no limit of memory");
        diagnostics_fix(diagnostics,
                        "resources: { requests: { cpu: 500m, memory: 128Mi }, limits: { memory: 512Mi } }");
    }
}

static int judge_document(const struct judging *judging, const struct yaml_node *root,
                          struct rollout *rollout)
{
    const struct yaml_node *pod = MANIFEST_GET(root, "spec", "template", "spec");
    const struct yaml_node *containers = pod ? yaml_get(pod, "containers") : NULL;
    int judged = 0;
    for (int i = 0; containers && containers->kind == YAML_SEQUENCE && i < containers->count; i++)
        if (runs_serve(containers->items[i])) {
            judge_container(judging, pod, containers->items[i]);
            rollout->grace_s =
                manifest_number(yaml_get(pod, "terminationGracePeriodSeconds"), GRACE_PRESET_S);
            rollout_check(rollout, root, containers->items[i]);
            judged++;
        }
    return judged;
}

/* The documents of a stream, one by one: our YAML reads one. */
static bool judge_kubernetes(const struct judging *judging, struct arena *arena, const char *path,
                             struct bytes text)
{
    struct yaml_source source = { .file = path };
    struct yaml_node *documents[DOCUMENTS_MAX];
    struct rollout rollout = { judging->conf, judging->diagnostics, documents, 0, 0 };
    int judged = 0;
    uint32_t line = 0;
    for (int i = 0; i < DOCUMENTS_MAX && text.data; i++) {
        const char *begin = text.data;
        const uint32_t first_line = line;
        const char *end = NULL;
        while (!end && text.data) {
            const struct bytes one = bytes_cut(&text, '\n');
            line++;
            if (bytes_starts(one, BYTES("---")))
                end = one.data;
            else if (!text.data)
                end = one.data + one.size;
        }
        source.text = (struct bytes){ begin, (size_t)(end - begin) };
        source.line_offset = first_line;
        if (!yaml_parse(arena, &source, judging->diagnostics, &documents[rollout.count]))
            return false;
        rollout.count++;
    }
    for (int i = 0; i < rollout.count; i++)
        judged += judge_document(judging, documents[i], &rollout);
    if (!judged)
        (void)diagnostics_error(judging->diagnostics, (struct source_place){ path, 0, 0 },
                                "no workload here runs `lintel serve`");
    return true;
}

/* ---- systemd ---- */

/* "45s", "45", "1min 30s" as far as units of ours go. */
static bool systemd_seconds(struct bytes value, int64_t *ret_seconds)
{
    int64_t number;
    struct bytes digits = value;
    while (digits.size && (digits.data[digits.size - 1] < '0' || digits.data[digits.size - 1] > '9'))
        digits.size--;
    const struct bytes unit = bytes_trim(bytes_from(value, digits.size));
    if (!bytes_to_int64(digits, &number))
        return false;
    *ret_seconds = bytes_is(unit, "min") ? number * 60 : number;
    return unit.size == 0 || bytes_is(unit, "s") || bytes_is(unit, "sec") || bytes_is(unit, "min");
}

static void judge_systemd(const struct judging *judging, const char *path, struct bytes text)
{
    struct source_place place = { path, 0, 1 }, stop_place = { path, 0, 0 };
    int64_t stop_s = SYSTEMD_STOP_PRESET_S;
    bool notify = false;
    while (text.data && text.size) {
        struct bytes line = bytes_trim(bytes_cut(&text, '\n'));
        place.line++;
        const struct bytes key = bytes_cut(&line, '=');
        notify |= bytes_is(key, "Type") && (bytes_is(line, "notify") || bytes_is(line, "notify-reload"));
        if (!bytes_is(key, "TimeoutStopSec"))
            continue;
        stop_place = place;
        if (!systemd_seconds(line, &stop_s))
            (void)diagnostics_error(judging->diagnostics, place, "TimeoutStopSec: write seconds, as in 45s");
    }
    const int64_t needed_s = drain_s(judging) + GRACE_SPARE_S;
    if (stop_s < needed_s) {
        (void)diagnostics_error(
            judging->diagnostics, stop_place,
            "TimeoutStopSec is %lld s: http.drain_delay and http.drain_timeout and %d s to spare "
            "make %lld, and requests would be cut",
            (long long)stop_s, GRACE_SPARE_S, (long long)needed_s);
        diagnostics_fix(judging->diagnostics, "TimeoutStopSec=%llds", (long long)needed_s);
    }
    if (!notify) {
        diagnostics_warning(judging->diagnostics, (struct source_place){ path, 0, 0 },
                            "systemd does not hear when the server is ready");
        diagnostics_fix(judging->diagnostics, "Type=notify");
    }
}

bool manifests_check(const struct app_conf *conf, const char *path, struct diagnostics *diagnostics)
{
    const struct judging judging = { conf, config_section(conf, "http"), diagnostics };
    struct bytes text;
    if (!file_read(diagnostics->arena, path, MANIFEST_BYTES_MAX, &text)) {
        (void)diagnostics_error(diagnostics, (struct source_place){ path, 0, 0 }, "%s",
                                failure_here->message);
        failure_clear();
        return false;
    }
    if (!bytes_ends(bytes_of(path), BYTES(".service")))
        return judge_kubernetes(&judging, diagnostics->arena, path, text);
    judge_systemd(&judging, path, text);
    return true;
}
