/* test_tls.c - the transport over a socketpair: a real OpenSSL client in a thread, the server on a loop. */
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <pthread.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <fcntl.h>
#include <sys/time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/problem.h"
#include "base/test.h"
#include "net/tls_internal.h"

static char folder[] = "/tmp/lintel-tls-XXXXXX";

/* ---- a certificate of our own ---- */

static void write_pem(const char *name, EVP_PKEY *key, X509 *certificate, mode_t mode)
{
    char path[128];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "w");
    check(file != NULL);
    check(certificate ? PEM_write_X509(file, certificate)
                      : PEM_write_PrivateKey(file, key, NULL, NULL, 0, NULL, NULL));
    (void)fclose(file);
    check(chmod(path, mode) == 0);
}

static void make_certificate(const char *certificate_name, const char *key_name, const char *host, long days)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *certificate = X509_new();
    char names[160];
    check(key && certificate);
    X509_set_version(certificate, X509_VERSION_3);
    ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1);
    X509_gmtime_adj(X509_getm_notBefore(certificate), -3600);
    X509_gmtime_adj(X509_getm_notAfter(certificate), days * 86400);
    X509_set_pubkey(certificate, key);
    X509_NAME *name = X509_get_subject_name(certificate);
    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)host, -1, -1, 0);
    X509_set_issuer_name(certificate, name);
    snprintf(names, sizeof names, "DNS:%s", host);
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, NULL, NID_subject_alt_name, names);
    X509_add_ext(certificate, extension, -1);
    X509_EXTENSION_free(extension);
    check(X509_sign(certificate, key, EVP_sha256()) > 0);
    write_pem(certificate_name, NULL, certificate, 0644);
    write_pem(key_name, key, NULL, 0600);
    X509_free(certificate);
    EVP_PKEY_free(key);
}

static struct tls_conf conf_of(const char *certificate, const char *key)
{
    struct tls_conf conf;
    knobs_preset(tls_knobs, &conf);
    conf.certificate = certificate;
    conf.key = key;
    return conf;
}

static const char *open_error(struct tls_conf conf)
{
    static char said[FAILURE_TEXT_BYTES];
    struct tls *tls;
    failure_clear();
    if (tls_open(&conf, folder, &tls)) {
        tls_close(tls);
        return "";
    }
    snprintf(said, sizeof said, "%s", failure_here->message);
    failure_clear();
    return said;
}

/* ---- the client: a thread ---- */

struct client {
    void (*talk)(SSL *ssl);
    int fd;
    pthread_t thread;
};

static void *client_main(void *arg)
{
    const struct client *client = arg;
    SSL_CTX *context = SSL_CTX_new(TLS_client_method());
    SSL *ssl = SSL_new(context);
    check(ssl != NULL);
    SSL_set_fd(ssl, client->fd);
    if (SSL_connect(ssl) == 1)
        client->talk(ssl);
    shutdown(client->fd, SHUT_WR);
    char rest[1024]; /* a close over unread tickets would be a reset */
    while (recv(client->fd, rest, sizeof rest, 0) > 0) {
    }
    SSL_free(ssl);
    SSL_CTX_free(context);
    close(client->fd);
    return NULL;
}

/* ---- the server: a loop ---- */

#define TALK_MAX (4 << 20)
static struct server {
    struct core *core;
    struct tls *tls;
    struct conn conn;
    struct tls_session *session;
    struct timer patience;
    size_t read_size;
    char *got;
    size_t got_size;
    int readable_calls;
    bool ended, broke, opened, failed, late;
    void (*opened_fn)(void);
} server;

static void stop(void)
{
    timer_stop(&server.patience);
    core_stop(server.core);
}

static void too_late(struct timer *timer)
{
    (void)timer;
    server.late = true;
    conn_close(&server.conn);
}

static void server_readable(struct conn *conn)
{
    if (!server.opened) {
        const enum tls_step step = tls_session_step(server.session);
        if (step == TLS_STEP_FAILED) {
            server.failed = true;
            tls_session_close(server.session);
            conn_close(conn);
        } else if (step == TLS_STEP_DONE) {
            server.opened = true;
            tls_session_carry(server.session, conn);
            if (server.opened_fn)
                server.opened_fn();
        }
        return;
    }
    /* Reads once a call, as an owner does whose buffer is full: what is left must be told again. */
    server.readable_calls++;
    check(server.got_size + server.read_size <= TALK_MAX);
    const ssize_t got = conn_read(conn, server.got + server.got_size, server.read_size);
    if (got > 0)
        server.got_size += (size_t)got;
    if (got == 0) {
        server.ended = true;
        conn_close(conn);
    }
}

static void server_broken(struct conn *conn)
{
    server.broke = true;
    if (!server.opened)
        tls_session_close(server.session);
    conn_close(conn);
}

static void server_closed(struct conn *conn)
{
    (void)conn;
    stop();
}

static const struct conn_events server_events = { .readable = server_readable,
                                                  .broken = server_broken,
                                                  .closed = server_closed };

static void converse(void (*talk)(SSL *ssl), size_t read_size, void (*opened)(void))
{
    const struct tls_conf conf = conf_of("a.pem", "a.key");
    struct client client = { .talk = talk };
    int fds[2];
    server = (struct server){ .read_size = read_size, .opened_fn = opened, .patience.fire = too_late };
    server.got = malloc(TALK_MAX);
    check(server.got && socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) == 0);
    check(tls_open(&conf, folder, &server.tls));
    check(core_open(&(struct core_plan){ .fibers_max = 8 }, &server.core));
    client.fd = fds[1];
    const struct timeval bounded = { .tv_sec = 10 };
    setsockopt(client.fd, SOL_SOCKET, SO_RCVTIMEO, &bounded, sizeof bounded);
    check(fcntl(fds[0], F_SETFL, O_NONBLOCK) == 0);
    server.session = tls_session_open(server.tls, fds[0]);
    check(server.session && conn_open(&server.conn, fds[0], &server_events));
    timer_start(&server.patience, core_now_ns() + 20 * NS_PER_S);
    check(pthread_create(&client.thread, NULL, client_main, &client) == 0);
    core_run(server.core);
    pthread_join(client.thread, NULL);
    core_close(server.core);
    tls_close(server.tls);
    free(server.got);
    expect(!server.late);
}

/* ---- reading ---- */

static char pattern[100000];

static void say_at_once(SSL *ssl)
{
    check(SSL_write(ssl, pattern, 16000) == 16000); /* one record */
    SSL_shutdown(ssl);
}

TEST(bytes_that_wait_inside_are_told_though_the_socket_is_silent)
{
    converse(say_at_once, 7, NULL);
    expect(server.ended && !server.broke);
    expect_eq(server.got_size, 16000);
    expect(server.readable_calls >= 16000 / 7);
}

/* ---- buffers ---- */

static void look_for_rest(struct timer *timer)
{
    if (server.session->prev)
        timer_start(timer, core_now_ns() + 50 * NS_PER_MS); /* bounded by the server's patience */
    else
        conn_close(&server.conn);
}

static struct timer rest = { .fire = look_for_rest };

static void wait_for_rest(void)
{
    check(server.session->prev != NULL);
    look_for_rest(&rest);
}

static void say_one_line(SSL *ssl)
{
    check(SSL_write(ssl, pattern, 100) == 100);
    char rest_of_it;
    (void)SSL_read(ssl, &rest_of_it, 1); /* until the server ends */
}

TEST(buffers_are_let_go_once_a_session_rests)
{
    converse(say_one_line, 1000, wait_for_rest);
    expect_eq(server.got_size, 100);
}

static bool still_held;

static void look_once(struct timer *timer)
{
    (void)timer;
    still_held = server.session->prev != NULL;
    conn_close(&server.conn);
}

static struct timer twice_as_long = { .fire = look_once };

static void wait_twice_as_long(void)
{
    timer_start(&twice_as_long, core_now_ns() + 2 * TLS_BUFFERS_REST_NS);
}

static void say_half_a_record(SSL *ssl)
{
    static const unsigned char begun[] = { 23, 3, 3, 0, 100, 1, 2, 3 };
    check(send(SSL_get_fd(ssl), begun, sizeof begun, 0) == sizeof begun);
    char rest_of_it;
    (void)SSL_read(ssl, &rest_of_it, 1);
}

TEST(half_a_record_keeps_its_buffers)
{
    converse(say_half_a_record, 1000, wait_twice_as_long);
    expect(still_held);
}

static void say_nothing(SSL *ssl)
{
    (void)ssl; /* and the socket ends, without close_notify */
}

TEST(a_stream_that_is_cut_ends_as_a_plain_one_does)
{
    converse(say_nothing, 100, NULL);
    expect(server.ended && !server.broke);
    expect_eq(server.got_size, 0);
}

static void say_key_updates(SSL *ssl, int count)
{
    for (int i = 0; i < count; i++) {
        SSL_key_update(ssl, SSL_KEY_UPDATE_NOT_REQUESTED);
        SSL_do_handshake(ssl);
    }
    SSL_write(ssl, "x", 1);
    SSL_shutdown(ssl);
}

static void say_32_key_updates(SSL *ssl)
{
    say_key_updates(ssl, 32);
}
static void say_33_key_updates(SSL *ssl)
{
    say_key_updates(ssl, 33);
}

TEST(key_updates_without_data_are_borne_32_times)
{
    converse(say_32_key_updates, 100, NULL);
    expect(server.ended && !server.broke);
    expect_eq(server.got_size, 1);
    converse(say_33_key_updates, 100, NULL);
    expect(server.broke);
    expect_eq(server.got_size, 0);
}

static void spoil(SSL *ssl)
{
    static const char record[] = "\x17\x03\x03\x00\x20 this is no ciphertext of ours...";
    check(send(SSL_get_fd(ssl), record, sizeof record - 1, MSG_NOSIGNAL) > 0);
    char byte;
    (void)SSL_read(ssl, &byte, 1);
}

TEST(a_forged_record_breaks_the_stream)
{
    converse(spoil, 100, NULL);
    expect(server.broke && !server.ended);
}

/* ---- writing ---- */

#define ANSWER_BYTES 1000000
static char *answer_got;
static size_t answer_size;

static void read_slowly(SSL *ssl)
{
    for (int got; answer_size < ANSWER_BYTES; answer_size += (size_t)got) {
        got = SSL_read(ssl, answer_got + answer_size, 30000);
        if (got <= 0)
            break;
        if (answer_size % 3 == 0)
            usleep(1000);
    }
    SSL_shutdown(ssl);
}

static void answer_fiber(void *arg)
{
    (void)arg;
    struct iovec parts[40];
    size_t at = 0;
    int count = 0;
    /* Parts of every size, empty ones and such that end a record exactly. */
    static const size_t sizes[] = { 1, 0, 5, 16384, 16383, 2, 100, 70000, 17, 32768 };
    while (at < ANSWER_BYTES && count < 40) {
        size_t size = sizes[count % 10];
        if (count == 39 || size > ANSWER_BYTES - at)
            size = ANSWER_BYTES - at;
        parts[count++] = (struct iovec){ server.got + at, size };
        at += size;
    }
    if (!conn_write_all(&server.conn, parts, count, core_now_ns() + 15 * NS_PER_S))
        server.broke = true;
    conn_watch(&server.conn, CONN_READ); /* for the end */
}

static void answer(void)
{
    for (size_t i = 0; i < ANSWER_BYTES; i++)
        server.got[i] = (char)(i * 2654435761u >> 13);
    server.got_size = ANSWER_BYTES;
    check(fiber_start(&(struct fiber_plan){ .name = "answer", .run = answer_fiber }) != NULL);
}

TEST(parts_of_any_size_arrive_byte_for_byte_at_a_slow_reader)
{
    answer_got = malloc(ANSWER_BYTES + 30000);
    answer_size = 0;
    check(answer_got != NULL);
    converse(read_slowly, 100, answer);
    expect(server.ended && !server.broke);
    expect_eq(answer_size, ANSWER_BYTES);
    for (size_t i = 0; i < ANSWER_BYTES; i++)
        if (answer_got[i] != (char)(i * 2654435761u >> 13))
            expect_eq(i, ANSWER_BYTES); /* says where */
    free(answer_got);
}

/* ---- files ---- */

TEST(what_is_wrong_with_a_certificate_is_said)
{
    expect_str(open_error(conf_of("a.pem", "a.key")), "");
    expect(strstr(open_error(conf_of("none.pem", "a.key")), "none.pem: No such file") != NULL);
    expect_str(open_error(conf_of("a.pem", "b.key")), "tls.key: b.key is not the key of a.pem");
    expect_str(open_error(conf_of("a.pem\nb.pem", "a.key")), "tls.key: 2 certificates want 2 keys");
    expect(strstr(open_error(conf_of("a.key", "a.key")), "tls.certificate: a.key: no start line") != NULL);
    expect(strstr(open_error(conf_of("-----BEGIN X", "")), "without `file:`") != NULL);
    char path[128];
    snprintf(path, sizeof path, "%s/a.key", folder);
    check(chmod(path, 0604) == 0);
    expect_str(open_error(conf_of("a.pem", "a.key")),
               "tls.key: a.key must not be readable by others: chmod 600 it");
    check(chmod(path, 0600) == 0);
}

TEST(sixteen_certificates_are_taken_and_seventeen_refused)
{
    char certificates[200] = "a.pem", keys[200] = "a.key";
    for (int i = 1; i < TLS_CERTIFICATES_MAX; i++) {
        strcat(certificates, "\nb.pem");
        strcat(keys, "\nb.key");
    }
    expect_str(open_error(conf_of(certificates, keys)), "");
    strcat(certificates, "\nb.pem");
    strcat(keys, "\nb.key");
    expect_str(open_error(conf_of(certificates, keys)), "tls.certificate: 1 to 16 certificates");
}

TEST(a_broken_certificate_leaves_the_old_one_in_force)
{
    const struct tls_conf conf = conf_of("c.pem", "c.key");
    struct tls_certificate seen;
    struct tls *tls;
    bool changed;
    make_certificate("c.pem", "c.key", "one.test", 30);
    check(tls_open(&conf, folder, &tls));
    expect(tls_refresh(tls, false, &changed) && !changed); /* nothing new */
    make_certificate("c.pem", "other.key", "two.test", 30);
    failure_clear();
    expect(!tls_refresh(tls, false, &changed) && !changed);
    expect_str(failure_here->message, "tls.key: c.key is not the key of c.pem");
    failure_clear();
    expect(tls_refresh(tls, false, &changed) && !changed); /* said once */
    expect(tls_certificate(tls, 0, &seen) && strcmp(seen.name, "one.test") == 0);
    make_certificate("c.pem", "c.key", "two.test", 30);
    expect(tls_refresh(tls, false, &changed) && changed);
    expect(tls_certificate(tls, 0, &seen) && strcmp(seen.name, "two.test") == 0);
    make_certificate("c.pem", "c.key", "three.test", -1); /* ended yesterday: a step back */
    expect(!tls_refresh(tls, false, &changed));
    failure_clear();
    expect(tls_certificate(tls, 0, &seen) && strcmp(seen.name, "two.test") == 0);
    expect(!tls_certificate(tls, 1, &seen));
    tls_close(tls);
}

/* ---- tickets ---- */

static bool parses(int keys, int digits)
{
    struct tls_tickets tickets;
    char text[1000] = "";
    tls_tickets_open(&tickets, NS_PER_S);
    for (int i = 0; i < keys; i++)
        snprintf(text + strlen(text), sizeof text - strlen(text), "%.*s\r\n", digits,
                 "0123456789abcdefABCDEF012345678901234567890123456789012345678901234567890123456789012345678"
                 "9012345"
                 "67890123456789012345678901234567890123456789012345678901234567890123456789");
    const bool sound = tls_tickets_parse(&tickets, bytes_of(text));
    failure_clear();
    pthread_mutex_destroy(&tickets.lock);
    return sound;
}

TEST(one_to_four_keys_of_160_digits_are_taken)
{
    expect(parses(1, 160) && parses(4, 160));
    expect(!parses(0, 160) && !parses(5, 160));
    expect(!parses(1, 159) && !parses(1, 161));
}

TEST(a_key_opens_for_one_rotation_after_its_own)
{
    struct tls_tickets tickets;
    tls_tickets_open(&tickets, 100);
    const int64_t start_ns = tickets.made_ns;
    const struct tls_ticket_key first = tickets.keys[0];
    tls_tickets_rotate(&tickets, start_ns + 99);
    expect_eq(tickets.count, 1);
    tls_tickets_rotate(&tickets, start_ns + 100);
    expect_eq(tickets.count, 2);
    expect(memcmp(&tickets.keys[0], &first, sizeof first) != 0);
    expect(memcmp(&tickets.keys[1], &first, sizeof first) == 0);
    tls_tickets_rotate(&tickets, start_ns + 300); /* after a silence of two: nothing is left to open */
    expect_eq(tickets.count, 1);
    pthread_mutex_destroy(&tickets.lock);
}

__attribute__((constructor)) static void folder_make(void)
{
    (void)signal(SIGPIPE, SIG_IGN); /* the client's: OpenSSL writes to sockets that the server broke */
    check(mkdtemp(folder) != NULL);
    make_certificate("a.pem", "a.key", "a.test", 30);
    make_certificate("b.pem", "b.key", "*.b.test", 30);
}

__attribute__((destructor)) static void folder_remove(void)
{
    static const char *const names[] = { "a.pem", "a.key", "b.pem", "b.key", "c.pem", "c.key", "other.key" };
    char path[128];
    for (size_t i = 0; i < array_count(names); i++) {
        snprintf(path, sizeof path, "%s/%s", folder, names[i]);
        (void)unlink(path);
    }
    (void)rmdir(folder);
}
