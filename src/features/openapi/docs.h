#pragma once
/* docs.h - the page at /docs: Swagger UI's files, embedded at build time, and a few lines that start it. */
#include "http/route.h"

/* Adds /docs and its files. Without the packages at build time there is a page that says so. */
bool docs_routes(struct router *router);
