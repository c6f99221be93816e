#pragma once
/* asked.h - what requests ask the database: every statement by its fingerprint, the slow ones, and the one
 * that a request sends again and again where one would do (N+1). */
#include "kit/watch.h"

struct asked_conf {
    int64_t slow_ns;      /* a statement that takes longer is logged */
    int64_t repeats_max;  /* of one statement in one request */
    int64_t log_every_ns; /* about one statement, at most so often */
};
extern struct metric asked_slow;

/* Once, before any core runs; conf is borrowed. */
void asked_open(const struct asked_conf *conf);
/* kit_watch.asked */
void asked_see(struct req *req, const struct pg_batch *batch);
/* At the end of a request: whether it repeated itself; then it was logged. */
bool asked_repeated(const struct req *req);
/* kit_watch.statements_each */
void asked_each(void (*see)(void *arg, const struct watch_statement *statement), void *arg);
