#pragma once
/* check_rollout.h - whether a workload of Kubernetes replaces its pods one by one without anybody noticing:
 * the rollout, the probes' patience, how many pods share the database, and what may empty a node. */
#include "app/config.h"
#include "wire/yaml.h"

struct rollout {
    const struct app_conf *conf;
    struct diagnostics *diagnostics;
    struct yaml_node *const *documents; /* all of the file: the autoscaler and the budget are among them */
    int count;
    int64_t grace_s; /* how long a pod may take to end */
};

/* The value behind a path of keys; NULL when one is not there. */
const struct yaml_node *manifest_get(const struct yaml_node *node, const char *const *keys);
#define MANIFEST_GET(node, ...) manifest_get(node, (const char *const[]){ __VA_ARGS__, NULL })
/* A number at that path, or the preset. */
int64_t manifest_number(const struct yaml_node *node, int64_t preset);

/* workload: the document whose pods run `lintel serve` in `container`. */
void rollout_check(const struct rollout *rollout, const struct yaml_node *workload,
                   const struct yaml_node *container);
