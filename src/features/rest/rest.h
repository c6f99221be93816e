#pragma once
/* rest.h - what the files of the REST window share: a request's wishes, read from its URL and headers, in
 * model's terms. */
#include "http/req.h"
#include "kit/here.h"
#include "kit/module.h"
#include "kit/page.h"
#include "model/plan.h"
#include "wire/preference.h"

#define REST_SETTINGS_MAX 4

struct rest_conf {
    int64_t stream_rows; /* lists of more rows are streamed through a cursor */
    int64_t chunk_rows;
};
struct jsonschema;
struct rest {
    const struct rest_conf *conf;
    struct jsonschema *anything, *any_list; /* what a stream of rows is, before each is looked at */
};

/* The resource a route belongs to. */
static inline const struct resource *rest_resource(const struct req *req);

/* Who asks, as settings of the transaction. Errors: PROBLEM_QUERY when a declared tenant header is missing.
 */
bool rest_context(struct req *req, const struct resource *resource, struct plan_context *ret_context);
/* select=… of the URL; NULL when there is none. Errors: PROBLEM_QUERY. */
bool rest_select(struct req *req, const struct select_node **ret_select);
/* filter, select, order, limit, page, count. Errors: PROBLEM_QUERY naming the parameter. */
bool rest_list_query(struct req *req, const struct resource *resource, struct list_query *ret_query);
/* Whether the URL holds a filter: a parameter that is none of ours. */
bool rest_has_filter(const struct req *req);
/* Refuses query parameters other than `select`. */
bool rest_only_select(struct req *req);
/* The Prefer header. */
struct preferences rest_preferences(struct req *req);

/* Runs the plan as one batch of the given kind; its counting statement is the second step. Refusals of the
 * database are explained in the resource's own names. row_pointer: "" for one object. */
WAITS bool rest_run(struct req *req, struct plan *plan, const struct plan_context *context, enum pg_kind kind,
                    struct pg_batch *batch, struct pg_step *steps);

/* Turns the failure that the database's error made into the client's terms: fields of the resource,
 * parameters of the URL. */
void rest_explain(struct req *req, const struct plan *plan, enum pg_kind kind, const struct pg_error *error);

/* `"VERSION.HASH"`: strong, covers the version, select and encoding of the representation. */
void rest_etag_set(struct req *req, const struct plan *plan, const struct pg_result *result, int64_t row);
/* If-Match: a row must be there, and unless it is `*` have the one version the client saw (else data NULL).
 * Errors: PROBLEM_PRECONDITION (no tag can match), PROBLEM_PRECONDITION_REQUIRED (428).
 * Source: RFC 9110, 13.1.1. */
struct if_match {
    bool asked;
    struct bytes version;
};
bool rest_if_match(struct req *req, const struct resource *resource, struct if_match *ret_match);
/* If-None-Match: * of a change: the row must not be there yet. Errors: PROBLEM_QUERY for tags, which a change
 * does not take. */
bool rest_if_absent(struct req *req, bool *ret_absent);
/* module.explain: the statement of a read. */
WAITS bool rest_statement(void *room, struct req *req, struct kit_explained *ret_explained);

/* Whether a create is only to be checked: ?dry_run=… */
bool rest_wants_check(const struct req *req);
WAITS bool rest_check(struct req *req, const struct rest *rest);

/* The handlers. */
bool rest_list(struct req *req, void *room);
bool rest_get(struct req *req, void *room);
bool rest_create(struct req *req, void *room);
bool rest_update(struct req *req, void *room);
bool rest_replace(struct req *req, void *room);
bool rest_delete(struct req *req, void *room);

extern struct metric rest_reapplied;
extern const struct problem PROBLEM_PRECONDITION;          /* 412 precondition.failed */
extern const struct problem PROBLEM_PRECONDITION_REQUIRED; /* 428 precondition.required */

#include "http/route.h"
static inline const struct resource *rest_resource(const struct req *req)
{
    return req->route->data;
}
