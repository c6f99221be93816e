#pragma once
/* exposure.h - what may not be offered to the world: until authentication is configured, an app with public
 * writes listens on loopback only (DESIGN 1). */
#include "app/config.h"

struct resource_set;

/* Adds an error for each resource with public writes when conf->listen is not a loopback address or a unix
 * socket. */
void exposure_check(const struct app_conf *conf, const struct resource_set *set,
                    struct diagnostics *diagnostics);
/* 127.0.0.0/8, [::1], localhost, unix:… */
bool listens_on_loopback(const char *address);
