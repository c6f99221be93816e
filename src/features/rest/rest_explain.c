/* rest_explain.c - a refusal of PostgreSQL in the client's terms. What it says about a row is model's to
 * tell; what it says about a value of the URL is told here, by the parameter that holds it. */
#include "features/rest/rest.h"

/* Class 22 says "this value is not one of that type": the client's, or, behind a view, the data's own. */
static bool is_about_a_value(const struct pg_error *error)
{
    static const char *const states[] = { "22P02", "22P03", "22P05", "22003", "22007",
                                          "22008", "22021", "22023", "22026" };
    for (size_t i = 0; i < array_count(states); i++)
        if (strcmp(error->sqlstate, states[i]) == 0)
            return true;
    return error->param > 0;
}

/* What the server quotes: invalid input syntax for type money: "cheap". */
static struct bytes quoted_of(const char *message)
{
    const char *open = strchr(message, '"'), *close = strrchr(message, '"');
    return open && close > open + 1 ? (struct bytes){ open + 1, (size_t)(close - open) - 1 }
                                    : (struct bytes){ NULL, 0 };
}

/* No row can have this key: a type that PostgreSQL alone can read said so. */
static bool is_of_key(const struct req *req, struct bytes value)
{
    for (int i = 0; value.data && i < REQ_PARAMS_MAX; i++)
        if (bytes_equal(req->params[i], value))
            return true;
    return false;
}

static void not_found(void)
{
    failure_here->problem = &PROBLEM_NOT_FOUND;
    snprintf(failure_here->message, sizeof failure_here->message, "there is no such row");
}

static const struct uri_pair *holder_of(const struct req *req, struct bytes value)
{
    for (size_t i = 0; value.size && i < req->uri.pairs_count; i++) {
        const struct uri_pair *pair = &req->uri.pairs[i];
        if (pair->value.size && memmem(pair->value.data, pair->value.size, value.data, value.size))
            return pair;
    }
    return NULL;
}

static void explain_value(struct req *req, const struct pg_error *error)
{
    const struct uri_pair *pair = holder_of(req, quoted_of(error->message));
    failure_here->problem = &PROBLEM_QUERY;
    if (pair)
        snprintf(failure_here->message, sizeof failure_here->message,
                 "%.*s: the value is not one of its field's type", BYTES_ARG(wire_excerpt(pair->name)));
    else
        snprintf(failure_here->message, sizeof failure_here->message,
                 "a filter's value is not one of its field's type");
}

void rest_explain(struct req *req, const struct plan *plan, enum pg_kind kind, const struct pg_error *error)
{
    if (failure_here->problem == &PROBLEM_VALUE && is_of_key(req, quoted_of(error->message))) {
        not_found();
        return;
    }
    if (kind == PG_READ && failure_here->problem == &PROBLEM_VALUE) {
        if (req->params[0].data && !rest_has_filter(req) && strcmp(error->sqlstate, "22P02") == 0 &&
            !quoted_of(error->message).data) {
            not_found(); /* of json, PostgreSQL doesn't say which value it was */
            return;
        }
        if (rest_has_filter(req) && is_about_a_value(error)) {
            explain_value(req, error);
            return;
        }
        failure_here->problem = &PROBLEM_INTERNAL; /* nothing was sent that could be wrong */
        snprintf(failure_here->message, sizeof failure_here->message, "%s", PROBLEM_INTERNAL.title);
    }
    plan_explain_error(&req->arena, plan, error);
}
