/* router.c - a trie of path segments. Each node knows its literal children by hash and at most one child for
 * "any segment"; a match that runs into a dead end behind a literal comes back and tries the parameter. */
#include "http/router.h"

#include <stdatomic.h>
#include <stdlib.h>

#include "base/table.h"

struct entry { /* a route and what belongs to it */
    struct route route;
    char *label;
    char *params[REQ_PARAMS_MAX];
    int params_count;
};

struct node {
    struct table children;                  /* segment -> struct node */
    struct node *any;                       /* {name} */
    struct entry *entries[2][HTTP_METHODS]; /* public, admin */
    struct node *all_next;                  /* of the router, to free */
    char *segment;
};

struct router {
    struct node *root, *all;
    struct entry **entries;
    int count, room;
    _Atomic int64_t users;
    struct on_free {
        struct on_free *next;
        void (*fn)(void *arg);
        void *arg;
    } * on_free;
};

static void *must(void *block)
{
    check(block != NULL);
    return block;
}

static struct node *node_new(struct router *router)
{
    struct node *node = must(calloc(1, sizeof *node));
    node->all_next = router->all;
    router->all = node;
    return node;
}

struct router *router_new(void)
{
    struct router *router = must(calloc(1, sizeof *router));
    router->users = 1;
    router->root = node_new(router);
    return router;
}

static bool malformed(const struct route *route, const char *why)
{
    return fail(&PROBLEM_CONFIG, "route %s %s: %s", http_method_names[route->method], route->pattern, why);
}

/* One segment of a pattern: fills the entry's parameter list. */
static bool read_segment(const struct route *route, struct entry *entry, struct bytes segment, bool *ret_any)
{
    *ret_any = segment.size >= 2 && segment.data[0] == '{' && segment.data[segment.size - 1] == '}';
    if (!segment.size)
        return malformed(route, "an empty segment");
    if (!*ret_any)
        return bytes_find(segment, '{') < 0 && bytes_find(segment, '}') < 0
                   ? true
                   : malformed(route, "a parameter is a whole segment: /{name}/");
    const struct bytes name = { segment.data + 1, segment.size - 2 };
    if (!name.size || bytes_find(name, '{') >= 0 || bytes_find(name, '}') >= 0)
        return malformed(route, "a parameter without a name");
    if (entry->params_count == REQ_PARAMS_MAX)
        return malformed(route, "more than 8 parameters");
    for (int i = 0; i < entry->params_count; i++)
        if (bytes_is(name, entry->params[i]))
            return malformed(route, "a parameter's name stands twice");
    entry->params[entry->params_count++] = must(strndup(name.data, name.size));
    return true;
}

static struct node *child_of(struct router *router, struct node *node, struct bytes segment, bool any)
{
    struct node *child = any ? node->any : table_get(&node->children, segment);
    if (child)
        return child;
    child = node_new(router);
    if (any) {
        node->any = child;
    } else {
        child->segment = must(strndup(segment.data, segment.size));
        table_put(&node->children, (struct bytes){ child->segment, segment.size }, child);
    }
    return child;
}

static void entry_free(struct entry *entry)
{
    for (int i = 0; i < entry->params_count; i++)
        free(entry->params[i]);
    free((char *)entry->route.pattern);
    free(entry->label);
    free(entry);
}

static bool place(struct router *router, struct entry *entry)
{
    const struct route *route = &entry->route;
    struct node *node = router->root;
    struct bytes rest = bytes_of(route->pattern);
    if (!rest.size || rest.data[0] != '/')
        return malformed(route, "a pattern begins with /");
    rest = bytes_from(rest, 1);
    while (rest.data && route->pattern[1]) { /* "/" alone is the root */
        bool any;
        const struct bytes segment = bytes_cut(&rest, '/');
        if (!read_segment(route, entry, segment, &any))
            return false;
        node = child_of(router, node, segment, any);
    }
    for (int admin = 0; admin < 2; admin++) {
        if (!route->both && route->admin != admin)
            continue;
        struct entry **slot = &node->entries[admin][route->method];
        if (*slot)
            return fail(&PROBLEM_CONFIG, "route %s %s is taken already, by %s",
                        http_method_names[route->method], route->pattern, (*slot)->label);
        *slot = entry;
    }
    return true;
}

static void unplace(struct router *router, const struct entry *entry)
{
    for (struct node *node = router->all; node; node = node->all_next)
        for (int admin = 0; admin < 2; admin++)
            if (node->entries[admin][entry->route.method] == entry)
                node->entries[admin][entry->route.method] = NULL;
}

bool router_add(struct router *router, const struct route *route)
{
    check(route->run != NULL && route->pattern != NULL && route->method < HTTP_METHODS);
    struct entry *entry = must(calloc(1, sizeof *entry));
    entry->route = *route;
    entry->route.pattern = must(strdup(route->pattern));
    if (asprintf(&entry->label, "%s %s", http_method_names[route->method], route->pattern) < 0)
        check(false);
    if (!place(router, entry)) {
        unplace(router, entry);
        entry_free(entry);
        return false;
    }
    if (router->count == router->room) {
        router->room = router->room ? router->room * 2 : 64;
        router->entries = must(realloc(router->entries, (size_t)router->room * sizeof *router->entries));
    }
    entry->route.index = router->count;
    router->entries[router->count++] = entry;
    return true;
}

int router_count(const struct router *router)
{
    return router->count;
}

struct route *router_route(struct router *router, int index)
{
    check(index >= 0 && index < router->count);
    return &router->entries[index]->route;
}

struct router *router_ref(struct router *router)
{
    atomic_fetch_add_explicit(&router->users, 1, memory_order_relaxed);
    return router;
}

void router_on_free(struct router *router, void (*fn)(void *arg), void *arg)
{
    struct on_free *on_free = must(calloc(1, sizeof *on_free));
    *on_free = (struct on_free){ .next = router->on_free, .fn = fn, .arg = arg };
    router->on_free = on_free;
}

void router_unref(struct router *router)
{
    if (!router || atomic_fetch_sub_explicit(&router->users, 1, memory_order_acq_rel) != 1)
        return;
    while (router->on_free) {
        struct on_free *on_free = router->on_free;
        router->on_free = on_free->next;
        on_free->fn(on_free->arg);
        free(on_free);
    }
    for (int i = 0; i < router->count; i++)
        entry_free(router->entries[i]);
    while (router->all) {
        struct node *node = router->all;
        router->all = node->all_next;
        table_done(&node->children);
        free(node->segment);
        free(node);
    }
    free(router->entries);
    free(router);
}

int route_param_index(const struct route *route, const char *name)
{
    const struct entry *entry = container_of(route, struct entry, route);
    for (int i = 0; i < entry->params_count; i++)
        if (strcmp(entry->params[i], name) == 0)
            return i;
    return -1;
}

const char *route_label(const struct route *route)
{
    return container_of(route, struct entry, route)->label;
}

struct match {
    struct req *req;
    struct entry *found;
    unsigned allow;
};

static void consider(struct match *match, const struct node *node)
{
    struct entry *const *entries = node->entries[match->req->admin];
    struct entry *entry = entries[match->req->method];
    if (!entry && match->req->method == HTTP_HEAD)
        entry = entries[HTTP_GET];
    match->found = entry;
    for (int method = 0; !entry && method < HTTP_METHODS; method++)
        if (entries[method])
            match->allow |= 1u << method;
}

/* Depth is at most URI_SEGMENTS_MAX; of each two ways the literal one goes first. */
static void descend(struct match *match, const struct node *node, size_t at, int params)
{
    const struct uri *uri = &match->req->uri;
    if (at == uri->segments_count) {
        consider(match, node);
        return;
    }
    const struct bytes segment = uri->segments[at];
    const struct node *child = node->children.count ? table_get(&node->children, segment) : NULL;
    if (child)
        descend(match, child, at + 1, params);
    if (!match->found && node->any && params < REQ_PARAMS_MAX) {
        match->req->params[params] = segment;
        descend(match, node->any, at + 1, params + 1);
    }
}

enum router_verdict router_match(const struct router *router, struct req *req, unsigned *ret_allow)
{
    struct match match = { .req = req };
    if (!req->uri.asterisk && !(req->uri.trailing_slash && req->uri.segments_count))
        descend(&match, router->root, 0, 0);
    if (match.found) {
        req->route = &match.found->route;
        return ROUTER_FOUND;
    }
    if (!match.allow)
        return ROUTER_NOT_FOUND;
    if (match.allow & 1u << HTTP_GET)
        match.allow |= 1u << HTTP_HEAD;
    *ret_allow = match.allow | 1u << HTTP_OPTIONS;
    return ROUTER_METHOD;
}
