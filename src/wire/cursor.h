#pragma once
/* cursor.h - page cursors: the place in an order, sealed so that a client can carry it but neither read
 * nor bend it.
 *
 * A cursor holds the values of the order's columns in one row; they may be columns the client must not
 * see, hence encryption. It is bound to a context (filter, order, tenant …, as the caller hashes it):
 * opened in another one, it is nothing. Cipher: XAES-256-GCM, whose 192-bit nonces may be drawn at random
 * without counting messages, so that any number of nodes can share one key. Keys carry an id; the first
 * seals, all open, so a key is replaced by putting a new one in front and dropping the old one when its
 * cursors are stale.
 *
 *   cursor = base64url( key id: 1 | nonce: 24 | ciphertext | tag: 16 )
 *   additional data: "lintel.cursor.1" NUL, key id, context
 *   plain  = direction: 1 | count: 1 | per value: varint(0: NULL, else size + 1) bytes
 *
 * Source: C2SP XAES-256-GCM; NIST SP 800-38D; RFC 4648 section 5. */
#include "base/text.h"

#define CURSOR_KEYS_MAX   8
#define CURSOR_VALUES_MAX 64
#define CURSOR_BYTES_MAX  4096 /* of a cursor as text */

struct cursor_key {
    uint8_t id;
    uint8_t bytes[32];
};

struct cursor_state;
struct cursor_box { /* one a core: seals and opens one at a time */
    struct cursor_state *state;
};

enum cursor_direction { CURSOR_AFTER, CURSOR_BEFORE };

struct cursor {
    enum cursor_direction direction;
    const struct bytes *values; /* data NULL: SQL NULL */
    int values_count;
};

/* Prepares the ciphers. keys: 1..CURSOR_KEYS_MAX with different ids, copied. seed: 32 fresh random bytes,
 * never used before: nonces come from it, so open the box after any fork.
 * Errors: false when OpenSSL lacks AES-256-GCM (a provider is missing); *box is then empty. */
bool cursor_box_open(struct cursor_box *box, const struct cursor_key *keys, int keys_count,
                     const uint8_t seed[32]) MUST_CHECK;

/* Wipes and frees. An empty or closed box is fine. */
void cursor_box_close(struct cursor_box *box);

/* Appends the cursor to `out`.
 * Errors: false when it would be longer than CURSOR_BYTES_MAX; nothing is appended then. (text_ok() as
 * always.)
 * Cost: 0.5 to 0.9 µs. */
bool cursor_seal(const struct cursor_box *box, struct bytes context, const struct cursor *cursor,
                 struct text *out) MUST_CHECK;

/* Opens what cursor_seal() made; the values live in the arena.
 * Errors: false for anything else: another context, an unknown key, tampered with, cut, too long, not
 * base64url. Why is not said, on purpose.
 * Cost: 0.5 to 0.9 µs. */
bool cursor_open(const struct cursor_box *box, struct arena *arena, struct bytes context, struct bytes sealed,
                 struct cursor *ret_cursor) MUST_CHECK;
