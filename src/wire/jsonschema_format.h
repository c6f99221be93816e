#pragma once
/* jsonschema_format.h - what the names of `format` mean, one function each, over a string's bytes (valid
 * UTF-8). Private to jsonschema_*.c and rule_*.c. Pure: no allocation, no locale. */
#include "base/bytes.h"

/* RFC 3339, 5.6; leap seconds only where UTC has them; duration: appendix A. */
bool js_is_date_time(struct bytes text);
bool js_is_date(struct bytes text);
bool js_is_time(struct bytes text);
bool js_is_duration(struct bytes text);

/* RFC 3986, RFC 3987; a reference may be relative. */
bool js_is_uri(struct bytes text);
bool js_is_uri_reference(struct bytes text);
bool js_is_iri(struct bytes text);
bool js_is_iri_reference(struct bytes text);
/* RFC 6570, to level 4. */
bool js_is_uri_template(struct bytes text);

/* RFC 5321, 4.1.2; idn: RFC 6531, the domain's labels not held against IDNA. */
bool js_is_email(struct bytes text);
bool js_is_idn_email(struct bytes text);
/* RFC 1123, 2.1; an xn-- label must be Punycode (RFC 3492) of something that is not all ASCII. */
bool js_is_hostname(struct bytes text);
/* RFC 2673, 3.2: four decimals without leading zeros. RFC 4291, 2.2, without a zone. */
bool js_is_ipv4(struct bytes text);
bool js_is_ipv6(struct bytes text);

/* RFC 4122 (any version). RFC 6901. draft-bhutton-relative-json-pointer-00. ECMA-262. */
bool js_is_uuid(struct bytes text);
bool js_is_json_pointer(struct bytes text);
bool js_is_relative_json_pointer(struct bytes text);
bool js_is_regex(struct bytes text);
