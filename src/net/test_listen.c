/* Listening sockets: what an address may look like, what is said when it cannot be had; and a stream's ends.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/test.h"
#include "net/listen.h"

static const char *refusal(const char *address)
{
    struct listen_socket listener;
    failure_clear();
    check(!listen_open(address, &listener));
    check(failure_here->problem == &PROBLEM_ENVIRONMENT);
    return failure_here->message;
}

TEST(port_zero_is_any_free_one_and_said_afterwards)
{
    struct listen_socket listener;
    expect(listen_open("127.0.0.1:0", &listener));
    expect(strncmp(listener.address, "127.0.0.1:", 10) == 0 && atoi(listener.address + 10) > 0);
    listen_close(&listener);
    expect_eq(listener.fd, -1);
    listen_close(&listener);
    expect(listen_open("localhost:0", &listener));
    listen_close(&listener);
    expect(listen_open(":0", &listener));
    listen_close(&listener);
}

TEST(a_taken_port_is_refused_with_advice)
{
    struct listen_socket listener;
    char want[200];
    expect(listen_open("127.0.0.1:0", &listener));
    snprintf(want, sizeof want,
             "cannot listen on %s: something listens there already: stop it, or choose another port",
             listener.address);
    expect_str(refusal(listener.address), want);
    listen_close(&listener);
}

TEST(a_malformed_address_is_refused_with_its_right_form)
{
    static const char *const wrong[] = {
        "", "8080", "a", "127.0.0.1", "127.0.0.1:", "127.0.0.1:x", "127.0.0.1:65536", "127.0.0.1:-1"
    };
    for (size_t i = 0; i < array_count(wrong); i++) {
        expect(strstr(refusal(wrong[i]), "an address is written HOST:PORT, [IPV6]:PORT or unix:/path"));
        failure_clear();
        expect(!listen_judge(wrong[i]));
        failure_clear();
    }
    expect(listen_judge("192.0.2.1:80") && listen_judge("[::]:0") && listen_judge(":80") &&
           listen_judge("unix:/nowhere/at/all"));
    expect_str(refusal("::1:80"), "::1:80: an IPv6 address stands in brackets: [::1]:80");
    expect(strstr(refusal("192.0.2.1:0"), "this machine has no such address"));
    expect(strstr(refusal("unix:"), "a socket's path has 1 to 107 characters"));
    expect(strstr(refusal("unix:/nowhere/at/all"), "cannot listen on unix:/nowhere/at/all"));
}

TEST(a_stale_unix_socket_is_replaced_and_a_live_one_is_not)
{
    char folder[] = "/tmp/lintel-listen-XXXXXX", address[64];
    expect(mkdtemp(folder));
    snprintf(address, sizeof address, "unix:%s/s", folder);
    struct listen_socket listener, second;
    expect(listen_open(address, &listener));
    expect_str(listener.address, address);
    expect(strstr(refusal(address), "something listens there already"));
    close(listener.fd); /* its owner died: the file stays */
    expect(listen_open(address, &second));
    listen_close(&second);
    expect_eq(access(address + 5, F_OK), -1);
    FILE *file = fopen(address + 5, "w"); /* somebody's file is nobody's socket */
    expect(file);
    fclose(file);
    expect(strstr(refusal(address), "something listens there already"));
    expect_eq(unlink(address + 5), 0);
    expect_eq(rmdir(folder), 0);
}

TEST(peers_are_named_without_their_port)
{
    char text[PEER_ADDRESS_MAX];
    struct sockaddr_storage peer = { .ss_family = AF_INET };
    inet_pton(AF_INET, "192.0.2.7", &((struct sockaddr_in *)&peer)->sin_addr);
    listen_peer_address(&peer, text);
    expect_str(text, "192.0.2.7");
    peer = (struct sockaddr_storage){ .ss_family = AF_INET6 };
    inet_pton(AF_INET6, "2001:db8::1", &((struct sockaddr_in6 *)&peer)->sin6_addr);
    listen_peer_address(&peer, text);
    expect_str(text, "2001:db8::1");
    inet_pton(AF_INET6, "::ffff:192.0.2.8", &((struct sockaddr_in6 *)&peer)->sin6_addr);
    listen_peer_address(&peer, text);
    expect_str(text, "192.0.2.8");
    peer = (struct sockaddr_storage){ .ss_family = AF_UNIX };
    listen_peer_address(&peer, text);
    expect_str(text, "unix");
}
