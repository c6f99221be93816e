#pragma once
/* page.h - what surrounds a page of rows, whoever serves it: the page object, the Link header, and a
 * condition on the answer's own tag. */
#include "http/req.h"

struct page_facts {
    int64_t limit, count; /* count -1: not asked */
    bool count_capped, count_estimated;
    struct bytes next, prev; /* sealed cursors, data NULL: none */
    int64_t next_offset;     /* > 0: there is more, but its keys are too long for a cursor */
};
/* ,"page":{…}} */
void page_write(struct text *text, const struct page_facts *page);
/* Link: <…>; rel="next", with the request's own parameters. Source: RFC 8288. */
void page_link(struct req *req, const struct page_facts *page);

/* True when If-None-Match names the ETag already set: the answer is then 304 without a body. A tag of the
 * same representation in a coding ("-gzip" behind it) counts. Source: RFC 9110, 13.1.2. */
bool page_not_modified(struct req *req);
