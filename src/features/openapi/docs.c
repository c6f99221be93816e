#include "features/openapi/docs.h"

static const char page[] =
    "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<title>API</title>\n"
    "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
    "<link rel=\"stylesheet\" href=\"/docs/swagger-ui.css\">\n<link rel=\"icon\" href=\"data:,\">\n</head>\n"
    "<body>\n<div id=\"docs\"></div>\n<script src=\"/docs/swagger-ui-bundle.js\"></script>\n"
    "<script src=\"/docs/start.js\"></script>\n</body>\n</html>\n";

static const char start[] =
    "window.ui = SwaggerUIBundle({ url: \"/openapi.json\", dom_id: \"#docs\", deepLinking: true, "
    "docExpansion: \"list\",\n"
    "  defaultModelsExpandDepth: 0, tryItOutEnabled: true, validatorUrl: null, filter: true });\n";

#ifdef LINTEL_SWAGGER
/* The assembler reads the files; the build says where they lie (-Wa,-I). */
#define EMBED(symbol, file)                                                                                  \
    __asm__(".section .rodata\n.balign 16\n.global " #symbol "\n" #symbol ":\n.incbin \"" file               \
            "\"\n.global " #symbol "_end\n" #symbol "_end:\n.byte 0\n.previous\n");                          \
    extern const char symbol[], symbol##_end[]
EMBED(docs_bundle, "swagger-ui-bundle.js");
EMBED(docs_style, "swagger-ui.css");
#else
static const char docs_bundle[] =
    "document.getElementById('docs').textContent = 'This build has no docs page: the package "
    "swagger-ui-dist was not there. The document itself is at /openapi.json.';"
    "window.SwaggerUIBundle = function () {};";
static const char docs_style[] = "body { font-family: sans-serif; margin: 2em }";
#define docs_bundle_end (docs_bundle + sizeof docs_bundle - 1)
#define docs_style_end  (docs_style + sizeof docs_style - 1)
#endif

/* The page runs its own scripts only, and talks to its own server only. Swagger UI sets styles inline. */
static void guard(struct req *req, const char *type)
{
    answer_type(req, type);
    answer_header_set(req, "Content-Security-Policy",
                      BYTES("default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
                            "frame-ancestors 'none'"));
    answer_header_set(req, "X-Content-Type-Options", BYTES("nosniff"));
    answer_header_set(req, "Cache-Control", BYTES("max-age=3600"));
}

static bool docs_page(struct req *req, void *room)
{
    (void)room;
    guard(req, "text/html; charset=utf-8");
    answer_borrow(req, (struct bytes){ page, sizeof page - 1 });
    return true;
}

static bool docs_start(struct req *req, void *room)
{
    (void)room;
    guard(req, "text/javascript; charset=utf-8");
    answer_borrow(req, (struct bytes){ start, sizeof start - 1 });
    return true;
}

static bool docs_script(struct req *req, void *room)
{
    (void)room;
    guard(req, "text/javascript; charset=utf-8");
    answer_borrow(req, (struct bytes){ docs_bundle, (size_t)(docs_bundle_end - docs_bundle) });
    return true;
}

static bool docs_css(struct req *req, void *room)
{
    (void)room;
    guard(req, "text/css; charset=utf-8");
    answer_borrow(req, (struct bytes){ docs_style, (size_t)(docs_style_end - docs_style) });
    return true;
}

bool docs_routes(struct router *router)
{
    static const struct route routes[] = {
        { .method = HTTP_GET, .pattern = "/docs", .run = docs_page },
        { .method = HTTP_GET, .pattern = "/docs/start.js", .run = docs_start },
        { .method = HTTP_GET, .pattern = "/docs/swagger-ui-bundle.js", .run = docs_script },
        { .method = HTTP_GET, .pattern = "/docs/swagger-ui.css", .run = docs_css },
    };
    for (size_t i = 0; i < array_count(routes); i++)
        if (!router_add(router, &routes[i]))
            return false;
    return true;
}
