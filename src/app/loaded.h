#pragma once
/* loaded.h - an app as a command sees it: its folder, read and typed by the database, without serving. */
#include "app/house.h"
#include "model/resource.h"

struct loaded_app {
    struct arena arena;
    struct diagnostics diagnostics; /* of the files; at most findings_max kept */
    struct catalog *catalog;
    struct resource_set *set;
    struct house house; /* its rooms are open, and what the modules have loaded lies in house.loaded */
};
/* In a fiber of house_ask(). Errors: false: the database, memory, or the folder; wrong files are diagnostics.
 * Owner: end with loaded_app_close() in either case. */
WAITS bool loaded_app_open(struct app_conf *conf, int findings_max, struct loaded_app *app);
void loaded_app_close(struct loaded_app *app);
