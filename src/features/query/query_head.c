/* query_head.c - what a file's head may say, as a table. */
#include "features/query/query_head.h"

#include "base/clock.h"
#include "model/rules.h"

#define DECLARED_SCHEMA                                                                                      \
    "{\"anyOf\":[{\"type\":\"object\",\"properties\":{\"file\":{\"type\":\"string\"}},\"required\":["        \
    "\"file\"],"                                                                                             \
    "\"additionalProperties\":false},{\"$ref\":\"https://json-schema.org/draft/2020-12/schema\"}]}"

static const struct shape_field head_param_fields[] = {
    SHAPE_SELF(struct head_param, node),
    SHAPE_KEY(struct head_param, name),
    { .name = "default",
      .kind = SHAPE_KIND_TEXT,
      .offset = offsetof(struct head_param, preset),
      .doc = "Taken when the request leaves it out, as a URL would say it." },
    SHAPE_TEXT(struct head_param, description, .doc = "For the documentation."),
    SHAPE_BOOL(struct head_param, required, .preset = "true",
               .doc = "Without it and without a default, leaving it out means NULL."),
    SHAPE_TEXT(struct head_param, min, .doc = "Least value of a number or date."),
    SHAPE_TEXT(struct head_param, max, .doc = "Greatest value of a number or date."),
    { .name = "min_length",
      .kind = SHAPE_KIND_INT,
      .offset = offsetof(struct head_param, length_min),
      .max = 1 << 30,
      .doc = "Fewest characters of a text." },
    { .name = "max_length",
      .kind = SHAPE_KIND_INT,
      .offset = offsetof(struct head_param, length_max),
      .max = 1 << 30,
      .doc = "Most characters of a text; 0: any." },
    { .name = "enum",
      .kind = SHAPE_KIND_TEXTS,
      .offset = offsetof(struct head_param, choices),
      .doc = "The values that it may have." },
    SHAPE_TEXT(struct head_param, pattern,
               .doc = "A regular expression (ECMA-262) that a text must match somewhere: ^ and $ anchor it."),
    SHAPE_ANY(struct head_param, schema, .schema = DECLARED_SCHEMA,
              .doc = "The JSON Schema of its values, or file: schemas/NAME.yaml."),
    { 0 }
};
static const struct shape head_param_shape = { "query parameter", "A parameter of a query.",
                                               sizeof(struct head_param), head_param_fields };

static const struct shape_field head_page_fields[] = {
    SHAPE_SELF(struct head_page, node),
    SHAPE_TEXTS(struct head_page, by, .required = true,
                .doc =
                    "Columns of the result, each with `asc` or `desc`, `nulls first` or `nulls last`, `not "
                    "null`; together they tell every row from every other."),
    SHAPE_INT(struct head_page, limit, .min = 1, .max = 10000, .preset = "20",
              .doc = "Rows of a page that does not ask for a number."),
    SHAPE_INT(struct head_page, max, .min = 1, .max = 10000, .preset = "1000", .doc = "Most rows of a page."),
    SHAPE_BOOL(struct head_page, unique, .preset = "false",
               .doc = "The author's word that no two rows are equal by these columns."),
    { 0 }
};
static const struct shape head_page_shape = { "query pages", "Keyset pages of a query.",
                                              sizeof(struct head_page), head_page_fields };

static const char *const results[] = { "many", "one", "scalar", "none", NULL };
static const char *const accesses[] = { "closed", "public", NULL };

static const struct shape_field head_limits_fields[] = {
    SHAPE_INT(struct head_limits, concurrent, .min = 1, .max = 1000000,
              .doc = "Requests of this route at once, in the whole process; past it 503. Preset: no limit."),
    { 0 }
};
static const struct shape head_limits_shape = { "query limits", "How much of it there may be at once.",
                                                sizeof(struct head_limits), head_limits_fields };
static const char *const priorities[] = { "normal", "high", "low", NULL }; /* as enum route_priority */

static const struct shape_field head_fields[] = {
    SHAPE_SELF(struct head, node),
    SHAPE_TEXT(struct head, route,
               .doc = "METHOD /path; {names} in the path are parameters. Preset: GET /v1/<file name>."),
    SHAPE_CHOICE(struct head, access, .choices = accesses, .preset = "closed",
                 .doc = "public: everybody who reaches the listener. Without it the route is closed."),
    SHAPE_CHOICE(struct head, result, .choices = results, .preset = "many",
                 .doc = "many rows, one row (404 without), scalar (one value), none (204)."),
    SHAPE_CHOICES(struct head, lock, .choices = query_lock_names,
                  .doc = "Locks the rows that the first statement reads until the transaction ends: how "
                         "strongly (preset: for_update), and what to do with a row that is locked already: "
                         "wait, nowait (409 conflict.locked) or skip_locked (leave it out)."),
    SHAPE_BOOL(struct head, stream, .preset = "false",
               .doc = "Rows go out as they come in, without a limit on their number."),
    SHAPE_TEXT(struct head, summary, .doc = "A line for the documentation."),
    SHAPE_TEXT(struct head, description, .doc = "More of it."),
    { .name = "timeout",
      .kind = SHAPE_KIND_DURATION,
      .offset = offsetof(struct head, timeout_ns),
      .max = 3600 * NS_PER_S,
      .doc = "The request's deadline; preset: the server's." },
    SHAPE_CHOICE(struct head, priority, .choices = priorities, .preset = "normal",
                 .doc = "Who is refused first when there is more to do than can be done in time: low."),
    SHAPE_MAPPING(struct head, limits, .shape = &head_limits_shape,
                  .doc = "How much of it there may be at once."),
    SHAPE_MAP(struct head, params, .shape = &head_param_shape,
              .doc = "What Describe can't say of the :named parameters."),
    SHAPE_ANY(struct head, schema, .schema = DECLARED_SCHEMA,
              .doc = "The JSON Schema of the body of a POST, PUT or PATCH: rules between its parameters."),
    SHAPE_LIST(struct head, rules, .shape = &rule_shape,
               .doc =
                   "What must hold between the parameters, as expressions; a rule is broken only when it is "
                   "false."),
    SHAPE_MAPPING(struct head, page, .shape = &head_page_shape, .doc = "Keyset pages: after, before, limit."),
    SHAPE_INT(
        struct head, depth, .min = 0, .max = 100000,
        .doc = "The depth that a recursion may reach; past it 422. The statement bounds itself by :depth."),
    SHAPE_TEXT(struct head, depth_column, .preset = "depth",
               .doc = "The column that says how deep a row is."),
    SHAPE_TEXT(struct head, cache_control, .min = 1, .max = 256, .doc = "Cache-Control of a good answer."),
    SHAPE_ANY(struct head, requires,
              .schema =
                  "{\"type\":\"object\",\"additionalProperties\":{\"type\":[\"array\",\"string\",\"null\"]}}",
              .doc = "Tables, and columns of each, that must be there: schema.table: [column, …]."),
    SHAPE_TEXT(struct head, fallback,
               .doc =
                   "The file of queries/ (without .sql) that serves this route until the schema is ready."),
    { 0 }
};
const struct shape query_head_shape = { "query", "The head of a file of queries/.", sizeof(struct head),
                                        head_fields };
