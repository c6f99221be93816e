#pragma once
/* exposition.h - every registered metric as text: Prometheus 0.0.4, or OpenMetrics 1.0 when asked for. */
#include "base/text.h"

struct kit;
void exposition_write(struct text *text, const struct kit *kit, bool open_metrics);
