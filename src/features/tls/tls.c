/* tls.c - the door of HTTPS: its settings and figures, which live in net/tls.h, and
 * Strict-Transport-Security. */
#include "net/tls.h"

#include <stdlib.h>

#include "base/clock.h"
#include "http/req.h"
#include "kit/module.h"

struct hsts {
    char value[64];
};

/* RFC 6797, 7.2: over TLS only. */
static bool address_browsers(struct req *req, void *room)
{
    const struct hsts *hsts = room;
    if (!req->secure)
        return true;
    answer_header_set(req, "X-Content-Type-Options",
                      BYTES("nosniff")); /* what is JSON here is never a page */
    if (hsts->value[0])
        answer_header_set(req, "Strict-Transport-Security", bytes_of(hsts->value));
    return true;
}

static bool open_hsts(const void *conf_, const struct kit *kit, void **ret_room)
{
    const struct tls_conf *conf = conf_;
    struct hsts *hsts = calloc(1, sizeof *hsts);
    (void)kit;
    check(hsts != NULL);
    if (conf->hsts_ns)
        snprintf(hsts->value, sizeof hsts->value, "max-age=%lld%s", (long long)(conf->hsts_ns / NS_PER_S),
                 conf->hsts_subdomains ? "; includeSubDomains" : "");
    *ret_room = hsts;
    return true;
}

const struct module tls_module = {
    .name = "tls",
    .summary = "HTTPS: certificates, resumption, the redirect to it.",
    .conf_bytes = sizeof(struct tls_conf),
    .knobs = tls_knobs,
    .open = open_hsts,
    .close = free,
    .filters = (const struct module_filter[]){ { STAGE_CORRELATE, address_browsers }, { 0 } },
    .metrics = tls_metrics,
};
