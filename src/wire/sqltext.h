#pragma once
/* sqltext.h - the only place where SQL is built from names and values that are not our own words.
 *
 * Values travel as parameters; what can't (identifiers, SET, COPY, DDL) is quoted here. A name or value
 * that can't be quoted fails the text: text_ok() is false at the end and the statement is never sent. */
#include "base/text.h"

/* "name", always quoted, quotes doubled. Errors: the text fails on an empty name, a NUL or invalid UTF-8.
 * Source: PostgreSQL, 4.1.1 Identifiers and Key Words. */
void sqltext_identifier(struct text *out, struct bytes name);

/* "schema"."name"; just "name" when schema is empty (a CTE or an alias). */
void sqltext_qualified(struct text *out, struct bytes schema, struct bytes name);

/* 'value'; with a backslash inside, E'…' after a space, so that the setting standard_conforming_strings
 * doesn't matter.
 * Errors: the text fails on a NUL or invalid UTF-8 (a cut character could swallow the closing quote).
 * Source: PostgreSQL, 4.1.2.1 String Constants; libpq's PQescapeLiteral. */
void sqltext_literal(struct text *out, struct bytes value);

/* A comment, slash-star style, that nothing inside can close: stars, control characters and all that is
 * not ASCII become '_'. At most SQLTEXT_COMMENT_BYTES_MAX of the content are kept. */
#define SQLTEXT_COMMENT_BYTES_MAX 256
void sqltext_comment(struct text *out, struct bytes content);

/* A value as a LIKE pattern that matches only itself: %, _ and \ get a backslash. Plain text, to be bound. */
void sqltext_like_escape(struct text *out, struct bytes value);
