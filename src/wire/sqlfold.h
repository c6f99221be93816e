#pragma once
/* sqlfold.h - a statement without its values: what may stand in a log, and tells that two are the same but
 * for literals. Comments go, white space becomes one space, strings and numbers become `?`, and a row of them
 * `?, ...`. Names and $1 stay. Source: PostgreSQL documentation, 4.1, Lexical Structure. */
#include "base/text.h"

/* Appends the folded statement, cut at bytes_max. Any bytes are taken; what is not closed reaches to the end.
 */
void sql_fold(struct text *text, struct bytes sql, size_t bytes_max);
