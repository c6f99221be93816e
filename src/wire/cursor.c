#include "wire/cursor.h"
#include "wire/base64url.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <stdlib.h>

enum { NONCE_BYTES = 24, TAG_BYTES = 16, HEAD_BYTES = 1 + NONCE_BYTES, BLOCK_BYTES = 16 };
#define SEALED_BYTES_MAX BASE64URL_DECODED_BYTES(CURSOR_BYTES_MAX)
static const char purpose[] = "lintel.cursor.1"; /* its NUL counts too */

struct key_state {
    uint8_t id;
    EVP_CIPHER_CTX *block;     /* AES-256 on single blocks: makes the key of each message */
    uint8_t mask[BLOCK_BYTES]; /* K1 of CMAC */
};
struct cursor_state {
    struct key_state keys[CURSOR_KEYS_MAX];
    int keys_count;
    EVP_CIPHER_CTX *seal, *open; /* AES-256-GCM, keyed anew for each message */
    EVP_CIPHER_CTX *nonces;      /* AES-256 under the seed, over a counter */
    uint64_t nonces_count;
};

static EVP_CIPHER_CTX *cipher_new(const char *name, const uint8_t *key)
{
    EVP_CIPHER *cipher = EVP_CIPHER_fetch(NULL, name, NULL);
    EVP_CIPHER_CTX *context = EVP_CIPHER_CTX_new();
    check(context != NULL);
    const bool ready = cipher && EVP_CipherInit_ex2(context, cipher, key, NULL, 1, NULL) == 1 &&
                       EVP_CIPHER_CTX_set_padding(context, 0) == 1;
    EVP_CIPHER_free(cipher); /* the context keeps its own reference */
    if (ready)
        return context;
    EVP_CIPHER_CTX_free(context);
    return NULL;
}

static bool blocks_encrypt(EVP_CIPHER_CTX *context, uint8_t *blocks, int size)
{
    int written;
    return EVP_EncryptUpdate(context, blocks, &written, blocks, size) == 1 && written == size;
}

static bool key_open(struct key_state *state, const struct cursor_key *key)
{
    state->id = key->id;
    state->block = cipher_new("AES-256-ECB", key->bytes);
    if (!state->block || !blocks_encrypt(state->block, state->mask, BLOCK_BYTES))
        return false;
    /* Doubling in GF(2^128), as in CMAC (NIST SP 800-38B, 6.1). */
    const uint8_t carry = state->mask[0] >> 7;
    for (int i = 0; i < BLOCK_BYTES - 1; i++)
        state->mask[i] = (uint8_t)(state->mask[i] << 1 | state->mask[i + 1] >> 7);
    state->mask[BLOCK_BYTES - 1] = (uint8_t)(state->mask[BLOCK_BYTES - 1] << 1 ^ (carry ? 0x87 : 0));
    return true;
}

bool cursor_box_open(struct cursor_box *box, const struct cursor_key *keys, int keys_count,
                     const uint8_t seed[32])
{
    check(keys_count >= 1 && keys_count <= CURSOR_KEYS_MAX);
    struct cursor_state *state = calloc(1, sizeof *state);
    check(state != NULL);
    box->state = state;
    state->seal = cipher_new("AES-256-GCM", NULL);
    state->open = cipher_new("AES-256-GCM", NULL);
    state->nonces = cipher_new("AES-256-ECB", seed);
    bool ready = state->seal && state->open && state->nonces;
    for (int i = 0; i < keys_count; i++) {
        for (int j = 0; j < i; j++)
            check(keys[j].id != keys[i].id);
        state->keys_count++;
        ready = ready && key_open(&state->keys[i], &keys[i]);
    }
    if (!ready)
        cursor_box_close(box);
    return ready;
}

void cursor_box_close(struct cursor_box *box)
{
    struct cursor_state *state = box->state;
    box->state = NULL;
    if (!state)
        return;
    EVP_CIPHER_CTX_free(state->seal);
    EVP_CIPHER_CTX_free(state->open);
    EVP_CIPHER_CTX_free(state->nonces);
    for (int i = 0; i < state->keys_count; i++)
        EVP_CIPHER_CTX_free(state->keys[i].block);
    OPENSSL_cleanse(state, sizeof *state);
    free(state);
}

/* The key of one message: CMAC blocks over "X" and the first half of the nonce. */
static bool message_key(const struct key_state *key, const uint8_t *nonce, uint8_t ret_key[32])
{
    for (int half = 0; half < 2; half++) {
        uint8_t *block = ret_key + half * BLOCK_BYTES;
        const uint8_t head[4] = { 0, (uint8_t)(half + 1), 'X', 0 };
        memcpy(block, head, sizeof head);
        memcpy(block + sizeof head, nonce, NONCE_BYTES / 2);
        for (int i = 0; i < BLOCK_BYTES; i++)
            block[i] ^= key->mask[i];
    }
    return blocks_encrypt(key->block, ret_key, 32);
}

/* Keys the GCM context for one message and feeds it what is only authenticated. */
static bool message_begin(EVP_CIPHER_CTX *gcm, const struct key_state *key, const uint8_t *nonce,
                          struct bytes context, int encrypting)
{
    uint8_t bytes[32];
    int unused;
    const bool begun =
        message_key(key, nonce, bytes) &&
        EVP_CipherInit_ex2(gcm, NULL, bytes, nonce + NONCE_BYTES / 2, encrypting, NULL) == 1 &&
        EVP_CipherUpdate(gcm, NULL, &unused, (const uint8_t *)purpose, sizeof purpose) == 1 &&
        EVP_CipherUpdate(gcm, NULL, &unused, &key->id, 1) == 1 &&
        (context.size == 0 ||
         EVP_CipherUpdate(gcm, NULL, &unused, (const uint8_t *)context.data, (int)context.size) == 1);
    OPENSSL_cleanse(bytes, sizeof bytes);
    return begun;
}

/* Pseudo-random, and never twice from one box: blocks of a counter under the box's own seed. */
static bool nonce_draw(struct cursor_state *state, uint8_t ret_nonce[NONCE_BYTES])
{
    uint8_t blocks[2 * BLOCK_BYTES] = { 0 };
    const uint64_t count = state->nonces_count++;
    memcpy(blocks, &count, sizeof count);
    memcpy(blocks + BLOCK_BYTES, &count, sizeof count);
    blocks[BLOCK_BYTES - 1] = 1;
    blocks[2 * BLOCK_BYTES - 1] = 2;
    if (!blocks_encrypt(state->nonces, blocks, sizeof blocks))
        return false;
    memcpy(ret_nonce, blocks, NONCE_BYTES);
    return true;
}

/* ---- the plain text ---- */

static uint8_t *write_size(uint8_t *to, size_t size)
{
    for (; size >= 0x80; size >>= 7)
        *to++ = (uint8_t)(size | 0x80);
    *to++ = (uint8_t)size;
    return to;
}

/* Bytes written, or 0 when they don't fit. */
static size_t plain_write(const struct cursor *cursor, uint8_t *to, size_t room)
{
    uint8_t *const start = to;
    if (cursor->values_count > CURSOR_VALUES_MAX)
        return 0;
    *to++ = (uint8_t)cursor->direction;
    *to++ = (uint8_t)cursor->values_count;
    for (int i = 0; i < cursor->values_count; i++) {
        const struct bytes value = cursor->values[i];
        const size_t left = room - (size_t)(to - start);
        if (left < 3 || value.size > left - 3) /* two bytes of size reach to 16383, past any room here */
            return 0;
        to = write_size(to, value.data ? value.size + 1 : 0);
        if (value.size)
            memcpy(to, value.data, value.size);
        to += value.size;
    }
    return (size_t)(to - start);
}

static bool read_size(const uint8_t **at, const uint8_t *end, size_t *ret_size)
{
    size_t size = 0;
    for (int shift = 0; shift <= 14 && *at < end; shift += 7) {
        const uint8_t byte = *(*at)++;
        size |= (size_t)(byte & 0x7f) << shift;
        if (byte < 0x80) {
            *ret_size = size;
            return true;
        }
    }
    return false;
}

static bool plain_read(struct arena *arena, const uint8_t *at, size_t plain_size, struct cursor *ret_cursor)
{
    const uint8_t *const end = at + plain_size;
    if (plain_size < 2 || at[0] > CURSOR_BEFORE || at[1] > CURSOR_VALUES_MAX)
        return false;
    const enum cursor_direction direction = (enum cursor_direction)at[0];
    const int count = at[1];
    at += 2;
    struct bytes *values = ARENA_ARRAY(arena, struct bytes, (size_t)count);
    if (!values)
        return false;
    for (int i = 0; i < count; i++) {
        size_t size;
        if (!read_size(&at, end, &size) || (size && size - 1 > (size_t)(end - at)))
            return false;
        if (size == 0)
            continue;
        values[i] = (struct bytes){ (const char *)at, size - 1 };
        at += size - 1;
    }
    *ret_cursor = (struct cursor){ direction, values, count };
    return at == end;
}

/* ---- sealing and opening ---- */

bool cursor_seal(const struct cursor_box *box, struct bytes context, const struct cursor *cursor,
                 struct text *out)
{
    struct cursor_state *state = box->state;
    const struct key_state *key = &state->keys[0];
    uint8_t sealed[SEALED_BYTES_MAX];
    uint8_t *const plain = sealed + HEAD_BYTES;
    const size_t size = plain_write(cursor, plain, SEALED_BYTES_MAX - HEAD_BYTES - TAG_BYTES);
    if (size == 0)
        return false;
    sealed[0] = key->id;
    int written;
    const bool done = nonce_draw(state, sealed + 1) &&
                      message_begin(state->seal, key, sealed + 1, context, 1) &&
                      EVP_EncryptUpdate(state->seal, plain, &written, plain, (int)size) == 1 &&
                      EVP_EncryptFinal_ex(state->seal, plain + size, &written) == 1 &&
                      EVP_CIPHER_CTX_ctrl(state->seal, EVP_CTRL_AEAD_GET_TAG, TAG_BYTES, plain + size) == 1;
    check(done); /* memory to memory: only a broken OpenSSL fails here, and half a cursor must not leave */
    base64url_write(out, (struct bytes){ (const char *)sealed, HEAD_BYTES + size + TAG_BYTES });
    return true;
}

static const struct key_state *key_of(const struct cursor_state *state, uint8_t id)
{
    for (int i = 0; i < state->keys_count; i++)
        if (state->keys[i].id == id)
            return &state->keys[i];
    return NULL;
}

bool cursor_open(const struct cursor_box *box, struct arena *arena, struct bytes context,
                 struct bytes sealed_text, struct cursor *ret_cursor)
{
    struct cursor_state *state = box->state;
    if (sealed_text.size > CURSOR_BYTES_MAX)
        return false;
    const size_t sealed_size = BASE64URL_DECODED_BYTES(sealed_text.size);
    if (sealed_size < HEAD_BYTES + TAG_BYTES)
        return false;
    uint8_t *sealed = arena_alloc(arena, sealed_size);
    if (!sealed || !base64url_read(sealed_text, sealed))
        return false;
    const struct key_state *key = key_of(state, sealed[0]);
    if (!key)
        return false;
    uint8_t *const plain = sealed + HEAD_BYTES;
    const size_t size = sealed_size - HEAD_BYTES - TAG_BYTES;
    int written;
    return message_begin(state->open, key, sealed + 1, context, 0) &&
           EVP_DecryptUpdate(state->open, plain, &written, plain, (int)size) == 1 &&
           EVP_CIPHER_CTX_ctrl(state->open, EVP_CTRL_AEAD_SET_TAG, TAG_BYTES, plain + size) == 1 &&
           EVP_DecryptFinal_ex(state->open, plain + size, &written) == 1 &&
           plain_read(arena, plain, size, ret_cursor);
}
