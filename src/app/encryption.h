#pragma once
/* encryption.h - the app's certificates: read at the start, judged by `lintel check`, exchanged while
 * serving. */
#include "app/house.h"
#include "net/tls.h"

/* Opens what `tls` names; house->tls stays NULL without a certificate. Errors: false with PROBLEM_CONFIG. */
bool encryption_open(struct house *house);

/* Says what is wrong with `tls`, and which certificate ends soon. */
void encryption_check(const struct app_conf *conf, struct diagnostics *diagnostics);

/* A fiber of core 0: puts changed files in force, until the server stops. arg: the house. */
void encryption_watch(void *arg);
/* Looks at the files at once (SIGHUP), or only notices that the house is stopping. */
void encryption_poke(struct house *house, bool force);
