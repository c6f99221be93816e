#pragma once
/* privileges.h - what a server gives up before it speaks to anybody: root, capabilities, new privileges by
 * exec, and being looked into. Source: capabilities(7), prctl(2), credentials(7). */
#include "app/config.h"

/* Raises the limit of descriptors as far as it goes. */
void privileges_raise_limits(void);
/* Becomes process.user when root, unless that user cannot read the app folder: then it stays root, and the
 * log names the fix. Then no new privileges, no capabilities beyond those needed, no core dumps unless
 * wanted. Before any thread. Errors: false with PROBLEM_CONFIG (no such user, where one was named) or
 * PROBLEM_ENVIRONMENT. */
bool privileges_drop(const struct app_conf *conf);
/* The name of the user that the process is, for status. */
const char *privileges_user(void);
