/* redirect.c - what the plain door beside an HTTPS one says: the same, over there. */
#include <stdlib.h>

#include "http/exchange.h"

#define HOST_MAX 255

/* The port that HTTPS has, as clients write it: "" for the usual one, else ":8443". */
static void port_of(const struct http_server *server, const struct http_listen *door, char ret_port[static 8])
{
    int port = door->redirect_port;
    for (int i = 0; i < server->listens_count && !port; i++) {
        const char *colon = strrchr(server->sockets[i].address, ':');
        if (server->listens[i].tls && colon)
            port = atoi(colon + 1);
    }
    ret_port[0] = '\0';
    if (port && port != 443)
        snprintf(ret_port, 8, ":%d", port);
}

/* The host without its port; empty when it is none that one may send a client to. */
static struct bytes host_of(struct bytes host)
{
    host = bytes_trim(host);
    const char *bracket = host.size && host.data[0] == '[' ? memchr(host.data, ']', host.size) : NULL;
    const char *colon = bracket ? NULL : memchr(host.data ? host.data : "", ':', host.size);
    if (bracket)
        host.size = (size_t)(bracket - host.data) + 1;
    else if (colon)
        host.size = (size_t)(colon - host.data);
    for (size_t i = 0; i < host.size; i++) {
        const char c = host.data[i];
        const bool sound = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                           c == '-' || c == '.' || c == '_' || (bracket && strchr("[]:", c));
        if (!sound)
            return (struct bytes){ 0 };
    }
    return host.size <= HOST_MAX ? host : (struct bytes){ 0 };
}

static struct bytes path_of(struct bytes target)
{
    if (target.size && target.data[0] == '/')
        return target;
    if (!bytes_starts(target, BYTES("http://")))
        return BYTES("/");
    const struct bytes authority = bytes_from(target, 7);
    const char *slash = memchr(authority.data, '/', authority.size);
    return slash ? bytes_from(authority, (size_t)(slash - authority.data)) : BYTES("/");
}

static const struct http_listen *door_of(const struct http_server *server)
{
    for (int i = 0; i < server->listens_count; i++)
        if (server->listens[i].redirect)
            return &server->listens[i];
    return NULL;
}

void http_redirect(struct exchange *exchange)
{
    struct req *req = &exchange->req;
    const struct http_server *server = exchange->core->server;
    const struct bytes host = host_of(req_header(req, "host")), path = path_of(req->target);
    char port[8];
    struct text location;
    exchange->core->date_until_ns = 0; /* outside fibers the turn's time may be old */
    http_correlate(exchange);
    answer_header_set(req, "X-Request-Id", bytes_of(req->correlation_id));
    if (!host.size) {
        struct failure *const outer = failure_here;
        struct failure failure = { 0 };
        failure_here = &failure;
        (void)fail(&PROBLEM_BAD_REQUEST,
                   "this port only sends to HTTPS, and the request has no sound Host to send to");
        http_answer_failure(req);
        failure_here = outer;
        return;
    }
    port_of(server, door_of(server), port);
    text_init(&location, &req->arena, 0);
    text_lit(&location, "https://");
    text_add(&location, host);
    text_add_z(&location, port);
    text_add(&location, path);
    if (text_ok(&location))
        answer_header_set(req, "Location", text_bytes(&location));
    answer_status(req, 308);
    answer_type(req, "text/plain; charset=utf-8");
    text_lit(answer_text(req), "This is an HTTPS service: see Location.\n");
}
