#pragma once
/* strays.h - what lies in an app folder as if it were read, and is not: resources/album.yml, query/top.sql.
 */
#include "app/config.h"
#include "wire/diagnostic.h"

/* A warning for each. Never waits on the database. */
void strays_check(const struct app_conf *conf, struct diagnostics *diagnostics);
