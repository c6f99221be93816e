#pragma once
/* route.h - from method and path to a handler. A router is an immutable snapshot, swapped whole when the app
 * changes. */
#include "http/req.h"

/* true: the answer is built (or streamed). false: failure_here says why; the edge writes the error envelope.
 */
typedef bool (*handler_fn)(struct req *req, void *room);

enum route_priority { ROUTE_NORMAL, ROUTE_HIGH, ROUTE_LOW };

struct route {
    enum http_method method; /* HTTP_GET serves HEAD too */
    const char *pattern; /* "/v1/items/{id}": literal segments and {name}; names are unique in a pattern */
    handler_fn run;
    void *room;       /* the feature's own, given to run */
    const void *data; /* the feature's own, per route (its resource) */
    bool admin;       /* only on the admin listener; others only on the public one unless `both` */
    bool both;
    bool exempt;                  /* not shed, not limited: probes */
    enum route_priority priority; /* who is refused first when there is too much to do */
    int64_t concurrent_max;       /* of this route at once, whole process; 0: no limit of its own */
    int64_t timeout_ns;           /* the request's deadline; 0: the server's default */
    int64_t body_bytes_max;       /* 0: the server's default */
    const char *not_ready; /* NULL: it serves; else what the database lacks for it, for the operator alone;
                              borrowed as long as the router lives */
    void *observed; /* the record of whoever measures routes; set before the router is shared; may be NULL */
    void *admitted; /* the same, of whoever admits requests */
    int index;      /* set by router_add: 0.. */
};

struct router;
struct router *router_new(void);
/* Copies *route and the strings in it (not room, data). Errors: false with PROBLEM_CONFIG when method +
 * pattern is taken already, or the pattern is malformed; the message names both. */
bool router_add(struct router *router, const struct route *route);
int router_count(const struct router *router);
struct route *router_route(struct router *router, int index); /* to set `observed` before it is shared */
struct router *router_ref(struct router *router);
void router_unref(struct router *router);
/* Called with the last reference, so that what `data` points to can be let go. */
void router_on_free(struct router *router, void (*fn)(void *arg), void *arg);

enum router_verdict { ROUTER_FOUND, ROUTER_NOT_FOUND, ROUTER_METHOD };
/* Fills req->route and req->params. On ROUTER_METHOD *ret_allow gets a bit per allowed method (1u << HTTP_GET
 * …; HEAD and OPTIONS included). A literal segment wins over a parameter. A trailing slash is another path
 * (404). */
enum router_verdict router_match(const struct router *router, struct req *req, unsigned *ret_allow);
