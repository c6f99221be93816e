/* The refusals of this room. They are declared in resource.h; here is what they say. */
#include "base/problem.h"

extern const struct problem PROBLEM_QUERY;
extern const struct problem PROBLEM_VALIDATION;
extern const struct problem PROBLEM_CURSOR;
extern const struct problem PROBLEM_OPERATION;
extern const struct problem *const model_problems[];

const struct problem PROBLEM_QUERY = {
    .code = "query.invalid",
    .status = 400,
    .since = "0.1",
    .title = "The query names something that does not exist, or is not well formed.",
    .doc = "A filter, column, operator, order, embed or parameter of the URL is unknown or malformed. The "
           "message names it, "
           "and the nearest name that exists. /openapi.json lists them all.",
};
const struct problem PROBLEM_VALIDATION = {
    .code = "validation.failed",
    .status = 422,
    .since = "0.1",
    .title = "The body breaks one or more rules.",
    .doc = "Each entry of details has a JSON Pointer into the body, a code and a message. All violations are "
           "listed at once; "
           "nothing was written. Correct them and send the request again.",
};
const struct problem PROBLEM_CURSOR = {
    .code = "query.cursor",
    .status = 400,
    .since = "0.1",
    .title = "The cursor is not valid for this query.",
    .doc = "A cursor (after=, before=) belongs to the list that gave it: the same resource, filter, order "
           "and tenant. "
           "Begin again without it.",
};
const struct problem PROBLEM_OPERATION = {
    .code = "operation_not_allowed",
    .status = 405,
    .since = "0.1",
    .title = "The resource does not offer this operation.",
    .doc = "The header Allow lists the methods that it offers. Operations are opened in the resource's file.",
};

const struct problem *const model_problems[] = {
    &PROBLEM_QUERY, &PROBLEM_VALIDATION, &PROBLEM_CURSOR, &PROBLEM_OPERATION, NULL,
};
