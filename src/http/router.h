#pragma once
/* router.h - what the http room alone needs of a route that a router holds. */
#include "http/route.h"

/* Which of req->params has that name; -1: none. */
int route_param_index(const struct route *route, const char *name);
/* "GET /v1/items/{id}", for logs; lives as long as the router. */
const char *route_label(const struct route *route);
