#pragma once
/* heap_write.h - the heap profile as somebody reads it: JSON with a text for people in it, or members of a
 * log line. */
#include "base/heap_site.h"
#include "base/text.h"
#include "kit/memory.h"

void heap_write_json(struct text *json, const struct heap_sites *sites, const struct memory_now *now,
                     int top);
/* "resident_bytes":…,"sites":[…] of the first few, short enough for a line of the log. */
void heap_write_line(struct text *members, const struct heap_sites *sites, const struct memory_now *now,
                     int top);
