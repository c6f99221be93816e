#include "pg/link.h"

#include <linux/tcp.h> /* knows more of struct tcp_info than netinet/tcp.h does */
#include <netinet/in.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "pg/pg.h"

static bool is_far(int fd)
{
    struct sockaddr_storage peer;
    socklen_t size = sizeof peer;
    if (getpeername(fd, (struct sockaddr *)&peer, &size) != 0 || peer.ss_family == AF_UNIX)
        return false;
    if (peer.ss_family == AF_INET)
        return ntohl(((const struct sockaddr_in *)&peer)->sin_addr.s_addr) >> 24 != 127;
    return peer.ss_family == AF_INET6 &&
           !IN6_IS_ADDR_LOOPBACK(&((const struct sockaddr_in6 *)&peer)->sin6_addr);
}

void pg_link_add(int fd, struct pg_links *links)
{
    struct tcp_info info = { 0 };
    socklen_t size = sizeof info;
    links->connections++;
    links->far |= is_far(fd);
    if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &size) != 0)
        return; /* a unix socket */
    const int64_t rtt_ns = (int64_t)info.tcpi_rtt * NS_PER_US;
    links->tcp++;
    links->rtt_sum_ns += rtt_ns;
    links->rtt_longest_ns = rtt_ns > links->rtt_longest_ns ? rtt_ns : links->rtt_longest_ns;
    links->retransmits += info.tcpi_total_retrans;
    links->segments += info.tcpi_segs_out;
}
