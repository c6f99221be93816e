#pragma once
/* link.h - what the kernel knows of one socket, added to the sums; apart, since linux/tcp.h and libuv's
 * headers do not go together. */
struct pg_links;
void pg_link_add(int fd, struct pg_links *links);
