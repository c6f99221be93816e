#pragma once
/* commands.h - the house's own commands; features bring theirs in their descriptors. */
#include <stdio.h>

#include "app/config.h"
#include "kit/module.h"

extern const struct command command_dev, command_init, command_check, command_explain, command_serve,
    command_ctl, command_errors, command_reference, command_schema;

/* Every command, the house's first. */
void commands_each(void (*see)(const struct command *command, void *arg), void *arg);
void command_help(const struct command *command, FILE *file);

/* `lintel: message` and how to go on, on standard error; returns EXIT_USAGE. */
int command_usage(const struct command *command, const char *format, ...) PRINTF_LIKE(2, 3);
/* Prints failure_here; returns EXIT_ENVIRONMENT. */
int command_failed(void);

/* Loads the app folder's configuration; prints its diagnostics. json: what hinders it goes to standard
 * output, in the form of `check --json`. Errors: NULL, all said. */
struct app_conf *command_config(const char *folder, bool json);

/* file:line:column: error: message, then the fix; or as a JSON array. */
void diagnostics_print(const struct diagnostics *diagnostics, bool json, FILE *file);
