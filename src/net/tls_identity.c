/* tls_identity.c - certificates: each one's SSL_CTX with all that is asked of a handshake, and the choice
 * among them by the name that the client wants. */
#include "net/tls_internal.h"

#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>

#include "base/clock.h"
#include "base/problem.h"

/* ---- what a handshake asks ---- */

/* The certificate for the name that the client wants; whoever wants none we have gets the first. */
static int choose_identity(SSL *ssl, int *alert, void *arg)
{
    const struct tls_session *session = SSL_get_app_data(ssl);
    const char *name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
    (void)alert, (void)arg;
    if (!name || !session->identities)
        return SSL_TLSEXT_ERR_OK;
    for (int i = 0; i < session->identities->count; i++) {
        SSL_CTX *context = session->identities->items[i].context;
        if (X509_check_host(SSL_CTX_get0_certificate(context), name, 0, 0, NULL) != 1)
            continue;
        SSL_set_SSL_CTX(ssl, context);
        break;
    }
    return SSL_TLSEXT_ERR_OK;
}

static bool offers(const unsigned char *offered, unsigned size, const char *protocol)
{
    const size_t length = strlen(protocol);
    for (unsigned at = 0; at < size && at + 1u + offered[at] <= size; at += 1u + offered[at])
        if (offered[at] == length && memcmp(offered + at + 1, protocol, length) == 0)
            return true;
    return false;
}

static int choose_protocol(SSL *ssl, const unsigned char **chosen, unsigned char *chosen_size,
                           const unsigned char *offered, unsigned size, void *arg)
{
    struct tls_session *session = SSL_get_app_data(ssl);
    (void)arg;
    session->is_h2 = session->tls->h2 && offers(offered, size, "h2");
    const char *protocol = session->is_h2 ? "h2" : "http/1.1";
    if (!offers(offered, size, protocol))
        return SSL_TLSEXT_ERR_ALERT_FATAL; /* RFC 7301, 3.2 */
    *chosen = (const unsigned char *)protocol;
    *chosen_size = (unsigned char)strlen(protocol);
    return SSL_TLSEXT_ERR_OK;
}

static int staple(SSL *ssl, void *arg)
{
    const struct tls_identity *identity = arg;
    unsigned char *copy = identity->ocsp_size ? OPENSSL_memdup(identity->ocsp, identity->ocsp_size) : NULL;
    if (!copy)
        return SSL_TLSEXT_ERR_NOACK;
    SSL_set_tlsext_status_ocsp_resp(ssl, copy, (long)identity->ocsp_size); /* takes the copy */
    return SSL_TLSEXT_ERR_OK;
}

/* An encrypted key would make OpenSSL ask the terminal. */
static int no_password(char *buffer, int size, int writing, void *arg)
{
    (void)buffer, (void)size, (void)writing, (void)arg;
    return -1;
}

/* ---- making one ---- */

static bool set_rules(SSL_CTX *context, const struct tls *tls)
{
    const int least = tls->conf->min_version == TLS_VERSION_1_3 ? TLS1_3_VERSION : TLS1_2_VERSION;
    SSL_CTX_set_options(context, SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA |
                                     SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION |
                                     SSL_OP_IGNORE_UNEXPECTED_EOF);
    SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_CTX_clear_mode(context,
                       SSL_MODE_AUTO_RETRY); /* else one read may go on as long as key updates come */
    SSL_CTX_set_read_ahead(context, 1);
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_timeout(context, tls->conf->ticket_rotation_ns / NS_PER_S);
    SSL_CTX_set_num_tickets(context, 1);
    SSL_CTX_set_security_level(context, 2);
    SSL_CTX_set_tlsext_ticket_key_evp_cb(context, tls_tickets_seal_or_open);
    SSL_CTX_set_tlsext_servername_callback(context, choose_identity);
    SSL_CTX_set_alpn_select_cb(context, choose_protocol, NULL);
    SSL_CTX_set_default_passwd_cb(context, no_password);
    return SSL_CTX_set_min_proto_version(context, least) &&
           SSL_CTX_set_session_id_context(context, (const unsigned char *)"lintel", 6) &&
           SSL_CTX_set_cipher_list(context, "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:"
                                            "ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384:"
                                            "ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305") &&
           SSL_CTX_set_ciphersuites(
               context, "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256") &&
           SSL_CTX_set1_groups_list(context, "X25519:P-256:P-384") &&
           SSL_CTX_set1_sigalgs_list(context,
                                     "ECDSA+SHA256:ed25519:RSA-PSS+SHA256:ECDSA+SHA384:RSA-PSS+SHA384:"
                                     "ECDSA+SHA512:RSA-PSS+SHA512:RSA+SHA256:RSA+SHA384:RSA+SHA512");
}

static bool load_pair(SSL_CTX *context, const struct tls *tls, struct bytes certificate, struct bytes key)
{
    char path[TLS_PATH_MAX];
    struct stat info;
    if (bytes_starts(certificate, BYTES("-----BEGIN")) || bytes_starts(key, BYTES("-----BEGIN")))
        return fail(&PROBLEM_CONFIG,
                    "tls: name the file itself, without `file:`, so that it can be read again");
    if (!tls_path(tls, certificate, path))
        return false;
    if (SSL_CTX_use_certificate_chain_file(context, path) != 1)
        return fail(&PROBLEM_CONFIG, "tls.certificate: %.*s: %s", BYTES_ARG(certificate), tls_error());
    if (!tls_path(tls, key, path))
        return false;
    if (stat(path, &info) == 0 && info.st_mode & 007)
        return fail(&PROBLEM_CONFIG, "tls.key: %.*s must not be readable by others: chmod 600 it",
                    BYTES_ARG(key));
    const bool read = SSL_CTX_use_PrivateKey_file(context, path, SSL_FILETYPE_PEM) == 1;
    if (read && SSL_CTX_check_private_key(context) == 1)
        return true;
    if (read || ERR_GET_REASON(ERR_peek_last_error()) == X509_R_KEY_VALUES_MISMATCH) {
        ERR_clear_error();
        return fail(&PROBLEM_CONFIG, "tls.key: %.*s is not the key of %.*s", BYTES_ARG(key),
                    BYTES_ARG(certificate));
    }
    return fail(&PROBLEM_CONFIG, "tls.key: %.*s: %s (an encrypted key is not taken)", BYTES_ARG(key),
                tls_error());
}

static bool load_client_ca(SSL_CTX *context, const struct tls *tls)
{
    const char *name = tls->conf->client_ca;
    char path[TLS_PATH_MAX];
    if (!name || !name[0])
        return true;
    if (!tls_path(tls, bytes_of(name), path))
        return false;
    STACK_OF(X509_NAME) *names = SSL_load_client_CA_file(path);
    if (!names || SSL_CTX_load_verify_file(context, path) != 1) {
        sk_X509_NAME_pop_free(names, X509_NAME_free);
        return fail(&PROBLEM_CONFIG, "tls.client_ca: %s: %s", name, tls_error());
    }
    SSL_CTX_set_client_CA_list(context, names); /* takes them */
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
    return true;
}

static bool load_ocsp(struct tls_identity *identity, const struct tls *tls, struct bytes name)
{
    char path[TLS_PATH_MAX], *data;
    if (!name.size)
        return true;
    if (!tls_path(tls, name, path) || !tls_file_read(path, 65536, &data, &identity->ocsp_size))
        return false;
    identity->ocsp = (unsigned char *)data;
    if (identity->ocsp_size < 2 ||
        identity->ocsp[0] != 0x30) /* a DER SEQUENCE; the client verifies the rest */
        return fail(&PROBLEM_CONFIG, "tls.ocsp: %.*s is no OCSP answer in DER", BYTES_ARG(name));
    SSL_CTX_set_tlsext_status_cb(identity->context, staple);
    SSL_CTX_set_tlsext_status_arg(identity->context, identity);
    return true;
}

static void describe(struct tls_identity *identity)
{
    X509 *leaf = SSL_CTX_get0_certificate(identity->context);
    struct tm end = { 0 };
    GENERAL_NAMES *names = X509_get_ext_d2i(leaf, NID_subject_alt_name, NULL, NULL);
    for (int i = 0; i < sk_GENERAL_NAME_num(names) && !identity->name[0]; i++) {
        const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);
        if (name->type == GEN_DNS)
            snprintf(identity->name, sizeof identity->name, "%.*s", ASN1_STRING_length(name->d.dNSName),
                     (const char *)ASN1_STRING_get0_data(name->d.dNSName));
    }
    GENERAL_NAMES_free(names);
    if (!identity->name[0])
        X509_NAME_get_text_by_NID(X509_get_subject_name(leaf), NID_commonName, identity->name,
                                  (int)sizeof identity->name);
    for (char *c = identity->name; *c; c++) /* it goes into logs and terminals */
        if (*c < ' ' || *c > '~')
            *c = '?';
    if (ASN1_TIME_to_tm(X509_get0_notAfter(leaf), &end) == 1)
        identity->expires_ns = (int64_t)timegm(&end) * NS_PER_S;
}

static bool identity_load(struct tls_identity *identity, const struct tls *tls, struct bytes certificate,
                          struct bytes key, struct bytes ocsp)
{
    ERR_clear_error();
    identity->context = SSL_CTX_new(TLS_server_method());
    check(identity->context != NULL);
    if (!set_rules(identity->context, tls))
        return fail(&PROBLEM_CONFIG, "tls: this OpenSSL lacks what is needed: %s", tls_error());
    if (!load_pair(identity->context, tls, certificate, key) || !load_client_ca(identity->context, tls) ||
        !load_ocsp(identity, tls, ocsp))
        return false;
    describe(identity);
    return true;
}

static struct bytes list_of(const char *list)
{
    return bytes_of(list ? list : "");
}

static int lines_in(struct bytes list)
{
    int count = 0;
    while (list.size) {
        bytes_cut(&list, '\n');
        count++;
    }
    return count;
}

bool tls_identities_load(struct tls *tls, struct tls_identities **ret_identities)
{
    struct bytes certificates = list_of(tls->conf->certificate), keys = list_of(tls->conf->key),
                 answers = list_of(tls->conf->ocsp);
    const int count = lines_in(certificates);
    if (count < 1 || count > TLS_CERTIFICATES_MAX)
        return fail(&PROBLEM_CONFIG, "tls.certificate: 1 to %d certificates", TLS_CERTIFICATES_MAX);
    if (keys.size && lines_in(keys) != count)
        return fail(&PROBLEM_CONFIG, "tls.key: %d certificates want %d keys", count, count);
    struct tls_identities *identities = calloc(1, sizeof *identities);
    check(identities != NULL);
    atomic_init(&identities->users, 1);
    while (certificates.size) {
        const struct bytes certificate = bytes_cut(&certificates, '\n');
        const struct bytes key = keys.size ? bytes_cut(&keys, '\n') : certificate;
        const struct bytes answer = answers.size ? bytes_cut(&answers, '\n') : (struct bytes){ 0 };
        if (!identity_load(&identities->items[identities->count++], tls, certificate, key, answer)) {
            tls_identities_unref(identities);
            return false;
        }
    }
    *ret_identities = identities;
    return true;
}

void tls_identities_unref(struct tls_identities *identities)
{
    if (!identities || atomic_fetch_sub_explicit(&identities->users, 1, memory_order_acq_rel) > 1)
        return;
    for (int i = 0; i < identities->count; i++) {
        SSL_CTX_free(identities->items[i].context);
        free(identities->items[i].ocsp);
    }
    free(identities);
}
