#pragma once
/* blocked.h - which routes wait for their schema, for one router: what /readyz tells of them. */
#include "http/route.h"

struct blocked;
/* requires: "" none, "all", or routes as "GET /v1/a, POST /v1/b" without which the process is not ready. */
struct blocked *blocked_make(struct router *router, const char *requires);
void blocked_free(void *blocked);
/* Some route that is required waits. NULL: none does. */
bool blocked_badly(const struct blocked *blocked);
int blocked_count(const struct blocked *blocked);
/* ,"routes_not_ready":[{"route":"GET /v1/a"}], with "lacks" for the operator; nothing when there are none. */
void blocked_write(struct text *text, const struct blocked *blocked, bool reasons);
