#pragma once
/* check_manifests.h - whether what starts and stops a server (Kubernetes, systemd) fits what the server is
 * set to. */
#include "app/config.h"

/* Reads a file of Kubernetes manifests (.yaml, .yml; every workload that runs `lintel serve`) or a systemd
 * unit
 * (.service), and says where probes, grace and drain disagree. Errors: false when the file cannot be read or
 * parsed; both that and findings are in *diagnostics. */
bool manifests_check(const struct app_conf *conf, const char *path, struct diagnostics *diagnostics);
