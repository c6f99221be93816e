/* document_shared.c - the parts of the document that do not depend on what is exposed. */
#include "features/openapi/document_shared.h"

static const char components_begin[] =
    "\"components\":{\"headers\":{"
    "\"X-Request-Id\":{\"description\":\"The request's correlation id: the client's own, or one made "
    "here.\",\"schema\":{\"type\":\"string\"}},"
    "\"ETag\":{\"description\":\"Version of this representation; send it back as "
    "If-Match.\",\"schema\":{\"type\":\"string\"}},"
    "\"Link\":{\"description\":\"rel=next and rel=prev (RFC 8288).\",\"schema\":{\"type\":\"string\"}},"
    "\"Location\":{\"description\":\"Path of the new row.\",\"schema\":{\"type\":\"string\"}},"
    "\"Preference-Applied\":{\"description\":\"What of Prefer was done (RFC "
    "7240).\",\"schema\":{\"type\":\"string\"}},"
    "\"Allow\":{\"description\":\"The methods of this path.\",\"schema\":{\"type\":\"string\"}},"
    "\"Cache-Control\":{\"description\":\"How long the answer may be "
    "kept.\",\"schema\":{\"type\":\"string\"}},"
    "\"Accept-Patch\":{\"description\":\"The types that PATCH takes (RFC "
    "5789).\",\"schema\":{\"type\":\"string\"}},"
    "\"Accept-Encoding\":{\"description\":\"The codings that a body may have (RFC 9110, "
    "12.5.3).\",\"schema\":{\"type\":\"string\"}},"
    "\"Retry-After\":{\"description\":\"Seconds to wait before the same request may "
    "succeed.\",\"schema\":{\"type\":\"integer\"}}},"
    "\"parameters\":{"
    "\"select\":{\"name\":\"select\",\"in\":\"query\",\"description\":\"Fields and embedded resources: "
    "id,total,customer(name),lines(sku,qty)\",\"schema\":{\"type\":\"string\"}},"
    "\"order\":{\"name\":\"order\",\"in\":\"query\",\"description\":\"Keys: "
    "created_at.desc.nullslast,id\",\"schema\":{\"type\":\"string\"}},"
    "\"limit\":{\"name\":\"limit\",\"in\":\"query\",\"description\":\"Rows on a "
    "page.\",\"schema\":{\"type\":\"integer\",\"minimum\":1}},"
    "\"after\":{\"name\":\"after\",\"in\":\"query\",\"description\":\"page.next of another page: the page "
    "behind it.\",\"schema\":{\"type\":\"string\"}},"
    "\"before\":{\"name\":\"before\",\"in\":\"query\",\"description\":\"page.prev of another page: the page "
    "before it.\",\"schema\":{\"type\":\"string\"}},"
    "\"offset\":{\"name\":\"offset\",\"in\":\"query\",\"description\":\"Rows to skip, to a configured depth; "
    "cursors reach further and cost less.\",\"schema\":{\"type\":\"integer\",\"minimum\":0}},"
    "\"page\":{\"name\":\"page\",\"in\":\"query\",\"description\":\"Page number from 1, to a configured "
    "depth.\",\"schema\":{\"type\":\"integer\",\"minimum\":1}},"
    "\"count\":{\"name\":\"count\",\"in\":\"query\",\"description\":\"Whether page.count tells how many rows "
    "there are.\",\"schema\":{\"type\":\"string\",\"enum\":[\"none\",\"estimated\",\"capped\",\"exact\"]}},"
    "\"and\":{\"name\":\"and\",\"in\":\"query\",\"description\":\"Group of filters: "
    "(total.gt.10,status.eq.paid)\",\"schema\":{\"type\":\"string\"}},"
    "\"or\":{\"name\":\"or\",\"in\":\"query\",\"description\":\"Alternatives: "
    "(total.gt.10,status.eq.paid)\",\"schema\":{\"type\":\"string\"}},"
    "\"Prefer\":{\"name\":\"Prefer\",\"in\":\"header\",\"description\":\"return=minimal or "
    "return=representation; resolution=merge-duplicates or ignore-duplicates on POST where upsert is allowed "
    "(RFC 7240).\",\"schema\":{\"type\":\"string\"}},"
    "\"If-Match\":{\"name\":\"If-Match\",\"in\":\"header\",\"description\":\"The ETag of the row as it was "
    "read; 412 when it has changed since.\",\"schema\":{\"type\":\"string\"}},"
    "\"If-Match-Required\":{\"name\":\"If-Match\",\"in\":\"header\",\"required\":true,\"description\":\"The "
    "ETag of the row as it was read; 412 when it has changed since, 428 without "
    "it.\",\"schema\":{\"type\":\"string\"}},"
    "\"If-None-Match\":{\"name\":\"If-None-Match\",\"in\":\"header\",\"description\":\"An ETag that the "
    "client "
    "has: 304 when the row still has it.\",\"schema\":{\"type\":\"string\"}},"
    "\"If-None-Match-Any\":{\"name\":\"If-None-Match\",\"in\":\"header\",\"description\":\"*: creates the "
    "row, "
    "and never overwrites one that is there: "
    "412.\",\"schema\":{\"type\":\"string\",\"enum\":[\"*\"]}},"
    "\"dry_run\":{\"name\":\"dry_run\",\"in\":\"query\",\"description\":\"Judges the body as a create would, "
    "and writes nothing; it stands alone.\",\"schema\":{\"type\":\"string\",\"enum\":[\"validate\"]}}},"
    "\"schemas\":{\"Error\":{\"type\":\"object\",\"required\":[\"error_code\",\"message\",\"details\","
    "\"correlation_id\",\"timestamp\"],\"properties\":{"
    "\"error_code\":{\"type\":\"string\"},\"message\":{\"type\":\"string\"},\"details\":{\"type\":\"array\","
    "\"items\":{\"type\":\"object\",\"properties\":{"
    "\"pointer\":{\"type\":\"string\"},\"code\":{\"type\":\"string\"},\"message\":{\"type\":\"string\"}}}},"
    "\"correlation_id\":{\"type\":\"string\"},\"timestamp\":{\"type\":\"string\",\"format\":\"date-time\"}}},"
    "\"Problem\":{\"type\":\"object\",\"description\":\"RFC 9457, for Accept: "
    "application/problem+json.\",\"properties\":{\"type\":{\"type\":\"string\"},"
    "\"title\":{\"type\":\"string\"},\"status\":{\"type\":\"integer\"},\"detail\":{\"type\":\"string\"},"
    "\"error_code\":{\"type\":\"string\"}}},"
    "\"Readiness\":{\"type\":\"object\",\"required\":[\"status\"],\"properties\":{\"status\":{\"type\":"
    "\"string\"},\"checks\":{\"type\":\"object\"}}},"
    "\"Code\":{\"type\":\"object\",\"required\":[\"code\",\"class\",\"status\",\"retryable\",\"title\"],"
    "\"properties\":{\"code\":{\"type\":\"string\"},\"class\":{\"type\":\"string\"},"
    "\"status\":{\"type\":\"integer\"},\"retryable\":{\"type\":\"boolean\"},"
    "\"title\":{\"type\":\"string\"},\"description\":{\"type\":\"string\"},\"since\":{\"type\":\"string\"},"
    "\"deprecated\":{\"type\":\"boolean\"},\"deprecated_since\":{\"type\":\"string\"},"
    "\"replaced_by\":{\"type\":[\"string\",\"null\"]}}},"
    "\"DryRun\":{\"type\":\"object\",\"required\":[\"valid\",\"rows\"],\"properties\":{\"valid\":{\"const\":"
    "true},"
    "\"rows\":{\"type\":\"integer\"}}},"
    "\"Page\":{\"type\":\"object\",\"required\":[\"next\",\"prev\",\"limit\"],\"properties\":{\"next\":{"
    "\"type\":[\"string\",\"null\"]},"
    "\"prev\":{\"type\":[\"string\",\"null\"]},\"next_offset\":{\"type\":\"integer\"},"
    "\"limit\":{\"type\":\"integer\"},\"count\":{\"type\":"
    "\"integer\"},"
    "\"count_capped\":{\"type\":\"boolean\"},\"count_estimated\":{\"type\":\"boolean\"}}}";

static const struct {
    const char *name, *description, *example_code, *headers[3];
} shared_responses[] = {
    { "Invalid",
      "The request cannot be understood: a field, operator or cursor that does not exist.",
      "query.invalid",
      { NULL } },
    { "NotFound", "There is no such row.", "not_found", { NULL } },
    { "Denied", "The database does not allow this.", "forbidden.database", { NULL } },
    { "Operation", "The resource does not offer this operation.", "operation_not_allowed", { "Allow" } },
    { "Conflict", "The write collides with what is there.", "conflict.unique", { NULL } },
    { "Precondition", "The row has changed since it was read.", "precondition.failed", { NULL } },
    { "PreconditionRequired", "Send If-Match with the ETag of the row.", "precondition.required", { NULL } },
    { "TooLarge", "The request passes a limit.", "too_large", { NULL } },
    { "MediaType",
      "The body is not of a type that is read here.",
      "media_type",
      { "Accept-Patch", "Accept-Encoding" } },
    { "Validation", "The body breaks rules; details names all of them.", "validation.failed", { NULL } },
    { "Unavailable",
      "The database or the server is at its limit or away.",
      "database.unavailable",
      { "Retry-After" } },
    { "Timeout", "The request did not finish in time.", "timeout", { NULL } },
    { "Failure",
      "Anything else that goes wrong, in the same shape; /errors lists the codes.",
      "internal",
      { "Retry-After", "Allow" } },
};

static void response_headers_write(struct text *text, const char *const headers[static 3])
{
    text_lit(text, ",\"headers\":{\"X-Request-Id\":{\"$ref\":\"#/components/headers/X-Request-Id\"}");
    for (int i = 0; i < 3 && headers[i]; i++)
        text_printf(text, ",\"%s\":{\"$ref\":\"#/components/headers/%s\"}", headers[i], headers[i]);
    text_byte(text, '}');
}

void document_responses_write(struct text *text)
{
    text_lit(text, "\"responses\":{");
    for (size_t i = 0; i < array_count(shared_responses); i++) {
        text_printf(text, "%s\"%s\":{\"description\":\"%s\"", i ? "," : "", shared_responses[i].name,
                    shared_responses[i].description);
        response_headers_write(text, shared_responses[i].headers);
        text_printf(
            text,
            ",\"content\":{\"application/json\":{\"schema\":{\"$ref\":\"#/components/schemas/Error\"},"
            "\"example\":{\"error_code\":\"%s\",\"message\":\"…\",\"details\":[],"
            "\"correlation_id\":\"5f0c2a9be1d34c7f8a6e0b1d2c3f4a5b\",\"timestamp\":\"2024-01-31T12:30:00."
            "000Z\"}},"
            "\"application/problem+json\":{\"schema\":{\"$ref\":\"#/components/schemas/Problem\"}}}}",
            shared_responses[i].example_code);
    }
    text_byte(text, '}');
}

void document_components_begin(struct text *text)
{
    text_add_z(text, components_begin);
}

static const char system_paths[] =
    "\"/livez\":{\"get\":{\"operationId\":\"livez\",\"summary\":\"Is the process alive?\",\"tags\":"
    "[\"system\"],\"responses\":{\"200\":{\"description\":\"It is.\",\"content\":{\"application/js"
    "on\":{\"schema\":{\"type\":\"object\",\"required\":[\"status\"],\"properties\":{\"status\":{\"ty"
    "pe\":\"string\"}}}}}},\"4XX\":{\"$ref\":\"#/components/responses/Invalid\"}}}},\"/readyz\":"
    "{\"get\":{\"operationId\":\"readyz\",\"summary\":\"May requests be sent here?\",\"tags\":[\"s"
    "ystem\"],\"responses\":{\"200\":{\"description\":\"Ready.\",\"content\":{\"application/json\""
    ":{\"schema\":{\"$ref\":\"#/components/schemas/Readiness\"}}}},\"503\":{\"description\":\"No"
    "t now.\",\"content\":{\"application/json\":{\"schema\":{\"$ref\":\"#/components/schemas/Re"
    "adiness\"}}}},\"4XX\":{\"$ref\":\"#/components/responses/Invalid\"}}}},"
    "\"/errors\":{\"get\":{\"operationId\":\"errors\",\"summary\":\"The catalogue of error codes\","
    "\"tags\":[\"system\"],\"responses\":{\"200\":{\"description\":\"All codes.\",\"content\":"
    "{\"application/json\":{\"schema\":{\"type\":\"object\",\"required\":[\"problems\"],\"properties\":"
    "{\"problems\":{\"type\":\"array\",\"items\":{\"$ref\":\"#/components/schemas/Code\"}}}}}}},"
    "\"4XX\":{\"$ref\":\"#/components/responses/Invalid\"}}}},"
    "\"/errors/{code}\":{\"get\":{\"operationId\":\"error\",\"summary\":\"One error code\","
    "\"tags\":[\"system\"],\"parameters\":[{\"name\":\"code\",\"in\":\"path\",\"required\":true,"
    "\"schema\":{\"type\":\"string\"},\"example\":\"conflict.unique\"}],"
    "\"responses\":{\"200\":{\"description\":\"The code.\",\"content\":"
    "{\"application/json\":{\"schema\":{\"$ref\":\"#/components/schemas/Code\"}}}},"
    "\"404\":{\"$ref\":\"#/components/responses/NotFound\"},"
    "\"4XX\":{\"$ref\":\"#/components/responses/Invalid\"}}}}";

void document_system_paths_write(struct text *text)
{
    text_add_z(text, system_paths);
}
