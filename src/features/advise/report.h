#pragma once
/* report.h - a doctor's answer: JSON with the numbers, the verdict, whether something was found, and the same
 * as text for people. */
#include "base/text.h"
#include "features/advise/sample.h"

void report_capacity(const struct facts *facts, struct text *json);
void report_pool(const struct facts *facts, struct text *json);
void report_latency(const struct facts *facts, const struct machine *machine, struct text *json);
void report_routes(const struct facts *facts, const struct sample *from, const struct sample *to,
                   struct text *json);
