#pragma once
/* catalogue.h - the codes of all failures: the server's own, and the app's from errors.yaml. */
#include "base/text.h"
#include "kit/module.h"
#include "model/resource.h"

/* {"problems":[{code,class,status,retryable,title,description,since,deprecated,replaced_by}]} */
void catalogue_write(struct text *text, const struct kit *kit, const struct resource_set *set);
/* GET /errors/{code}; room: struct kit. Errors: PROBLEM_NOT_FOUND. */
bool catalogue_entry(struct req *req, const struct kit *kit, const struct resource_set *set);
