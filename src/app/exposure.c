#include "app/exposure.h"

#include "model/resource.h"

bool listens_on_loopback(const char *address)
{
    const struct bytes at = bytes_of(address);
    return bytes_starts(at, BYTES("127.")) || bytes_starts(at, BYTES("[::1]:")) ||
           bytes_starts(at, BYTES("localhost:")) || bytes_starts(at, BYTES("unix:"));
}

void exposure_check(const struct app_conf *conf, const struct resource_set *set,
                    struct diagnostics *diagnostics)
{
    const unsigned reads = 1u << OP_LIST | 1u << OP_GET;
    if (listens_on_loopback(conf->listen))
        return;
    for (int i = 0; i < set->resources_count; i++) {
        const struct resource *resource = &set->resources[i];
        if (!resource->public_access || !(resource->operations & ~reads))
            continue;
        const struct source_place place = { resource->file.data, (uint32_t)resource->line, 1 };
        (void)diagnostics_error(diagnostics, place,
                                "%.*s: everybody could write to it, and the app listens on %s",
                                BYTES_ARG(resource->name), conf->listen);
        diagnostics_fix(
            diagnostics,
            "until authentication is configured, either listen on 127.0.0.1, or allow [list, get] only");
    }
}
