/* tls.c - the process's TLS: settings, metrics, what is in force, and putting something new there. */
#include "net/tls_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/problem.h"

#define TLS_KNOB(name_, field_, ...)                                                                         \
    {                                                                                                        \
        .name = name_, .offset = offsetof(struct tls_conf, field_), __VA_ARGS__                              \
    }
#define DAY_NS (86400 * NS_PER_S)

static const char *const versions[] = { "1.2", "1.3", NULL };

const struct knob tls_knobs[] = {
    TLS_KNOB("certificate", certificate, .kind = KNOB_TEXT, .list = true,
             .doc =
                 "File with the certificate and its chain (PEM, own certificate first), relative to the app "
                 "folder; given, `listen` speaks HTTPS. A list of several: the client's server name chooses, "
                 "the first is for everybody else."),
    TLS_KNOB("key", key, .kind = KNOB_TEXT, .list = true,
             .doc = "File with the certificate's key (PEM, readable by its owner only); in the certificates' "
                    "order. Not given: in the certificate's file."),
    TLS_KNOB("ocsp", ocsp, .kind = KNOB_TEXT, .list = true,
             .doc =
                 "File with the authority's OCSP answer (DER), stapled to handshakes; in the certificates' "
                 "order. Whoever fetches it may replace it at any time."),
    TLS_KNOB("min_version", min_version, .kind = KNOB_CHOICE, .choices = versions, .preset = TLS_VERSION_1_2,
             .doc = "The oldest version of TLS that is spoken."),
    TLS_KNOB("client_ca", client_ca, .kind = KNOB_TEXT,
             .doc = "File with the authorities (PEM) of which every client must bring a certificate; its "
                    "subject appears in the access log. Not given: clients bring none."),
    TLS_KNOB(
        "ticket_keys", ticket_keys, .kind = KNOB_TEXT,
        .doc = "File with 1 to 4 keys of session tickets, a line of 160 hexadecimal digits each, the first "
               "seals; nodes that share it resume each other's sessions. Not given: a key of this process."),
    TLS_KNOB(
        "ticket_rotation", ticket_rotation_ns, .kind = KNOB_DURATION, .min = 60 * NS_PER_S, .max = 7 * DAY_NS,
        .preset = 8 * 3600 * NS_PER_S, .unit = "time",
        .doc = "How long a session may be resumed, and how often the process makes itself a new ticket key."),
    TLS_KNOB("reload", reload_ns, .kind = KNOB_DURATION, .min = 100 * NS_PER_MS, .max = DAY_NS,
             .preset = 10 * NS_PER_S, .unit = "time",
             .doc = "How often the files are looked at for changes; SIGHUP looks at once."),
    TLS_KNOB(
        "redirect", redirect, .kind = KNOB_TEXT,
        .doc =
            "HOST:PORT of a plain listener that answers every request with 308 to HTTPS. Not given: none."),
    TLS_KNOB("redirect_port", redirect_port, .min = 0, .max = 65535, .preset = 0, .unit = "port",
             .doc = "The port that `redirect` sends to; 0: the one that `listen` has."),
    TLS_KNOB(
        "hsts", hsts_ns, .kind = KNOB_DURATION, .min = 0, .max = 730 * DAY_NS, .preset = 0, .unit = "time",
        .doc = "Strict-Transport-Security: how long browsers may refuse to speak plain HTTP to this host; "
               "0: not sent."),
    TLS_KNOB("hsts_subdomains", hsts_subdomains, .kind = KNOB_BOOL,
             .doc = "Strict-Transport-Security holds for every subdomain too."),
    { 0 },
};

static struct metric failures =
    COUNTER("handshake_failures", "handshakes", "Handshakes that failed, by reason.");
static struct metric reloads = COUNTER("reloads", "reloads", "Certificates put in force after the start.");
static struct metric reload_failures =
    COUNTER("reload_failures", "reloads", "Changed certificate files that were refused; the old ones stay.");
static struct metric expires = GAUGE("certificate_expires", "seconds",
                                     "When the first of the certificates in force ends, in Unix time.");
extern struct metric tls_handshakes, tls_resumptions;
struct metric *const tls_metrics[] = { &tls_handshakes,  &tls_resumptions, &failures, &reloads,
                                       &reload_failures, &expires,         NULL };

static const char *const failure_names[TLS_FAILURES] = {
    [TLS_FAILURE_PLAINTEXT] = "plaintext",
    [TLS_FAILURE_TIMEOUT] = "timeout",
    [TLS_FAILURE_CUT] = "cut",
    [TLS_FAILURE_VERSION] = "version",
    [TLS_FAILURE_CIPHER] = "cipher",
    [TLS_FAILURE_PROTOCOL] = "protocol",
    [TLS_FAILURE_REFUSED] = "refused",
    [TLS_FAILURE_CLIENT_CERTIFICATE] = "client_certificate",
    [TLS_FAILURE_MALFORMED] = "malformed",
};
static struct metric_series *failure_series[TLS_FAILURES];

void tls_count_failure(enum tls_failure failure)
{
    if (failure_series[failure])
        metric_series_add(failure_series[failure], 1);
}

static void metrics_open(void)
{
    for (struct metric *const *metric = tls_metrics; *metric; metric++)
        metric_open(*metric);
    for (int i = 0; i < TLS_FAILURES; i++) {
        char labels[64];
        snprintf(labels, sizeof labels, "reason=\"%s\"", failure_names[i]);
        failure_series[i] = metric_series_of(&failures, labels);
    }
}

/* ---- files ---- */

const char *tls_error(void)
{
    const unsigned long error = ERR_get_error();
    const char *reason = !error                    ? NULL
                         : ERR_SYSTEM_ERROR(error) ? strerror(ERR_GET_REASON(error))
                                                   : ERR_reason_error_string(error);
    ERR_clear_error();
    return reason ? reason : "it cannot be read";
}

bool tls_path(const struct tls *tls, struct bytes name, char path[static TLS_PATH_MAX])
{
    const int size = name.size && name.data[0] == '/'
                         ? snprintf(path, TLS_PATH_MAX, "%.*s", BYTES_ARG(name))
                         : snprintf(path, TLS_PATH_MAX, "%s/%.*s", tls->folder, BYTES_ARG(name));
    return (size > 0 && size < TLS_PATH_MAX) || fail(&PROBLEM_CONFIG, "tls: a file's name is too long");
}

bool tls_file_read(const char *path, size_t size_max, char **ret_data, size_t *ret_size)
{
    struct stat info;
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &info) != 0 || info.st_size < 0 || (size_t)info.st_size > size_max) {
        const int error = fd < 0 ? errno : EFBIG;
        if (fd >= 0)
            close(fd);
        return fail(&PROBLEM_CONFIG, "tls: %s: %s", path, strerror(error));
    }
    char *data = malloc((size_t)info.st_size + 1);
    check(data != NULL);
    size_t size = 0;
    for (ssize_t got; size < (size_t)info.st_size; size += (size_t)got) {
        got = read(fd, data + size, (size_t)info.st_size - size);
        if (got <= 0)
            break; /* shorter by now: its parser will say so */
    }
    close(fd);
    data[size] = '\0';
    *ret_data = data;
    *ret_size = size;
    return true;
}

/* What tells a file from its successor. */
static uint64_t stamp_of(const char *path)
{
    struct stat info;
    if (stat(path, &info) != 0)
        return (uint64_t)errno;
    const int64_t parts[] = { info.st_mtim.tv_sec, info.st_mtim.tv_nsec, info.st_size, (int64_t)info.st_ino,
                              (int64_t)info.st_mode };
    return bytes_hash((struct bytes){ (const char *)parts, sizeof parts });
}

static uint64_t stamp_files(const struct tls *tls)
{
    const struct tls_conf *conf = tls->conf;
    const char *const lists[] = { conf->certificate, conf->key, conf->ocsp, conf->ticket_keys,
                                  conf->client_ca };
    uint64_t stamp = 0;
    for (size_t i = 0; i < array_count(lists); i++)
        for (struct bytes rest = bytes_of(lists[i] ? lists[i] : ""); rest.size;) {
            char path[TLS_PATH_MAX];
            const struct bytes name = bytes_cut(&rest, '\n');
            if (!tls_path(tls, name, path)) {
                failure_clear();
                continue;
            }
            stamp = stamp * 31 + stamp_of(path);
        }
    return stamp;
}

/* ---- putting in force ---- */

static bool tickets_load(struct tls *tls)
{
    const char *name = tls->conf->ticket_keys;
    char path[TLS_PATH_MAX], *text;
    struct stat info;
    size_t size;
    if (!name || !name[0])
        return true;
    if (!tls_path(tls, bytes_of(name), path))
        return false;
    if (stat(path, &info) == 0 && info.st_mode & 007)
        return fail(&PROBLEM_CONFIG, "tls.ticket_keys: %s must not be readable by others: chmod 600 it",
                    name);
    if (!tls_file_read(path, 4096, &text, &size))
        return false;
    const bool sound = tls_tickets_parse(&tls->tickets, (struct bytes){ text, size });
    memset(text, 0, size);
    free(text);
    return sound;
}

/* One that ended is not exchanged for one that still holds. */
static bool is_step_back(const struct tls_identities *old, const struct tls_identities *fresh)
{
    const int64_t now_ns = clock_wall_ns();
    for (int i = 0; i < fresh->count; i++)
        if (fresh->items[i].expires_ns <= now_ns && i < old->count && old->items[i].expires_ns > now_ns)
            return !fail(&PROBLEM_CONFIG, "tls.certificate: the new certificate for %s has expired already",
                         fresh->items[i].name);
    return false;
}

static void put_in_force(struct tls *tls, struct tls_identities *fresh)
{
    int64_t first_ns = fresh->items[0].expires_ns;
    for (int i = 1; i < fresh->count; i++)
        first_ns = fresh->items[i].expires_ns < first_ns ? fresh->items[i].expires_ns : first_ns;
    pthread_mutex_lock(&tls->lock);
    struct tls_identities *old = tls->current;
    tls->current = fresh;
    pthread_mutex_unlock(&tls->lock);
    tls_identities_unref(old);
    metric_set(&expires, first_ns / NS_PER_S);
}

static bool load(struct tls *tls)
{
    struct tls_identities *fresh;
    if (!tickets_load(tls) || !tls_identities_load(tls, &fresh))
        return false;
    if (tls->current && is_step_back(tls->current, fresh)) {
        tls_identities_unref(fresh);
        return false;
    }
    put_in_force(tls, fresh);
    return true;
}

bool tls_refresh(struct tls *tls, bool force, bool *ret_changed)
{
    const uint64_t stamp = stamp_files(tls);
    *ret_changed = false;
    if (stamp == tls->stamp && !force)
        return true;
    tls->stamp = stamp;
    if (!load(tls)) {
        metric_add(&reload_failures, 1);
        return false;
    }
    metric_add(&reloads, 1);
    *ret_changed = true;
    return true;
}

bool tls_open(const struct tls_conf *conf, const char *folder, struct tls **ret_tls)
{
    struct tls *tls = calloc(1, sizeof *tls);
    check(tls != NULL);
    tls->conf = conf;
    tls->folder = folder;
    pthread_mutex_init(&tls->lock, NULL);
    tls_tickets_open(&tls->tickets, conf->ticket_rotation_ns);
    metrics_open();
    tls->stamp = stamp_files(tls);
    if (!load(tls)) {
        tls_close(tls);
        return false;
    }
    *ret_tls = tls;
    return true;
}

void tls_close(struct tls *tls)
{
    if (!tls)
        return;
    tls_identities_unref(tls->current);
    pthread_mutex_destroy(&tls->lock);
    pthread_mutex_destroy(&tls->tickets.lock);
    OPENSSL_cleanse(&tls->tickets, sizeof tls->tickets);
    free(tls);
}

void tls_offer_h2(struct tls *tls)
{
    tls->h2 = true;
}

bool tls_certificate(struct tls *tls, int index, struct tls_certificate *ret_certificate)
{
    pthread_mutex_lock(&tls->lock);
    const struct tls_identities *identities = tls->current;
    const bool found = index < identities->count;
    if (found) {
        const struct tls_identity *item = &identities->items[index];
        *ret_certificate = (struct tls_certificate){ .expires_ns = item->expires_ns };
        memcpy(ret_certificate->name, item->name, sizeof item->name);
    }
    pthread_mutex_unlock(&tls->lock);
    return found;
}
