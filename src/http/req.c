/* req.c - reading a request: headers, parameters, the body's type; and the problems of this room. */
#include "http/req.h"

#include "http/exchange.h"
#include "http/router.h"
#include "wire/preference.h"

const char *const http_method_names[HTTP_METHODS] = { "GET",   "HEAD",   "POST",   "PUT",
                                                      "PATCH", "DELETE", "OPTIONS" };

bool http_method_of(struct bytes name, enum http_method *ret_method)
{
    for (int method = 0; method < HTTP_METHODS; method++)
        if (bytes_is(name, http_method_names[method])) {
            *ret_method = (enum http_method)method;
            return true;
        }
    return false;
}

struct bytes req_header(const struct req *req, const char *name)
{
    const size_t size = strlen(name);
    for (int i = 0; i < req->headers_count; i++)
        if (req->headers[i].name.size == size && memcmp(req->headers[i].name.data, name, size) == 0)
            return req->headers[i].value;
    return (struct bytes){ 0 };
}

int req_header_count(const struct req *req, const char *name)
{
    int count = 0;
    for (int i = 0; i < req->headers_count; i++)
        count += bytes_is(req->headers[i].name, name);
    return count;
}

struct bytes req_param(const struct req *req, const char *name)
{
    const int index = req->route ? route_param_index(req->route, name) : -1;
    return index >= 0 ? req->params[index] : (struct bytes){ 0 };
}

int64_t req_now_ns(const struct req *req)
{
    (void)req;
    return clock_now_ns(); /* the turn's time stands still while a handler computes */
}

/* No coding but identity is undone: a compressed body must not be read as if it were plain.
 * Source: RFC 9110, 8.4 and 12.5.3. */
static bool body_is_plain(struct req *req)
{
    const struct bytes coding = req_header(req, "content-encoding");
    if (!coding.size ||
        (bytes_is_nocase(coding, "identity") && req_header_count(req, "content-encoding") == 1))
        return true;
    answer_header_lasting(req, "Accept-Encoding", BYTES("identity"));
    return fail(&PROBLEM_MEDIA_TYPE, "send the body without Content-Encoding");
}

bool req_body_read(struct req *req, int64_t bytes_max)
{
    return body_is_plain(req) && req->exchange->wire->body_read(req->exchange, bytes_max);
}

bool req_body_next(struct req *req, int64_t bytes_max, struct bytes *ret_run)
{
    return body_is_plain(req) && req->exchange->wire->body_next(req->exchange, bytes_max, ret_run);
}

int64_t exchange_body_max(const struct exchange *exchange, int64_t bytes_max)
{
    const struct route *route = exchange->req.route;
    if (bytes_max > 0)
        return bytes_max;
    return route && route->body_bytes_max ? route->body_bytes_max
                                          : exchange->core->server->conf.body_bytes_max;
}

struct bytes req_content_type(const struct req *req)
{
    struct bytes type, charset;
    if (req_header_count(req, "content-type") > 1)
        return (struct bytes){ 0 }; /* whoever stands between may have read the other one */
    if (!media_type_read(req_header(req, "content-type"), &type, &charset))
        return (struct bytes){ 0 };
    for (size_t i = 0; i < type.size; i++) {
        if (type.data[i] < 'A' || type.data[i] > 'Z')
            continue;
        /* Rare: a copy in lower case. The arena is the request's own, so a const request may still hold it.
         */
        char *copy = arena_copy((struct arena *)&req->arena, type);
        for (size_t at = 0; copy && at < type.size; at++)
            if (copy[at] >= 'A' && copy[at] <= 'Z')
                copy[at] = (char)(copy[at] | 0x20);
        return copy ? (struct bytes){ copy, type.size } : (struct bytes){ 0 };
    }
    return type;
}

const struct problem PROBLEM_NOT_FOUND = {
    "not_found",
    404,
    false,
    "There is nothing at this path.",
    "No route matches the path, or the resource does not exist or is not visible to the caller.",
    "0.1"
};
const struct problem PROBLEM_METHOD = { "method_not_allowed",
                                        405,
                                        false,
                                        "The path does not take this method.",
                                        "The Allow header lists those it takes.",
                                        "0.1" };
const struct problem PROBLEM_BAD_REQUEST = {
    "bad_request",
    400,
    false,
    "The request cannot be understood.",
    "Its framing, target, a header or a parameter is malformed; the message says which.",
    "0.1"
};
const struct problem PROBLEM_BODY_TOO_LARGE = {
    "body_too_large",
    413,
    false,
    "The request's body is larger than this route accepts.",
    "The limit is http.body_bytes_max, or the route's own; the message names it.",
    "0.1"
};
const struct problem PROBLEM_URI_TOO_LONG = { "uri_too_long",
                                              414,
                                              false,
                                              "The request target is longer than this server accepts.",
                                              "The limit is http.target_bytes_max.",
                                              "0.1" };
const struct problem PROBLEM_HEADERS_TOO_LARGE = {
    "headers_too_large",
    431,
    false,
    "The request's headers are more or larger than this server accepts.",
    "The limits are http.headers_max and http.header_bytes_max.",
    "0.1"
};
const struct problem PROBLEM_REQUEST_TIMEOUT = {
    "request_timeout",
    408,
    true,
    "The request did not arrive in time.",
    "Its head took longer than http.header_timeout, or its body came slower than http.body_rate_min.",
    "0.1"
};
const struct problem PROBLEM_MEDIA_TYPE = { "media_type",
                                            415,
                                            false,
                                            "The body's Content-Type is not one this route reads.",
                                            "Send the type that the message names, and no Content-Encoding.",
                                            "0.1" };
const struct problem PROBLEM_NOT_ACCEPTABLE = { "not_acceptable",
                                                406,
                                                false,
                                                "None of the types that Accept allows can be produced.",
                                                "Accept one of the types that the message names.",
                                                "0.1" };
const struct problem PROBLEM_EXPECTATION = { "expectation_failed",
                                             417,
                                             false,
                                             "The expectation cannot be met.",
                                             "Only `Expect: 100-continue` is understood.",
                                             "0.1" };
const struct problem PROBLEM_NOT_IMPLEMENTED = {
    "not_implemented",
    501,
    false,
    "The method or coding is not implemented.",
    "GET, HEAD, POST, PUT, PATCH, DELETE and OPTIONS are; of transfer codings, chunked.",
    "0.1"
};
const struct problem PROBLEM_PROTOCOL_VERSION = {
    "protocol_version",           505,  false, "The protocol's version is not spoken here.",
    "HTTP/1.1 and HTTP/1.0 are.", "0.1"
};
const struct problem PROBLEM_SHUTTING_DOWN = { "shutting_down",
                                               503,
                                               true,
                                               "The server is shutting down.",
                                               "Another node, or this one in a moment, will answer.",
                                               "0.1" };
const struct problem *const http_problems[] = {
    &PROBLEM_NOT_FOUND,       &PROBLEM_METHOD,
    &PROBLEM_BAD_REQUEST,     &PROBLEM_BODY_TOO_LARGE,
    &PROBLEM_URI_TOO_LONG,    &PROBLEM_HEADERS_TOO_LARGE,
    &PROBLEM_REQUEST_TIMEOUT, &PROBLEM_MEDIA_TYPE,
    &PROBLEM_NOT_ACCEPTABLE,  &PROBLEM_EXPECTATION,
    &PROBLEM_NOT_IMPLEMENTED, &PROBLEM_PROTOCOL_VERSION,
    &PROBLEM_SHUTTING_DOWN,   NULL,
};
