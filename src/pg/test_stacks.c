/* Goal: a fiber's stack holds the deepest things that are ever called on one, with room to spare: painted,
 * used, and read back. Prints each high-water mark; the sanitizers' build shows what they add. ICU comes
 * through dlopen(): no room links it yet, and where it is not installed it is left out. */
#define TEST_MAIN_OWN
#include "pg/testing.h"

#include <dlfcn.h>
#include <netdb.h>
#include <netinet/in.h>
#include <regex.h>
#include <sys/socket.h>

struct measure {
    const char *name;
    void (*run)(void);
    size_t used;
};

static void nothing(void)
{
}

static void print_numbers(void)
{
    char text[512];
    for (int i = -300; i <= 300; i += 60) {
        snprintf(text, sizeof text, "%.17g %.3Lf %a %s", (double)i * 1.1e300, (long double)i / 7,
                 (double)i / 3, "x");
        expect(text[0] != '\0');
    }
}

static void match_pattern(void)
{
    regex_t pattern;
    expect(regcomp(&pattern, "^(([a-z]+[0-9]*)|(x?y*z{1,20}))+@([a-z.]{2,40})$", REG_EXTENDED | REG_ICASE) ==
           0);
    expect(regexec(&pattern, "someone1somebody2@example.org", 0, NULL, 0) == 0);
    regfree(&pattern);
}

static void look_up(void)
{
    struct addrinfo *found = NULL;
    const struct addrinfo hints = { .ai_socktype = SOCK_STREAM };
    if (getaddrinfo("localhost", "5432", &hints, &found) == 0)
        freeaddrinfo(found);
}

static void connect_over_tls(void)
{
    PGconn *conn = PQconnectdb(server.url);
    expect_eq(PQstatus(conn), CONNECTION_OK);
    expect(PQsslInUse(conn));
    PGresult *result = PQexec(conn, "select repeat('x', 100000), random(), now()");
    expect_eq(PQresultStatus(result), PGRES_TUPLES_OK);
    PQclear(result);
    PQfinish(conn);
}

/* ucol_open(), ucol_strcoll(), of whichever version is there. */
static void *(*icu_open)(const char *locale, int *status);
static int (*icu_compare)(void *collator, const uint16_t *a, int32_t a_size, const uint16_t *b,
                          int32_t b_size);
static void (*icu_close)(void *collator);

static bool icu_find(void)
{
    char name[64];
    for (int version = 60; version < 90; version++) {
        snprintf(name, sizeof name, "libicui18n.so.%d", version);
        void *library = dlopen(name, RTLD_NOW);
        if (!library)
            continue;
        void *symbols[3];
        static const char *const names[] = { "ucol_open", "ucol_strcoll", "ucol_close" };
        for (int i = 0; i < 3; i++) {
            snprintf(name, sizeof name, "%s_%d", names[i], version);
            symbols[i] = dlsym(library, name);
        }
        memcpy(&icu_open, &symbols[0], sizeof icu_open);
        memcpy(&icu_compare, &symbols[1], sizeof icu_compare);
        memcpy(&icu_close, &symbols[2], sizeof icu_close);
        return icu_open && icu_compare && icu_close;
    }
    return false;
}

static void collate(void)
{
    static const uint16_t a[] = { 'a', 0xe4, 'b' }, b[] = { 'a', 'e', 'b' };
    int status = 0;
    void *collator = icu_open("de@collation=phonebook", &status);
    expect(collator != NULL);
    expect(icu_compare(collator, a, 3, b, 3) != 0);
    icu_close(collator);
}

static void run_one(void *arg)
{
    const struct measure *measure = arg;
    measure->run();
    spawn_done();
}

static void run_painted(void *arg)
{
    struct measure *measure = arg;
    fiber_stack_paint(true);
    spawn("painted", run_one, measure);
    join(10 * NS_PER_S);
    measure->used = fiber_stack_high_water();
}

TEST(the_deepest_calls_leave_a_quarter_of_the_stack)
{
    struct measure all[] = { { "nothing", nothing, 0 },
                             { "printf of doubles", print_numbers, 0 },
                             { "regcomp", match_pattern, 0 },
                             { "getaddrinfo", look_up, 0 },
                             { "libpq connect over TLS", connect_over_tls, 0 },
                             { "ICU collator", collate, 0 } };
    const bool icu = icu_find();
    for (size_t i = 0; i < array_count(all); i++) {
        if (all[i].run == collate && !icu)
            continue;
        with_pool(run_painted, &all[i]);
        printf("%-24s %6zu of %zu bytes of stack\n", all[i].name, all[i].used, fiber_stack_bytes());
        expect(all[i].used > 0);
        expect(all[i].used < fiber_stack_bytes() / 4 * 3);
    }
}

static int free_port(void)
{
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t size = sizeof address;
    const int fd = socket(AF_INET, SOCK_STREAM, 0);
    check(fd >= 0 && bind(fd, (struct sockaddr *)&address, size) == 0 &&
          getsockname(fd, (struct sockaddr *)&address, &size) == 0);
    close(fd);
    return ntohs(address.sin_port);
}

int main(void)
{
    conf_preset();
    char options[128];
    const int port = free_port();
    server_start(""); /* makes the cluster */
    server_stop("fast");
    check(
        shell(NULL, 0,
              "cd %s/data/ && openssl req -new -x509 -nodes -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 "
              "-days 2"
              " -subj /CN=localhost -keyout server.key -out server.crt 2>/dev/null && chmod 600 server.key &&"
              " chown --reference=PG_VERSION server.key server.crt",
              server.dir));
    snprintf(options, sizeof options, "-c ssl=on -c listen_addresses=127.0.0.1 -c port=%d", port);
    server_start(options);
    snprintf(server.url, sizeof server.url, "postgresql://postgres@localhost:%d/postgres?sslmode=require",
             port);
    const int failed = test_run_all();
    server_drop();
    return failed;
}
