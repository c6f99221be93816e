#include "app/encryption.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"

#define WARN_AGAIN_NS (86400 * NS_PER_S)

static const struct source_place place = { "lintel.yaml", 0, 0 };

static long days_left(const struct tls_certificate *certificate)
{
    return (long)((certificate->expires_ns - clock_wall_ns()) / (86400 * NS_PER_S));
}

static bool has_expired(const struct tls_certificate *certificate)
{
    return certificate->expires_ns <= clock_wall_ns();
}

static bool ends_soon(const struct tls_certificate *certificate)
{
    return certificate->expires_ns - clock_wall_ns() < TLS_WARN_NS;
}

/* At the start, after each reload, and once a day. */
static void say_certificates(struct house *house, bool all)
{
    struct tls_certificate certificate;
    for (int i = 0; tls_certificate(house->tls, i, &certificate); i++) {
        char until[25];
        clock_iso8601(certificate.expires_ns, until);
        if (ends_soon(&certificate))
            log_event(has_expired(&certificate) ? LOG_ERROR : LOG_WARN,
                      has_expired(&certificate) ? "certificate_expired" : "certificate_expires",
                      "\"certificate\":\"%s\",\"expires\":\"%s\",\"days\":%ld",
                      log_string_z(certificate.name), until, days_left(&certificate));
        else if (all)
            log_event(LOG_INFO, "certificate", "\"certificate\":\"%s\",\"expires\":\"%s\"",
                      log_string_z(certificate.name), until);
    }
}

bool encryption_open(struct house *house)
{
    const struct tls_conf *conf = config_section(house->conf, "tls");
    if (!tls_wanted(conf)) {
        if (conf->redirect && conf->redirect[0])
            return fail(&PROBLEM_CONFIG, "tls.redirect: there is no HTTPS to send to: set tls.certificate");
        return true;
    }
    if (!tls_open(conf, house->conf->folder, &house->tls))
        return false;
    say_certificates(house, true);
    return true;
}

void encryption_check(const struct app_conf *conf, struct diagnostics *diagnostics)
{
    const struct tls_conf *wish = config_section(conf, "tls");
    struct tls_certificate certificate;
    struct tls *tls;
    if (!tls_wanted(wish)) {
        if (wish->key && wish->key[0])
            (void)diagnostics_error(diagnostics, place, "tls.key without tls.certificate");
        return;
    }
    if (!tls_open(wish, conf->folder, &tls)) {
        (void)diagnostics_error(diagnostics, place, "%s", failure_here->message);
        failure_clear();
        return;
    }
    for (int i = 0; tls_certificate(tls, i, &certificate); i++) {
        if (has_expired(&certificate))
            (void)diagnostics_error(diagnostics, place,
                                    "tls.certificate: the certificate for %s expired %ld days ago",
                                    certificate.name, -days_left(&certificate));
        else if (ends_soon(&certificate))
            diagnostics_warning(diagnostics, place,
                                "tls.certificate: the certificate for %s expires in %ld days",
                                certificate.name, days_left(&certificate));
        else
            continue;
        diagnostics_fix(diagnostics, "have it renewed; a running server takes the new files by itself");
    }
    tls_close(tls);
}

/* ---- while serving ---- */

struct looking {
    struct tls *tls;
    bool force, sound, changed;
    struct failure failure;
};

/* On a helper thread: files may be slow. */
static void look(void *arg)
{
    struct looking *looking = arg;
    struct failure *const outer = failure_here;
    failure_here = &looking->failure;
    looking->sound = tls_refresh(looking->tls, looking->force, &looking->changed);
    failure_here = outer;
}

static WAITS bool look_once(struct house *house, bool force)
{
    struct looking looking = { .tls = house->tls, .force = force };
    if (!offload(look, &looking))
        return false;
    if (!looking.sound)
        log_event(LOG_ERROR, "certificate_refused", "\"message\":\"%s\"",
                  log_string_z(looking.failure.message));
    else if (looking.changed)
        say_certificates(house, true);
    return looking.sound && looking.changed;
}

void encryption_poke(struct house *house, bool force)
{
    house->tls_force |= force;
    signal_set(&house->tls_poke);
}

void encryption_watch(void *arg)
{
    struct house *house = arg;
    const struct tls_conf *conf = config_section(house->conf, "tls");
    int64_t said_ns = core_now_ns();
    while (!house->stopping) {
        const bool poked = signal_wait(&house->tls_poke, "a certificate", core_now_ns() + conf->reload_ns);
        signal_reset(&house->tls_poke);
        if (!poked && failure_here->problem == &PROBLEM_CANCELLED)
            return;
        failure_clear();
        if (house->stopping)
            return;
        const bool force = house->tls_force;
        house->tls_force = false;
        if (look_once(house, force)) {
            said_ns = core_now_ns();
        } else if (core_now_ns() - said_ns >= WARN_AGAIN_NS) {
            say_certificates(house, false);
            said_ns = core_now_ns();
        }
        failure_clear();
    }
}
