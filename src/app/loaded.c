#include "app/loaded.h"

#include "app/exposure.h"
#include "app/folder.h"
#include "app/modules.h"
#include "app/snapshot.h"
#include "kit/here.h"
#include "model/plan.h"

/* What the features make of their own files, typed by the database. */
static WAITS bool features_load(struct app_conf *conf, struct loaded_app *app)
{
    struct house *house = &app->house;
    house->kit = (struct kit){ .app_folder = conf->folder,
                               .loopback = listens_on_loopback(conf->listen),
                               .rooms = house->rooms,
                               .loaded = house->loaded,
                               .modules = modules };
    const struct load load = { conf->folder, app->set,      &app->diagnostics,
                               &app->arena,  kit_here.pool, folder_sources };
    return house_modules_open(house) && snapshot_load(&load, house->rooms, house->loaded);
}

bool loaded_app_open(struct app_conf *conf, int findings_max, struct loaded_app *app)
{
    struct folder_files files;
    const struct pg_encoding encoding = { .bigint_as_string = conf->bigint == BIGINT_STRING };
    *app = (struct loaded_app){ .house = { .conf = conf } };
    arena_init(&app->arena, 1LL << 30);
    diagnostics_init(&app->diagnostics, &app->arena, findings_max);
    return pg_pool_warm(kit_here.pool) && catalog_read(kit_here.pool, NULL, &app->catalog) &&
           folder_declarations(&app->arena, conf->folder, &files) &&
           resource_set_make(app->catalog, files.sources, files.count, &encoding, &app->diagnostics,
                             &app->set) &&
           plan_compile(app->set) && features_load(conf, app);
}

void loaded_app_close(struct loaded_app *app)
{
    snapshot_unload(app->house.loaded);
    house_modules_close(&app->house);
    resource_set_unref(app->set);
    catalog_unref(app->catalog);
    arena_done(&app->arena);
}
