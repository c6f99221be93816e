#pragma once
/* spill.h - a slow client's answer waits in a file, so that whoever makes it need not wait for the client: a
 * handler that reads rows from PostgreSQL comes to its end, and gives its session back.
 *
 *   handler ── flush ──▶ wire ──▶ socket                          as long as the client keeps up
 *   handler ── flush ──▶ file ──▶ sender ── deliver ──▶ socket    once its socket stayed full for spill_after
 *
 * The sender is a fiber of its own, at the client's pace; the file has no name, and blocks helper threads
 * only. A client that catches up is written to directly again. Where nothing (more) can be spilled, the
 * handler waits until the client has all that was, and goes on at its pace: never a broken answer for want of
 * a disk. No other room includes this. */
#include <sys/uio.h>

#include "base/check.h"

struct exchange;

#define SPILL_REST_MAX 5 /* parts of a flush that the socket did not take */

/* When the client's socket, found full by a flush at now_ns, will have stayed so for long enough; 0: never.
 */
int64_t http_spill_at(struct exchange *exchange, int64_t now_ns);
/* A flush that began at began_ns went through after all: a short wait was none. */
void http_spill_waited(struct exchange *exchange, int64_t began_ns);

/* From here on exchange->text goes to a file. rest: what is unsent of the flush under way, in memory that
 * lives as long as the exchange, exchange->text's own included, which is replaced; the wire's resume() gets
 * it. Errors: false, counted and without a failure: nothing has changed. */
WAITS bool http_spill_start(struct exchange *exchange, const struct iovec *rest, int rest_count);
/* A flush of what is spilled. Errors: false when the client is gone or too slow. */
WAITS bool http_spill_flush(struct exchange *exchange);
/* The handler is done: waits until the client has all that was spilled, or ends that at once if the answer is
 * to be cut. A deadline of the request ends nothing any more.
 * Waits:   yes. */
void http_spill_finish(struct exchange *exchange);

/* At the server's start: where, and how refusals are counted. */
const char *http_spill_folder(const char *wished);
void http_spill_metrics_open(void);
