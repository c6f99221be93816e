/* From method and path to a route. */
#include "base/test.h"
#include "http/route.h"

static bool nothing(struct req *req, void *room)
{
    (void)req, (void)room;
    return true;
}

static bool add(struct router *router, enum http_method method, const char *pattern)
{
    failure_clear();
    return router_add(router, &(struct route){ .method = method, .pattern = pattern, .run = nothing });
}

static struct arena arena;
static struct req req;
static unsigned allow;

static enum router_verdict match(const struct router *router, enum http_method method, const char *target)
{
    const bool admin = req.admin;
    arena_done(&arena);
    req = (struct req){ .method = method, .admin = admin };
    allow = 0;
    check(uri_parse(&arena, bytes_of(target), &req.uri, NULL));
    return router_match(router, &req, &allow);
}

#define expect_route(router, method, target, pattern_)                                                       \
    do {                                                                                                     \
        expect_eq(match(router, method, target), ROUTER_FOUND);                                              \
        expect_str(req.route->pattern, pattern_);                                                            \
    } while (0)

TEST(literal_segments_win_over_parameters_and_dead_ends_come_back)
{
    struct router *router = router_new();
    expect(add(router, HTTP_GET, "/"));
    expect(add(router, HTTP_GET, "/v1/items"));
    expect(add(router, HTTP_GET, "/v1/items/{id}"));
    expect(add(router, HTTP_GET, "/v1/items/new"));
    expect(add(router, HTTP_GET, "/v1/{kind}/{id}/lines"));
    expect(add(router, HTTP_POST, "/v1/items/search"));
    expect_route(router, HTTP_GET, "/", "/");
    expect_route(router, HTTP_GET, "/v1/items", "/v1/items");
    expect_route(router, HTTP_HEAD, "/v1/items?x=1", "/v1/items");
    expect_route(router, HTTP_GET, "/v1/items/new", "/v1/items/new");
    expect_route(router, HTTP_GET, "/v1/items/7", "/v1/items/{id}");
    expect_bytes(req_param(&req, "id"), "7");
    expect(req_param(&req, "kind").data == NULL);
    expect_route(router, HTTP_GET, "/v1/items/new/lines", "/v1/{kind}/{id}/lines");
    expect_bytes(req_param(&req, "kind"), "items");
    expect_bytes(req_param(&req, "id"), "new");
    expect_route(router, HTTP_POST, "/v1/items/search", "/v1/items/search");
    expect_route(router, HTTP_GET, "/v1/items/search", "/v1/items/{id}"); /* the literal one takes no GET */
    expect_route(router, HTTP_GET, "/v1/items/a%2Fb", "/v1/items/{id}");
    expect_bytes(req_param(&req, "id"), "a/b");
    expect_eq(match(router, HTTP_GET, "/v1"), ROUTER_NOT_FOUND);
    expect_eq(match(router, HTTP_GET, "/v1/items/"), ROUTER_NOT_FOUND);
    expect_eq(match(router, HTTP_GET, "/V1/items"), ROUTER_NOT_FOUND);
    expect_eq(match(router, HTTP_GET, "/v1/items/7/lines/8"), ROUTER_NOT_FOUND);
    router_unref(router);
}

TEST(a_wrong_method_is_told_all_that_are_allowed)
{
    struct router *router = router_new();
    expect(add(router, HTTP_GET, "/a/{x}"));
    expect(add(router, HTTP_DELETE, "/a/b"));
    expect_eq(match(router, HTTP_PUT, "/a/b"), ROUTER_METHOD);
    expect_eq(allow, 1u << HTTP_GET | 1u << HTTP_HEAD | 1u << HTTP_DELETE | 1u << HTTP_OPTIONS);
    expect_eq(match(router, HTTP_PUT, "/a/c"), ROUTER_METHOD);
    expect_eq(allow, 1u << HTTP_GET | 1u << HTTP_HEAD | 1u << HTTP_OPTIONS);
    expect_eq(match(router, HTTP_OPTIONS, "/a/c"), ROUTER_METHOD);
    router_unref(router);
}

TEST(malformed_and_taken_patterns_are_refused_by_name)
{
    struct router *router = router_new();
    static const char *const wrong[] = { "",
                                         "a",
                                         "/a//b",
                                         "/a/",
                                         "/{}",
                                         "/{a",
                                         "/a}",
                                         "/x{a}",
                                         "/{a}/{a}",
                                         "/{a{b}}",
                                         "/{a}/{b}/{c}/{d}/{e}/{f}/{g}/{h}/{i}" };
    for (size_t i = 0; i < array_count(wrong); i++)
        expect(!add(router, HTTP_GET, wrong[i]));
    expect(add(router, HTTP_GET, "/{a}/{b}/{c}/{d}/{e}/{f}/{g}/{h}"));
    expect(add(router, HTTP_GET, "/items/{id}"));
    expect(!add(router, HTTP_GET, "/items/{key}"));
    expect_str(failure_here->message, "route GET /items/{key} is taken already, by GET /items/{id}");
    expect(failure_here->problem == &PROBLEM_CONFIG);
    expect(add(router, HTTP_POST, "/items/{key}"));
    expect_eq(router_count(router), 3);
    router_unref(router);
}

TEST(admin_routes_and_public_ones_do_not_see_each_other)
{
    struct router *router = router_new();
    expect(router_add(router, &(struct route){ .pattern = "/metrics", .run = nothing, .admin = true }));
    expect(router_add(router, &(struct route){ .pattern = "/livez", .run = nothing, .both = true }));
    expect(router_add(router, &(struct route){ .pattern = "/api", .run = nothing }));
    expect(router_add(router, &(struct route){ .pattern = "/api", .run = nothing, .admin = true }));
    expect(!router_add(router, &(struct route){ .pattern = "/livez", .run = nothing, .admin = true }));
    expect(!router_add(router, &(struct route){ .pattern = "/metrics", .run = nothing, .both = true }));
    req.admin = false;
    expect_eq(match(router, HTTP_GET, "/metrics"), ROUTER_NOT_FOUND); /* nor half placed by the refused one */
    expect_eq(match(router, HTTP_GET, "/livez"), ROUTER_FOUND);
    expect_eq(match(router, HTTP_GET, "/api"), ROUTER_FOUND);
    expect(!req.route->admin);
    req.admin = true;
    expect_eq(match(router, HTTP_GET, "/metrics"), ROUTER_FOUND);
    expect_eq(match(router, HTTP_GET, "/livez"), ROUTER_FOUND);
    expect_eq(match(router, HTTP_GET, "/api"), ROUTER_FOUND);
    expect(req.route->admin);
    req.admin = false;
    router_unref(router);
}

TEST(ten_thousand_routes_are_each_found)
{
    struct router *router = router_new();
    char pattern[64];
    for (int i = 0; i < 10000; i++) {
        snprintf(pattern, sizeof pattern, "/v1/t%d/{id}", i);
        expect(add(router, HTTP_GET, pattern));
    }
    for (int i = 0; i < 10000; i += 7) {
        snprintf(pattern, sizeof pattern, "/v1/t%d/%d", i, i);
        expect_eq(match(router, HTTP_GET, pattern), ROUTER_FOUND);
        expect_eq(req.route->index, i);
    }
    router_unref(router);
}

static void count_up(void *arg)
{
    ++*(int *)arg;
}

TEST(what_hangs_on_a_router_ends_with_its_last_reference)
{
    struct router *router = router_new();
    int freed = 0;
    router_on_free(router, count_up, &freed);
    router_on_free(router, count_up, &freed);
    router_ref(router);
    router_unref(router);
    expect_eq(freed, 0);
    router_unref(router);
    expect_eq(freed, 2);
    arena_done(&arena);
}
