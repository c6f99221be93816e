#include "app/check_rollout.h"

#include "app/process.h"
#include "base/clock.h"

/* What Kubernetes takes where nothing is written. */
#define PROBE_PERIOD_PRESET_S      10
#define PROBE_FAILURES_PRESET      3
#define PROGRESS_DEADLINE_PRESET_S 600
#define REPLICAS_PRESET            1
#define SURGE_PRESET_PERCENT       25
#define STARTS_WITHIN_S            20 /* with its catalog read, on a machine that is busy */

const struct yaml_node *manifest_get(const struct yaml_node *node, const char *const *keys)
{
    for (; *keys && node; keys++)
        node = yaml_get(node, *keys);
    return node;
}

int64_t manifest_number(const struct yaml_node *node, int64_t preset)
{
    int64_t number = preset;
    if (node && !yaml_to_int(node, &number))
        return preset;
    return number;
}

static bool is_kind(const struct yaml_node *document, const char *kind)
{
    const struct yaml_node *node = yaml_get(document, "kind");
    return node && node->kind == YAML_SCALAR && bytes_is(node->value, kind);
}

/* "2", or "25%" of the replicas: up for maxSurge, down for maxUnavailable. */
static int64_t share_of(const struct yaml_node *node, int64_t percent_preset, int64_t replicas, bool up)
{
    int64_t percent = percent_preset, number;
    if (node && yaml_to_int(node, &number))
        return number;
    if (node && bytes_ends(node->value, BYTES("%")))
        (void)bytes_to_int64(bytes_first(node->value, node->value.size - 1), &percent);
    return (replicas * percent + (up ? 99 : 0)) / 100;
}

/* ---- how many pods there are ---- */

struct replicas {
    int64_t least, most;
    struct source_place place; /* of the larger number */
};

static const struct yaml_node *scaler_of(const struct rollout *rollout, const struct yaml_node *workload)
{
    const struct yaml_node *name = MANIFEST_GET(workload, "metadata", "name");
    for (int i = 0; name && i < rollout->count; i++) {
        const struct yaml_node *target =
            MANIFEST_GET(rollout->documents[i], "spec", "scaleTargetRef", "name");
        if (is_kind(rollout->documents[i], "HorizontalPodAutoscaler") && target &&
            bytes_equal(target->value, name->value))
            return rollout->documents[i];
    }
    return NULL;
}

static struct replicas replicas_of(const struct rollout *rollout, const struct yaml_node *workload)
{
    const struct yaml_node *scaler = scaler_of(rollout, workload);
    const struct yaml_node *written = MANIFEST_GET(workload, "spec", "replicas");
    const struct yaml_node *most = scaler ? MANIFEST_GET(scaler, "spec", "maxReplicas") : written;
    const int64_t fixed = manifest_number(written, REPLICAS_PRESET);
    return (struct replicas){
        .least = scaler ? manifest_number(MANIFEST_GET(scaler, "spec", "minReplicas"), 1) : fixed,
        .most = manifest_number(most, fixed),
        .place = most ? most->place : workload->place,
    };
}

/* ---- the rollout ---- */

static int64_t patience_s(const struct yaml_node *container, const char *probe)
{
    return manifest_number(MANIFEST_GET(container, probe, "initialDelaySeconds"), 0) +
           manifest_number(MANIFEST_GET(container, probe, "periodSeconds"), PROBE_PERIOD_PRESET_S) *
               manifest_number(MANIFEST_GET(container, probe, "failureThreshold"), PROBE_FAILURES_PRESET);
}

static void judge_strategy(const struct rollout *rollout, const struct yaml_node *workload)
{
    struct diagnostics *diagnostics = rollout->diagnostics;
    static const char fix[] =
        "strategy: { type: RollingUpdate, rollingUpdate: { maxUnavailable: 0, maxSurge: 1 } }";
    const struct yaml_node *type = MANIFEST_GET(workload, "spec", "strategy", "type");
    const struct yaml_node *gone =
        MANIFEST_GET(workload, "spec", "strategy", "rollingUpdate", "maxUnavailable");
    const struct yaml_node *surge = MANIFEST_GET(workload, "spec", "strategy", "rollingUpdate", "maxSurge");
    if (type && bytes_is(type->value, "Recreate")) {
        diagnostics_warning(diagnostics, type->place,
                            "with Recreate every server ends before the next one starts");
    } else if (!gone || share_of(gone, 0, 100, false) > 0) {
        diagnostics_warning(diagnostics, gone ? gone->place : workload->place,
                            "a rollout may take servers away before the new ones serve");
    } else if (surge && share_of(surge, 0, 100, true) == 0) {
        (void)diagnostics_error(diagnostics, surge->place,
                                "no pod may be missing and none too many: a rollout can never begin");
    } else {
        return;
    }
    diagnostics_fix(diagnostics, "%s", fix);
}

static void judge_pace(const struct rollout *rollout, const struct yaml_node *workload,
                       const struct yaml_node *container)
{
    struct diagnostics *diagnostics = rollout->diagnostics;
    const struct yaml_node *ready = MANIFEST_GET(workload, "spec", "minReadySeconds");
    const struct yaml_node *deadline = MANIFEST_GET(workload, "spec", "progressDeadlineSeconds");
    const int64_t ready_s = manifest_number(ready, 0), start_s = patience_s(container, "startupProbe");
    const int64_t needed_s = start_s + ready_s + rollout->grace_s;
    if (ready_s < 1) {
        diagnostics_warning(diagnostics, ready ? ready->place : workload->place,
                            "a server that was ready for a moment counts: a bad one is not noticed before it "
                            "has replaced all others");
        diagnostics_fix(diagnostics, "minReadySeconds: 5");
    }
    if (manifest_number(deadline, PROGRESS_DEADLINE_PRESET_S) < needed_s) {
        (void)diagnostics_error(
            diagnostics, deadline ? deadline->place : workload->place,
            "progressDeadlineSeconds is %lld: one pod may take %lld s to start, %lld to count as ready and "
            "%lld to end, so that a sound rollout is called failed",
            (long long)manifest_number(deadline, PROGRESS_DEADLINE_PRESET_S), (long long)start_s,
            (long long)ready_s, (long long)rollout->grace_s);
        diagnostics_fix(diagnostics, "progressDeadlineSeconds: %lld", (long long)needed_s);
    }
}

/* The probes' paths are judged elsewhere; here it is how long they wait. */
static void judge_patience(const struct rollout *rollout, const struct yaml_node *container)
{
    struct diagnostics *diagnostics = rollout->diagnostics;
    const struct process_conf *process = config_section(rollout->conf, "process");
    const struct yaml_node *startup = yaml_get(container, "startupProbe");
    const struct yaml_node *liveness = yaml_get(container, "livenessProbe");
    const int64_t stall_s = (process->stall_ns + NS_PER_S - 1) / NS_PER_S;
    if (startup && patience_s(container, "startupProbe") < STARTS_WITHIN_S) {
        diagnostics_warning(diagnostics, startup->place,
                            "startupProbe gives up after %lld s: on a busy machine a start takes longer",
                            (long long)patience_s(container, "startupProbe"));
        diagnostics_fix(diagnostics, "periodSeconds: 1, failureThreshold: 30");
    }
    if (liveness && patience_s(container, "livenessProbe") < stall_s) {
        diagnostics_warning(
            diagnostics, liveness->place,
            "livenessProbe ends the pod after %lld s: before process.stall (%lld s), after which the "
            "supervisor starts another server behind the same listeners, so that no client is refused",
            (long long)patience_s(container, "livenessProbe"), (long long)stall_s);
        diagnostics_fix(diagnostics, "periodSeconds: 10, failureThreshold: %lld",
                        (long long)((stall_s + 9) / 10));
    }
}

static void judge_nodes(const struct rollout *rollout, const struct yaml_node *workload,
                        const struct replicas *replicas)
{
    const struct pg_conf *pools = config_section(rollout->conf, "pools");
    const struct yaml_node *type = MANIFEST_GET(workload, "spec", "strategy", "type");
    const bool overlaps = !type || !bytes_is(type->value, "Recreate");
    const int64_t at_once =
        replicas->most + share_of(MANIFEST_GET(workload, "spec", "strategy", "rollingUpdate", "maxSurge"),
                                  overlaps ? SURGE_PRESET_PERCENT : 0, replicas->most, true);
    if (at_once <= pools->nodes)
        return;
    diagnostics_warning(rollout->diagnostics, replicas->place,
                        "up to %lld pods share the database (those of maxSurge included), but pools.nodes is "
                        "%lld: nobody checks whether pools.max (%lld) fits so many times",
                        (long long)at_once, (long long)pools->nodes, (long long)pools->max);
    diagnostics_fix(rollout->diagnostics, "in lintel.yaml: pools: { nodes: %lld }", (long long)at_once);
}

/* ---- the disruption budget ---- */

static bool selects(const struct yaml_node *document, const struct yaml_node *workload)
{
    const struct yaml_node *wanted = MANIFEST_GET(document, "spec", "selector", "matchLabels");
    const struct yaml_node *labels = MANIFEST_GET(workload, "spec", "template", "metadata", "labels");
    if (!wanted || wanted->kind != YAML_MAPPING || !labels)
        return false;
    for (int i = 0; i < wanted->count; i++) {
        const struct yaml_pair *pair = &wanted->pairs[i];
        const char *key = pair->key->value.data; /* NUL-terminated */
        const struct yaml_node *label = yaml_get(labels, key);
        if (!label || !bytes_equal(label->value, pair->value->value))
            return false;
    }
    return true;
}

static void judge_budget(const struct rollout *rollout, const struct yaml_node *workload,
                         const struct replicas *replicas)
{
    struct diagnostics *diagnostics = rollout->diagnostics;
    const struct yaml_node *budget = NULL;
    for (int i = 0; i < rollout->count && !budget; i++)
        if (is_kind(rollout->documents[i], "PodDisruptionBudget") && selects(rollout->documents[i], workload))
            budget = rollout->documents[i];
    if (!budget) {
        diagnostics_warning(diagnostics, workload->place,
                            "no PodDisruptionBudget selects these pods: whoever empties nodes may end all of "
                            "them at once");
        diagnostics_fix(diagnostics, "kind: PodDisruptionBudget, spec: { minAvailable: 1, selector: … }");
        return;
    }
    const struct yaml_node *kept = MANIFEST_GET(budget, "spec", "minAvailable");
    const struct yaml_node *gone = MANIFEST_GET(budget, "spec", "maxUnavailable");
    const int64_t least = replicas->least;
    if ((!kept || share_of(kept, 0, least, true) < least) && (!gone || share_of(gone, 0, least, true) > 0))
        return;
    (void)diagnostics_error(diagnostics, kept ? kept->place : gone->place,
                            "with %lld pods the budget lets none go: no node that has one can be emptied",
                            (long long)least);
    diagnostics_fix(diagnostics, "minAvailable: 1, with at least two replicas");
}

void rollout_check(const struct rollout *rollout, const struct yaml_node *workload,
                   const struct yaml_node *container)
{
    judge_patience(rollout, container);
    if (!is_kind(workload, "Deployment"))
        return;
    const struct replicas replicas = replicas_of(rollout, workload);
    judge_strategy(rollout, workload);
    judge_pace(rollout, workload, container);
    judge_nodes(rollout, workload, &replicas);
    judge_budget(rollout, workload, &replicas);
}
