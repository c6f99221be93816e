#pragma once
/* document_shared.h - what every document has: the probes, and the headers, parameters and answers that all
 * operations refer to. */
#include "base/text.h"

/* `"/livez":{…},…` */
void document_system_paths_write(struct text *text);
/* `"components":{…,"schemas":{…`: open, so that the resources' own schemas follow. */
void document_components_begin(struct text *text);
/* `"responses":{…}` */
void document_responses_write(struct text *text);
