#pragma once
/* document.h - OpenAPI 3.1 of exactly what is exposed. */
#include "base/text.h"
#include "kit/module.h"
#include "model/resource.h"

/* Appends the document. title, version: of the app. */
void document_write(struct text *text, const struct resource_set *set, const struct kit *kit,
                    const char *title, const char *version);
