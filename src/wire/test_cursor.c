/* Goal: a cursor opens to what was sealed, in its own context, under a known key; and to nothing
 * otherwise. */
#include "base/test.h"

#include "base/clock.h"
#include "wire/cursor.c"

static const struct cursor_key old_key = { .id = 1, .bytes = "0123456789abcdef0123456789abcde" };
static const struct cursor_key new_key = { .id = 2, .bytes = "fedcba9876543210fedcba987654321" };
static const uint8_t seed[32] = "a seed that only tests may know";
static const struct bytes context = BYTES_INIT("filter+order+tenant");
static struct arena arena;
static struct text text;

static struct cursor_box box_of(struct cursor_key first)
{
    struct cursor_box box;
    expect(cursor_box_open(&box, &first, 1, seed));
    return box;
}

static struct bytes sealed_by(const struct cursor_box *box, const struct cursor *cursor)
{
    text_done(&text);
    text_init_heap(&text, 0);
    expect(cursor_seal(box, context, cursor, &text));
    expect(text_ok(&text));
    return text_bytes(&text);
}

static const struct bytes row[] = {
    BYTES_INIT("2024-05-01 10:00:00+00"), { NULL, 0 }, BYTES_INIT(""), BYTES_INIT("42")
};
static const struct cursor sample = { CURSOR_BEFORE, row, array_count(row) };

TEST(what_was_sealed_opens)
{
    struct cursor_box box = box_of(old_key);
    const struct bytes sealed = sealed_by(&box, &sample);
    struct cursor cursor;
    expect(cursor_open(&box, &arena, context, sealed, &cursor));
    expect_eq(cursor.direction, CURSOR_BEFORE);
    expect_eq(cursor.values_count, 4);
    expect_bytes(cursor.values[0], "2024-05-01 10:00:00+00");
    expect(cursor.values[1].data == NULL); /* NULL is not the empty text */
    expect(cursor.values[2].data != NULL && cursor.values[2].size == 0);
    expect_bytes(cursor.values[3], "42");
    cursor_box_close(&box);
    cursor_box_close(&box);
}

TEST(the_same_place_never_looks_the_same_and_shows_nothing)
{
    struct cursor_box box = box_of(old_key);
    char first[256];
    const size_t size = sealed_by(&box, &sample).size;
    memcpy(first, text.data, size);
    expect(!bytes_equal(sealed_by(&box, &sample), (struct bytes){ first, size }));
    for (size_t i = 0; i < size; i++)
        expect(strchr("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_", text.data[i]));
    uint8_t raw[256];
    expect(base64url_read(text_bytes(&text), raw));
    expect(!memmem(raw, BASE64URL_DECODED_BYTES(size), "2024", 4));
    cursor_box_close(&box);
}

TEST(every_flipped_bit_and_every_cut_is_noticed)
{
    struct cursor_box box = box_of(old_key);
    struct cursor cursor;
    const struct bytes sealed = sealed_by(&box, &sample);
    for (size_t i = 0; i < sealed.size; i++) {
        expect(!cursor_open(&box, &arena, context, bytes_first(sealed, i), &cursor));
        for (char c = 'A'; c <= 'P'; c = (char)(c + 3)) {
            const char kept = text.data[i];
            if (kept == c)
                continue;
            text.data[i] = c;
            expect(!cursor_open(&box, &arena, context, sealed, &cursor));
            text.data[i] = kept;
        }
    }
    expect(cursor_open(&box, &arena, context, sealed, &cursor));
    text_byte(&text, 'A');
    expect(!cursor_open(&box, &arena, context, text_bytes(&text), &cursor));
    cursor_box_close(&box);
}

TEST(another_context_opens_nothing)
{
    struct cursor_box box = box_of(old_key);
    struct cursor cursor;
    const struct bytes sealed = sealed_by(&box, &sample);
    expect(!cursor_open(&box, &arena, BYTES("filter+order+tenant2"), sealed, &cursor));
    expect(!cursor_open(&box, &arena, BYTES(""), sealed, &cursor));
    expect(cursor_open(&box, &arena, context, sealed, &cursor));
    cursor_box_close(&box);
}

TEST(keys_rotate_the_first_seals_and_all_open)
{
    struct cursor_box old_box = box_of(old_key), new_box = box_of(new_key), both;
    const struct cursor_key keys[] = { new_key, old_key };
    expect(cursor_box_open(&both, keys, 2, seed));
    struct cursor cursor;
    expect(cursor_open(&both, &arena, context, sealed_by(&old_box, &sample), &cursor));
    expect(!cursor_open(&new_box, &arena, context, text_bytes(&text), &cursor));
    expect(cursor_open(&new_box, &arena, context, sealed_by(&both, &sample), &cursor));
    expect(!cursor_open(&old_box, &arena, context, text_bytes(&text), &cursor));
    /* The right id does not help the wrong key. */
    struct cursor_key forged = new_key;
    forged.id = old_key.id;
    struct cursor_box forger = box_of(forged);
    expect(!cursor_open(&both, &arena, context, sealed_by(&forger, &sample), &cursor));
    cursor_box_close(&old_box);
    cursor_box_close(&new_box);
    cursor_box_close(&both);
    cursor_box_close(&forger);
}

TEST(an_id_can_not_be_exchanged_even_for_the_same_key)
{
    struct cursor_key again = old_key;
    again.id = 3;
    const struct cursor_key keys[] = { old_key, again };
    struct cursor_box box;
    struct cursor cursor;
    uint8_t raw[256];
    expect(cursor_box_open(&box, keys, 2, seed));
    const struct bytes sealed = sealed_by(&box, &sample);
    expect(base64url_read(sealed, raw));
    const size_t size = BASE64URL_DECODED_BYTES(sealed.size);
    raw[0] = again.id;
    text_clear(&text);
    base64url_write(&text, (struct bytes){ (const char *)raw, size });
    expect(!cursor_open(&box, &arena, context, text_bytes(&text), &cursor));
    cursor_box_close(&box);
}

TEST(a_plain_text_is_read_to_its_end_and_no_further)
{
    struct cursor cursor;
    const uint8_t plain[] = { CURSOR_AFTER, 2, 3, 'a', 'b', 0, 'x' };
    expect(plain_read(&arena, plain, 6, &cursor));
    expect_bytes(cursor.values[0], "ab");
    expect(!plain_read(&arena, plain, 7, &cursor)); /* something behind */
    for (size_t size = 0; size < 6; size++)
        expect(!plain_read(&arena, plain, size, &cursor));
    const uint8_t direction[] = { 2, 0 }, count[] = { 0, CURSOR_VALUES_MAX + 1 },
                  endless[] = { 0, 1, 0x80, 0x80, 0x80, 1 };
    expect(!plain_read(&arena, direction, sizeof direction, &cursor));
    expect(!plain_read(&arena, count, sizeof count, &cursor));
    expect(!plain_read(&arena, endless, sizeof endless, &cursor));
}

TEST(the_limits_hold_and_one_past_them_is_refused)
{
    struct cursor_box box = box_of(old_key);
    struct cursor cursor;
    static char much[CURSOR_BYTES_MAX];
    struct bytes values[CURSOR_VALUES_MAX + 1] = { { much,
                                                     SEALED_BYTES_MAX - HEAD_BYTES - TAG_BYTES - 2 - 3 } };
    struct cursor wide = { CURSOR_AFTER, values, 1 };
    expect(sealed_by(&box, &wide).size <= CURSOR_BYTES_MAX);
    expect(cursor_open(&box, &arena, context, text_bytes(&text), &cursor));
    expect_eq(cursor.values[0].size, values[0].size);
    values[0].size++;
    text_clear(&text);
    expect(!cursor_seal(&box, context, &wide, &text));
    expect_eq(text.size, 0);
    values[0] = (struct bytes){ NULL, 0 };
    wide.values_count = CURSOR_VALUES_MAX;
    expect(cursor_open(&box, &arena, context, sealed_by(&box, &wide), &cursor));
    expect_eq(cursor.values_count, CURSOR_VALUES_MAX);
    wide.values_count++;
    expect(!cursor_seal(&box, context, &wide, &text));
    memset(much, 'A', sizeof much);
    text_clear(&text);
    text_add(&text, (struct bytes){ much, sizeof much });
    text_byte(&text, 'A');
    expect(!cursor_open(&box, &arena, context, text_bytes(&text), &cursor));
    cursor_box_close(&box);
}

static void seal_vector(uint8_t key_byte, const char *additional, const char *expected_hex)
{
    struct cursor_key key = { .id = 0 };
    memset(key.bytes, key_byte, sizeof key.bytes);
    struct key_state state = { 0 };
    expect(key_open(&state, &key));
    uint8_t message[32], sealed[64];
    int size, more;
    expect(message_key(&state, (const uint8_t *)"ABCDEFGHIJKLMNOPQRSTUVWX", message));
    EVP_CIPHER_CTX *gcm = cipher_new("AES-256-GCM", NULL);
    expect_eq(EVP_EncryptInit_ex2(gcm, NULL, message, (const uint8_t *)"MNOPQRSTUVWX", NULL), 1);
    expect_eq(EVP_EncryptUpdate(gcm, NULL, &size, (const uint8_t *)additional, (int)strlen(additional)), 1);
    expect_eq(EVP_EncryptUpdate(gcm, sealed, &size, (const uint8_t *)"XAES-256-GCM", 12), 1);
    expect_eq(EVP_EncryptFinal_ex(gcm, sealed + size, &more), 1);
    expect_eq(EVP_CIPHER_CTX_ctrl(gcm, EVP_CTRL_AEAD_GET_TAG, TAG_BYTES, sealed + size), 1);
    char hex[128];
    for (int i = 0; i < size + TAG_BYTES; i++)
        snprintf(hex + 2 * i, 3, "%02x", sealed[i]);
    expect_str(hex, expected_hex);
    EVP_CIPHER_CTX_free(gcm);
    EVP_CIPHER_CTX_free(state.block);
}

TEST(the_cipher_is_xaes_256_gcm) /* C2SP's vectors: both branches of the doubling */
{
    seal_vector(0x01, "", "ce546ef63c9cc60765923609b33a9a1974e96e52daf2fcf7075e2271");
    seal_vector(0x03, "c2sp.org/XAES-256-GCM", "986ec1832593df5443a179437fd083bf3fdb41abd740a21f71eb769d");
}

TEST(base64url_has_one_text_for_one_value)
{
    uint8_t raw[8];
    expect(base64url_read(BYTES(""), raw));
    expect(base64url_read(BYTES("Zg"), raw) && raw[0] == 'f');
    expect(!base64url_read(BYTES("Zh"), raw)); /* bits behind the end */
    expect(base64url_read(BYTES("Zm8"), raw));
    expect(!base64url_read(BYTES("Zm9"), raw));
    expect(!base64url_read(BYTES("Z"), raw));
    expect(!base64url_read(BYTES("Zg=="), raw));
    expect(!base64url_read(BYTES("Zm+v"), raw));
    for (size_t size = 0; size <= 6; size++) {
        text_done(&text);
        text_init_heap(&text, 0);
        base64url_write(&text, (struct bytes){ "\xff\xfe\x00\x7f\x80\x01", size });
        expect_eq(text.size, BASE64URL_ENCODED_BYTES(size));
        expect(base64url_read(text_bytes(&text), raw));
        expect(memcmp(raw, "\xff\xfe\x00\x7f\x80\x01", size) == 0);
    }
}

TEST(sealing_and_opening_stay_cheap)
{
    struct cursor_box box = box_of(old_key);
    struct cursor cursor;
    int64_t best_ns = INT64_MAX;
    for (int round = 0; round < 20; round++) {
        const int64_t start_ns = clock_thread_cpu_ns();
        for (int i = 0; i < 100; i++) {
            text_clear(&text);
            expect(cursor_seal(&box, context, &sample, &text));
            arena_done(&arena);
            expect(cursor_open(&box, &arena, context, text_bytes(&text), &cursor));
        }
        const int64_t took_ns = (clock_thread_cpu_ns() - start_ns) / 100;
        best_ns = took_ns < best_ns ? took_ns : best_ns;
    }
    print_message("seal and open: %lld ns\n", (long long)best_ns);
    /* 1.8 us measured for both; the room above is for sanitizers and slower machines. A context per call
     * costs 20. */
    expect(best_ns < 15000 * test_slowness());
    cursor_box_close(&box);
}
