/* Goal: TLS changes nothing: results of every size around the size of a TLS record arrive, and none waits
 * inside OpenSSL. */
#define TEST_MAIN_OWN
#include "pg/testing.h"

#include <netinet/in.h>
#include <sys/socket.h>

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

static void every_size(void *arg)
{
    (void)arg;
    const char *sql = "select repeat('x', $1::int4)";
    expect(pg_pool_warm(pool)); /* a handshake may take longer than a request waits */
    for (int size = 0; size < 60000; size += 241) {
        struct ask one = { 0 };
        char text[16];
        snprintf(text, sizeof text, "%d", size);
        ask_param(&one, text);
        fiber_deadline_set(clock_now_ns() + 3 * NS_PER_S * test_slowness());
        ask_prepare(&one, sql);
        expect(pg_run(pool, &one.batch));
        expect_eq(pg_result_value(one.step.result, 0, 0).size, size);
        (void)ask_end(&one, true);
        ask_done(&one);
    }
    expect(PQsslInUse(pool->roles[ROLE_LANE]->pg));
}

TEST(over_tls_results_of_every_size_arrive)
{
    char url[256];
    snprintf(url, sizeof url, "%s", server.url);
    with_pool_on(url, every_size, NULL);
}

static void big_rows(void *arg)
{
    (void)arg;
    struct ask one = { 0 };
    ask_prepare(&one, "select repeat('x', 300000 + i * 4099) from generate_series(1, 20) i");
    expect(pg_run(pool, &one.batch));
    expect_eq(pg_result_rows(one.step.result), 20);
    (void)ask_end(&one, true);
    ask_done(&one);
}

TEST(over_tls_large_results_arrive)
{
    with_pool(big_rows, NULL);
}

int main(void)
{
    conf_preset();
    char options[512];
    const int port = free_port();
    snprintf(server.dir, sizeof server.dir, "/tmp/lpgt-%d", (int)getpid());
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
    /* By name, so that the look-up is on the way, too. */
    snprintf(server.url, sizeof server.url, "postgresql://postgres@localhost:%d/postgres?sslmode=require",
             port);
    const int failed = test_run_all();
    server_drop();
    return failed;
}
