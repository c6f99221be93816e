#include "features/observe/blocked.h"

#include <stdlib.h>

#include "wire/json_write.h"

#define SHOWN_MAX 100 /* of the routes: an answer to a probe stays small */

struct blocked_route {
    char *name; /* GET /v1/a */
    const char *lacks;
};
struct blocked {
    struct blocked_route *routes;
    int count;
    bool badly;
};

static bool is_required(const char *requires, const char *name)
{
    struct bytes rest = bytes_of(requires);
    if (bytes_is(bytes_trim(rest), "all"))
        return true;
    while (rest.data)
        if (bytes_is(bytes_trim(bytes_cut(&rest, ',')), name))
            return true;
    return false;
}

struct blocked *blocked_make(struct router *router, const char *requires)
{
    struct blocked *blocked = calloc(1, sizeof *blocked);
    check(blocked != NULL);
    blocked->routes = calloc((size_t)router_count(router) + 1, sizeof *blocked->routes);
    check(blocked->routes != NULL);
    for (int i = 0; i < router_count(router); i++) {
        const struct route *route = router_route(router, i);
        if (!route->not_ready)
            continue;
        struct blocked_route *entry = &blocked->routes[blocked->count++];
        entry->lacks = route->not_ready;
        check(asprintf(&entry->name, "%s %s", http_method_names[route->method], route->pattern) > 0);
        blocked->badly |= requires && is_required(requires, entry->name);
    }
    return blocked;
}

void blocked_free(void *arg)
{
    struct blocked *blocked = arg;
    for (int i = 0; i < blocked->count; i++)
        free(blocked->routes[i].name);
    free(blocked->routes);
    free(blocked);
}

bool blocked_badly(const struct blocked *blocked)
{
    return blocked && blocked->badly;
}

int blocked_count(const struct blocked *blocked)
{
    return blocked ? blocked->count : 0;
}

void blocked_write(struct text *text, const struct blocked *blocked, bool reasons)
{
    if (blocked_count(blocked) == 0)
        return;
    text_lit(text, ",\"routes_not_ready\":[");
    for (int i = 0; i < blocked->count && i < SHOWN_MAX; i++) {
        text_add_z(text, i ? ",{\"route\":" : "{\"route\":");
        json_write_string(text, bytes_of(blocked->routes[i].name));
        if (reasons) {
            text_lit(text, ",\"lacks\":");
            json_write_string(text, bytes_of(blocked->routes[i].lacks));
        }
        text_byte(text, '}');
    }
    text_byte(text, ']');
}
