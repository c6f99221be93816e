#pragma once
/* preference.h - small HTTP field grammars: Prefer, entity tags, Accept, media types, traceparent, request
 * ids. Hostile input is the normal case here: what cannot be read is ignored where the RFC says so, refused
 * where it says so. */
#include "base/bytes.h"
#include "base/check.h"

/* ---- Prefer (RFC 7240) ---- */

enum preference_return { RETURN_DEFAULT, RETURN_MINIMAL, RETURN_REPRESENTATION, RETURN_HEADERS_ONLY };
enum preference_transaction { TRANSACTION_DEFAULT, TRANSACTION_ALL, TRANSACTION_EACH };
enum preference_resolution { RESOLUTION_NONE, RESOLUTION_MERGE, RESOLUTION_IGNORE };
enum preference_count { PREFER_COUNT_NONE, PREFER_COUNT_ESTIMATED, PREFER_COUNT_CAPPED, PREFER_COUNT_EXACT };
struct preferences {
    enum preference_return returns;
    enum preference_transaction transaction;
    enum preference_resolution resolution;
    enum preference_count count;
    bool respond_async, strict; /* strict: handling=strict */
    int64_t wait_s;             /* -1: not given */
    struct bytes unknown; /* the first preference that is not ours, or empty: with strict it is refused */
};
/* Reads one Prefer field value (call again for further fields: the first mention of a preference stays, RFC
 * 7240, 2). */
void preferences_init(struct preferences *preferences);
void preferences_read(struct preferences *preferences, struct bytes value);

/* ---- entity tags (RFC 9110, 8.8.3; If-Match 13.1.1, If-None-Match 13.1.2) ---- */

struct etag {
    bool weak;
    struct bytes opaque; /* without quotes */
};
/* The next tag of a list; steps *rest over it. *ret_any is set for a `*` that is all that is left.
 * Errors: false at the end (rest->size 0) or at a malformed tag (rest->size > 0). */
bool etag_next(struct bytes *rest, struct etag *ret_tag, bool *ret_any);
/* Whether the field value names this opaque tag, by strong (If-Match) or weak (If-None-Match) comparison; `*`
 * does. */
bool etag_matches(struct bytes field, struct bytes opaque, bool weak_allowed);

/* ---- Accept (RFC 9110, 12.5.1) ---- */

/* Which of the offered media types ("application/json") the client likes best: an index, by quality, then
 * specificity, then the order of the offer; an absent or empty field likes the first. -1: none is acceptable.
 */
int accept_choose(struct bytes field, const char *const *offers, int offers_count);

/* ---- Accept-Encoding (RFC 9110, 12.5.3) ---- */

/* Which of the offered codings ("br", "gzip"), best first, the client takes: an index, by quality, then
 * the order of the offer. -1: send it as it is (no field, an empty one, none acceptable, or identity liked
 * better). */
int accept_encoding_choose(struct bytes field, const char *const *offers, int offers_count);

/* "application/json; charset=utf-8" -> type "application/json" (as written), charset "utf-8" or empty.
 * Errors: false when it is no media type. */
bool media_type_read(struct bytes field, struct bytes *ret_type, struct bytes *ret_charset);

/* ---- correlation ---- */

/* A request id that may be logged and echoed: 8..128 of [A-Za-z0-9._-]. */
bool request_id_sound(struct bytes id);
/* W3C trace context: version 00, lower-case hex, trace and parent not all zero. */
bool traceparent_sound(struct bytes value);
