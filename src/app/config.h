#pragma once
/* config.h - lintel.yaml: the app's own few settings, and a section for each module that has knobs. */
#include "base/arena.h"
#include "http/server.h"
#include "kit/module.h"
#include "pg/pg.h"
#include "wire/cursor.h"
#include "wire/diagnostic.h"

#define CONFIG_MODULES_MAX 64

struct app_conf {
    const char *folder; /* absolute */
    const char *listen, *admin, *database;
    const char *secrets; /* file of the key that seals cursors, relative to the folder */
    int64_t cores;       /* 0: one per CPU */
    int64_t log_level, log_format, bigint;
    int64_t schema_poll_ns;
    void *sections[CONFIG_MODULES_MAX]; /* by index in `modules`: each module's conf, preset and then read */
    struct cursor_key cursor_key;       /* once config_cursor_key() has read it */
    bool has_cursor_key;
    struct arena arena; /* holds all of it */
};

enum config_bigint { BIGINT_NUMBER, BIGINT_STRING };

extern const struct knob app_knobs[]; /* the keys at the top of lintel.yaml */

/* Presets everything, then reads FOLDER/lintel.yaml (absent: presets only), expands ${ENV} and file: in
 * texts, and lets LINTEL_DATABASE_URL override `database`. Errors: false when there were error diagnostics;
 * all of them are in *diagnostics. */
bool config_load(const char *folder, struct diagnostics *diagnostics, struct app_conf **ret_conf);
/* Every setting at its preset; for commands without a folder. Never fails. */
struct app_conf *config_preset(void);
void config_free(struct app_conf *conf); /* NULL is harmless */
/* Errors: false with PROBLEM_CONFIG when no database is named. */
bool config_database(const struct app_conf *conf);
/* The key that seals cursors: from the file `secrets`, or made for this process and those it forks. Read
 * once. Errors: false when the file is readable by others or is no key. */
bool config_cursor_key(struct app_conf *conf, struct cursor_key *ret_key);
/* A module's section. */
void *config_section(const struct app_conf *conf, const char *module);
/* The JSON Schema of lintel.yaml, printed from the knob tables. */
void config_schema_write(struct text *text);
