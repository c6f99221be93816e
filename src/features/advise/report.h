#pragma once
/* report.h - a doctor's answer: JSON with the numbers, the verdict, whether something was found, and the same
 * as text for people. */
#include "base/text.h"
#include "features/advise/sample.h"

/* What every answer begins and ends with; between them, members led by a comma. Owner: report_end() takes
 * `people`, an empty text on the heap at first. */
void report_begin(struct text *json, const char *doctor, const char *verdict, bool found);
void report_text(struct text *json, const char *name, const char *value);
void report_end(struct text *json, struct text *people);

void report_capacity(const struct facts *facts, struct text *json);
void report_pool(const struct facts *facts, struct text *json);
void report_latency(const struct facts *facts, const struct machine *machine, struct text *json);
void report_routes(const struct facts *facts, const struct sample *from, const struct sample *to,
                   struct text *json);
