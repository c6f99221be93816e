#include "app/modules.h"

#include "app/process.h"
#include "base/problem.h"
#include "http/server.h"
#include "kit/module.h"
#include "model/resource.h"
#include "pg/pg.h"

/* The house's own rooms have knobs, metrics and problems too; they speak through a descriptor like everybody
 * else. */
static const struct module base_module = {
    .name = "base",
    .summary = "What every room may refuse with.",
    .problems = base_problems,
};
static const struct module http_module = {
    .name = "http",
    .summary = "Listeners, HTTP/1.1, limits on sizes and times.",
    .knobs = http_knobs,
    .conf_bytes = sizeof(struct http_conf),
    .metrics = http_metrics,
    .problems = http_problems,
};
static const struct module pools_module = {
    .name = "pools",
    .summary = "Connections to PostgreSQL: lanes, writers, sessions.",
    .knobs = pg_knobs,
    .conf_bytes = sizeof(struct pg_conf),
    .metrics = pg_metrics,
    .problems = pg_problems,
};
static const struct module model_module = {
    .name = "model",
    .summary = "Resources, queries and validation.",
    .problems = model_problems,
};

extern const struct module admit_module, advise_module, database_module, loop_module, memory_module,
    observe_module;
extern const struct module rest_module, query_module, openapi_module, compress_module, tls_module;

/* clang-format off */
const struct module *const modules[] = {
    &base_module,
    &http_module,
    &tls_module,
    &pools_module,
    &model_module,
    &process_module,
    &openapi_module,
    &compress_module,
    &rest_module,
    &query_module,
    &advise_module,
    &database_module,
    &loop_module,
    &memory_module,
    &admit_module,   /* behind those whose routes it counts */
    &observe_module, /* last: it gives a record to every route the others added */
    NULL,
};
/* clang-format on */
