#pragma once
/* symbol.h - the names behind code addresses: this program's own functions, static ones too, from the symbol
 * table of its file; those of libraries from what they export. For logs and profiles, never in a signal
 * handler. */
#include "base/check.h"

#define SYMBOL_TEXT_BYTES 96

/* "pg_run+0x2f", "libc.so.6:clock_nanosleep+0x17", or "0x7f…" where nothing is known. is_return: the address
 * is one to return to, so the call stands before it. Waits: never; the first call reads the program's file.
 * Any thread. */
bool symbol_is_own(const void *return_address); /* of this program, and its function is known; cheap */
void symbol_write(const void *address, bool is_return, bool with_offset, char text[static SYMBOL_TEXT_BYTES]);
