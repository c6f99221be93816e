#pragma once
/* app_errors.h - an app's own error codes: constraints that are told by a code of the app's instead of
 * conflict.unique and its kind. Declared in errors.yaml; a contract with clients, so errors.lock keeps what
 * was published, and what is gone or means something else is an error of `lintel check`. */
#include "base/problem.h"
#include "base/table.h"
#include "pg/pg.h"
#include "wire/diagnostic.h"

#define APP_ERRORS_FILE        "errors.yaml"
#define APP_ERRORS_LOCK        "errors.lock"
#define APP_ERRORS_MAX         1000
#define APP_ERROR_CODE_BYTES   64 /* at most */
#define APP_ERROR_STATUS_FIRST 400
#define APP_ERROR_STATUS_LAST  499

struct app_error {
    struct problem problem;  /* for fail(); lives as long as the set */
    struct bytes deprecated; /* the app's version since which it is; or empty */
    struct bytes replaced_by;
    struct bytes schema, table; /* the constraints' relation; empty: any */
    struct bytes *constraints;
    int constraints_count;
    struct source_place place;
};
struct app_errors {
    struct app_error *items; /* in the file's order */
    int count;
    struct table by_constraint; /* name -> struct app_error_use * */
};

/* Reads errors.yaml (or errors.lock, of the same shape). What is wrong is diagnosed; what is right stays.
 * arena: the set's. file: static text. Owner: end with app_errors_done(). */
void app_errors_read(struct app_errors *errors, struct arena *arena, const char *file, struct bytes text,
                     struct diagnostics *diagnostics);
void app_errors_done(struct app_errors *errors);

/* The code of a constraint's own, NULL: none. schema and table: empty where they are not known, which then
 * fit. */
const struct app_error *app_errors_of(const struct app_errors *errors, struct bytes schema,
                                      struct bytes table, struct bytes constraint);
const struct app_error *app_errors_coded(const struct app_errors *errors, const char *code);
/* The same of what PostgreSQL refused: if there is one, it becomes the failure of whoever runs. */
const struct app_error *app_errors_tell(const struct app_errors *errors, const struct pg_error *error);

/* Whether `now` keeps what was `published`: no code is gone, none has lost a constraint, moved to another
 * relation, or changed whether a repetition may help. */
void app_errors_compare(const struct app_errors *published, const struct app_errors *now,
                        struct diagnostics *diagnostics);
/* errors.lock: all codes of `now`, and those of `published` that are not among them. */
void app_errors_lock_write(struct text *out, const struct app_errors *published,
                           const struct app_errors *now);

/* ,"409":{"$ref":"#/components/responses/Failure"} for each status of a code that is not among those named
 * ("409_…"), NULL-terminated. For OpenAPI. */
void app_errors_document(struct text *text, const struct app_errors *errors, const char *const *named);

/* JSON Schema of errors.yaml. */
void app_errors_schema_write(struct text *text);
