#pragma once
/* error_lock.h - the app's own error codes beside what clients were promised (errors.lock). */
#include "app/config.h"
#include "model/catalog.h"
#include "model/app_errors.h"

/* FOLDER/errors.yaml, or errors.lock (name: static text); a file that is not there has no codes. Errors:
 * false with PROBLEM_CONFIG: it cannot be read; what is wrong in it is diagnosed. Owner: end with
 * app_errors_done() in either case. */
bool error_file_read(struct arena *arena, const char *folder, const char *name,
                     struct diagnostics *diagnostics, struct app_errors *ret_errors);

/* Codes that are the server's own. */
void error_codes_check(const struct app_errors *errors, struct diagnostics *diagnostics);
/* Against errors.lock. */
void error_lock_check(struct arena *arena, const char *folder, const struct app_errors *errors,
                      struct diagnostics *diagnostics);
/* Constraints that no table of the exposed schemas has: warnings, since RAISE … USING CONSTRAINT may name
 * them. */
void error_constraints_check(const struct app_errors *errors, const struct catalog *catalog,
                             struct diagnostics *diagnostics);
