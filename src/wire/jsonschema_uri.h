#pragma once
/* jsonschema_uri.h - URI references between schema documents. Private to jsonschema_*.c. Source: RFC 3986,
 * section 5.2. */
#include "base/text.h"

/* `reference` as seen from `base`: the absolute URI without fragment, in the arena, and the fragment, with
 * its percent-encoding taken off (data NULL: none). Without a base, what is relative stays so. Errors: false
 * when memory lacked. */
bool js_uri_resolve(struct arena *arena, struct bytes base, struct bytes reference, struct bytes *ret_uri,
                    struct bytes *ret_fragment) MUST_CHECK;
