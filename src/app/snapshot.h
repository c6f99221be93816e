#pragma once
/* snapshot.h - from the folder and the database to a resource set and a router, made aside and put in force
 * whole: the API never pauses for it, and a broken file keeps the old one running. */
#include "app/config.h"
#include "app/house.h"

/* Reads catalog and folder, resolves, and puts the result in force on all cores. In a fiber of core 0.
 * catalog_too: read the catalog anew (else the one in force is kept). quiet: diagnostics that were said
 * already are not said again. Errors: false when nothing was put in force; it was said. */
WAITS bool snapshot_refresh(struct house *house, bool catalog_too);

/* The fiber that watches: the catalog's fingerprint every schema_poll, the folder in dev, and whoever pokes.
 * Runs until the house stops. */
void snapshot_watch(void *house);
/* Asks the watcher to look now (SIGHUP, a statement that met a changed schema). Core 0. */
void snapshot_poke(struct house *house, bool files);

/* Lets every module load its own files; ret_loaded by module index. snapshot_unload() ends what was loaded.
 * load->claimed is made here. */
WAITS bool snapshot_load(const struct load *load, void *const *rooms, void **ret_loaded);
void snapshot_unload(void **loaded);
