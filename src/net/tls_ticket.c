/* tls_ticket.c - resumption without memory: the session travels to the client, sealed, and back. The keys are
 * the process's, so any core resumes what another began; with a file, any node. */
#include "net/tls_internal.h"

#include <sys/random.h>

#include "base/clock.h"
#include "base/problem.h"

static void random_fill(void *to, size_t size)
{
    check(getrandom(to, size, 0) == (ssize_t)size); /* up to 256 bytes come whole */
}

void tls_tickets_open(struct tls_tickets *tickets, int64_t rotation_ns)
{
    *tickets = (struct tls_tickets){ .count = 1, .made_ns = clock_now_ns(), .rotation_ns = rotation_ns };
    pthread_mutex_init(&tickets->lock, NULL);
    random_fill(&tickets->keys[0], sizeof tickets->keys[0]);
}

static bool parse_line(struct bytes line, struct tls_ticket_key *ret_key)
{
    unsigned char *to = (unsigned char *)ret_key;
    if (line.size != 2 * sizeof *ret_key)
        return false;
    for (size_t i = 0; i < line.size; i++) {
        const char c = line.data[i];
        const int digit = c >= '0' && c <= '9'   ? c - '0'
                          : c >= 'a' && c <= 'f' ? c - 'a' + 10
                          : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                                 : -1;
        if (digit < 0)
            return false;
        to[i / 2] = (unsigned char)(i % 2 ? to[i / 2] | digit : digit << 4);
    }
    return true;
}

bool tls_tickets_parse(struct tls_tickets *tickets, struct bytes text)
{
    struct tls_ticket_key keys[TLS_TICKET_KEYS_MAX];
    int count = 0;
    _Static_assert(sizeof(struct tls_ticket_key) == 80, "no padding: a line is a key");
    while (text.size) {
        struct bytes line = bytes_cut(&text, '\n');
        if (line.size && line.data[line.size - 1] == '\r')
            line.size--;
        line = bytes_trim(line);
        if (!line.size)
            continue;
        if (count == TLS_TICKET_KEYS_MAX)
            return fail(&PROBLEM_CONFIG, "tls.ticket_keys: at most %d keys", TLS_TICKET_KEYS_MAX);
        if (!parse_line(line, &keys[count]))
            return fail(&PROBLEM_CONFIG,
                        "tls.ticket_keys: key %d must be 160 hexadecimal digits "
                        "(`openssl rand -hex 80`)",
                        count + 1);
        count++;
    }
    if (!count)
        return fail(&PROBLEM_CONFIG,
                    "tls.ticket_keys: the file holds no key (`openssl rand -hex 80` makes one)");
    pthread_mutex_lock(&tickets->lock);
    memcpy(tickets->keys, keys, (size_t)count * sizeof *keys);
    tickets->count = count;
    tickets->from_file = true;
    pthread_mutex_unlock(&tickets->lock);
    OPENSSL_cleanse(keys, sizeof keys);
    return true;
}

void tls_tickets_rotate(struct tls_tickets *tickets, int64_t now_ns)
{
    pthread_mutex_lock(&tickets->lock);
    if (!tickets->from_file && now_ns - tickets->made_ns >= tickets->rotation_ns) {
        /* A ticket lives for one rotation: after two, nothing is left that the old key sealed. */
        const bool recent = now_ns - tickets->made_ns < 2 * tickets->rotation_ns;
        tickets->keys[1] = tickets->keys[0];
        tickets->count = recent ? 2 : 1;
        random_fill(&tickets->keys[0], sizeof tickets->keys[0]);
        tickets->made_ns = now_ns;
    }
    pthread_mutex_unlock(&tickets->lock);
}

/* Copies the key to seal with, or the one that sealed; returns its index, or -1. */
static int key_find(struct tls_tickets *tickets, const unsigned char *name, struct tls_ticket_key *ret_key)
{
    int found = name ? -1 : 0;
    pthread_mutex_lock(&tickets->lock);
    for (int i = 0; name && found < 0 && i < tickets->count; i++)
        if (memcmp(tickets->keys[i].name, name, sizeof tickets->keys[i].name) == 0)
            found = i;
    if (found >= 0)
        *ret_key = tickets->keys[found];
    pthread_mutex_unlock(&tickets->lock);
    return found;
}

int tls_tickets_seal_or_open(SSL *ssl, unsigned char name[16], unsigned char *iv, EVP_CIPHER_CTX *cipher,
                             EVP_MAC_CTX *mac, int sealing)
{
    const struct tls_session *session = SSL_get_app_data(ssl);
    struct tls_tickets *tickets = &session->tls->tickets;
    struct tls_ticket_key key;
    if (sealing)
        tls_tickets_rotate(tickets, core_now_ns());
    const int found = key_find(tickets, sealing ? NULL : name, &key);
    if (found < 0)
        return 0; /* unknown: a whole handshake */
    if (sealing) {
        memcpy(name, key.name, sizeof key.name);
        random_fill(iv, 16);
    }
    const OSSL_PARAM how[] = { { "key", OSSL_PARAM_OCTET_STRING, key.mac, sizeof key.mac, 0 },
                               { "digest", OSSL_PARAM_UTF8_STRING, (char *)"SHA256", 6, 0 },
                               { NULL, 0, NULL, 0, 0 } };
    const bool sound = EVP_MAC_CTX_set_params(mac, how) == 1 &&
                       (sealing ? EVP_EncryptInit_ex(cipher, EVP_aes_256_cbc(), NULL, key.cipher, iv)
                                : EVP_DecryptInit_ex(cipher, EVP_aes_256_cbc(), NULL, key.cipher, iv)) == 1;
    OPENSSL_cleanse(&key, sizeof key);
    if (!sound)
        return -1;
    return found == 0 ? 1 : 2; /* 2: an older key; the client gets a new ticket */
}
