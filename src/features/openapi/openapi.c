/* openapi.c - the door: /openapi.json, /errors and /docs. The document is written once a snapshot, not once a
 * request. */
#include <stdlib.h>

#include "features/openapi/catalogue.h"
#include "features/openapi/docs.h"
#include "features/openapi/document.h"
#include "http/route.h"
#include "kit/module.h"

struct conf {
    const char *title, *version;
};

/* What a snapshot's routes serve; ends with its router. */
struct pages {
    struct text document, catalogue;
    const struct resource_set *set; /* the router's, or NULL */
};

struct openapi {
    const struct conf *conf;
    const struct kit *kit;
};

static bool document_page(struct req *req, void *room)
{
    (void)room;
    const struct pages *pages = req->route->data;
    answer_borrow(req, text_bytes(&pages->document));
    return true;
}

static bool catalogue_page(struct req *req, void *room)
{
    (void)room;
    const struct pages *pages = req->route->data;
    answer_borrow(req, text_bytes(&pages->catalogue));
    return true;
}

static bool entry_page(struct req *req, void *room)
{
    const struct openapi *openapi = room;
    const struct pages *pages = req->route->data;
    return catalogue_entry(req, openapi->kit, pages->set);
}

static void pages_free(void *arg)
{
    struct pages *pages = arg;
    text_done(&pages->document);
    text_done(&pages->catalogue);
    free(pages);
}

static bool paths_add(void *room, struct router *router, const struct pages *pages)
{
    const struct route routes[] = {
        { .method = HTTP_GET, .pattern = "/openapi.json", .run = document_page, .room = room, .data = pages },
        { .method = HTTP_GET, .pattern = "/errors", .run = catalogue_page, .room = room, .data = pages },
        { .method = HTTP_GET, .pattern = "/errors/{code}", .run = entry_page, .room = room, .data = pages },
    };
    for (size_t i = 0; i < array_count(routes); i++)
        if (!router_add(router, &routes[i]))
            return false;
    return docs_routes(router);
}

static bool openapi_claims(void *room, struct router *router, struct resource_set *set)
{
    (void)set;
    return paths_add(room, router, NULL);
}

static bool openapi_routes(void *room, struct router *router, struct resource_set *set, void *loaded)
{
    const struct openapi *openapi = room;
    struct pages *pages = calloc(1, sizeof *pages);
    check(pages != NULL);
    text_init_heap(&pages->document, 1 << 30);
    text_init_heap(&pages->catalogue, 1 << 24);
    static const struct resource_set none;
    document_write(&pages->document, set ? set : &none, openapi->kit, openapi->conf->title,
                   openapi->conf->version);
    catalogue_write(&pages->catalogue, openapi->kit, set);
    pages->set = set;
    router_on_free(router, pages_free, pages);
    return paths_add(room, router, pages) &&
           (text_ok(&pages->document) ? true : fail(&PROBLEM_TOO_LARGE, "the OpenAPI document is too large"));
}

static bool openapi_open(const void *conf, const struct kit *kit, void **ret_room)
{
    struct openapi *openapi = calloc(1, sizeof *openapi);
    check(openapi != NULL);
    openapi->conf = conf;
    openapi->kit = kit;
    *ret_room = openapi;
    return true;
}

extern const struct module openapi_module;
const struct module openapi_module = {
    .name = "openapi",
    .summary =
        "OpenAPI 3.1 of exactly what is exposed, the error catalogue, and a page to read and try them.",
    .conf_bytes = sizeof(struct conf),
    .knobs = (const struct knob[]){ KNOB(conf, title, .kind = KNOB_TEXT, .preset_text = "API",
                                         .doc = "Title of the API in its document."),
                                    KNOB(conf, version, .kind = KNOB_TEXT, .preset_text = "1.0.0",
                                         .doc = "Version of the API in its document."),
                                    { 0 } },
    .open = openapi_open,
    .close = free,
    .routes = openapi_routes,
    .claims = openapi_claims,
};
