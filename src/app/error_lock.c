#include "app/error_lock.h"

#include <unistd.h>

#include "app/folder.h"
#include "app/modules.h"

#define ERROR_FILE_BYTES_MAX (1 << 20)

bool error_file_read(struct arena *arena, const char *folder, const char *name,
                     struct diagnostics *diagnostics, struct app_errors *ret_errors)
{
    char path[4096];
    struct bytes text;
    *ret_errors = (struct app_errors){ 0 };
    snprintf(path, sizeof path, "%s/%s", folder, name);
    if (access(path, F_OK) != 0)
        return true;
    if (!file_read(arena, path, ERROR_FILE_BYTES_MAX, &text))
        return false;
    app_errors_read(ret_errors, arena, name, text, diagnostics);
    return true;
}

static bool is_ours(const char *code)
{
    for (int i = 0; modules[i]; i++)
        for (const struct problem *const *at = modules[i]->problems; at && *at; at++)
            if (strcmp((*at)->code, code) == 0)
                return true;
    return false;
}

void error_codes_check(const struct app_errors *errors, struct diagnostics *diagnostics)
{
    for (int i = 0; i < errors->count; i++) {
        if (!is_ours(errors->items[i].problem.code))
            continue;
        (void)diagnostics_error(diagnostics, errors->items[i].place, "%s is a code of the server's own",
                                errors->items[i].problem.code);
        diagnostics_fix(diagnostics, "give it a name of its own in the same class: %.*s.NAME",
                        (int)strcspn(errors->items[i].problem.code, "."), errors->items[i].problem.code);
    }
}

void error_lock_check(struct arena *arena, const char *folder, const struct app_errors *errors,
                      struct diagnostics *diagnostics)
{
    struct app_errors published;
    if (error_file_read(arena, folder, APP_ERRORS_LOCK, diagnostics, &published))
        app_errors_compare(&published, errors, diagnostics);
    else
        (void)diagnostics_error(diagnostics, (struct source_place){ APP_ERRORS_LOCK, 0, 0 }, "%s",
                                failure_here->message);
    app_errors_done(&published);
}

static bool relation_has(const struct relation *relation, struct bytes name)
{
    for (int i = 0; i < relation->constraints_count; i++)
        if (bytes_equal(relation->constraints[i]->name, name))
            return true;
    for (int i = 0; i < relation->indexes_count; i++)
        if (bytes_equal(relation->indexes[i].name, name))
            return true;
    for (int i = 0; i < relation->columns_count; i++)
        for (const struct check_rule *rule = relation->columns[i].checks; rule; rule = rule->next)
            if (rule->constraint && bytes_equal(rule->constraint->name, name))
                return true;
    return false;
}

void error_constraints_check(const struct app_errors *errors, const struct catalog *catalog,
                             struct diagnostics *diagnostics)
{
    for (int i = 0; i < errors->count; i++) {
        const struct app_error *error = &errors->items[i];
        for (int k = 0; k < error->constraints_count; k++) {
            bool found = false;
            for (int r = 0; r < catalog->relations_count && !found; r++) {
                const struct relation *relation = catalog->relations[r];
                found = relation_has(relation, error->constraints[k]) &&
                        (!error->table.size || (bytes_equal(relation->name, error->table) &&
                                                bytes_equal(relation->schema, error->schema)));
            }
            if (found || error->deprecated.size)
                continue;
            diagnostics_warning(diagnostics, error->place,
                                "%s: no table that Lintel sees has a constraint %.*s", error->problem.code,
                                BYTES_ARG(error->constraints[k]));
            diagnostics_fix(diagnostics, "is it misspelt? Only RAISE … USING CONSTRAINT would tell it now");
        }
    }
}
