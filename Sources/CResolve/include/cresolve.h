/* SPDX-License-Identifier: Apache-2.0
 *
 * SRV records (RFC 2782) by the C library's resolver, which knows resolv.conf, retries and TCP; its macros and its
 * state's bit fields are C only. */
#ifndef CRESOLVE_H
#define CRESOLVE_H
#include <stdint.h>

typedef struct cresolve_srv {
    uint16_t priority, weight, port;
    char     target[256];           /* without the dot at its end; "" = the root, which means "no such service here" */
} cresolve_srv;

#define CRESOLVE_NONE   0           /* no such name, or it has no such records */
#define CRESOLVE_FAILED (-1)        /* no answer, or one that can't be read */

/* Blocks. Writes at most `capacity` records and returns how many, or one of the above. `server` NULL: as resolv.conf says;
 * else the IPv4 address of the one server to ask, at `port`. */
int cresolve_srv_records(const char *name, const char *server, uint16_t port, cresolve_srv *records, int capacity);
#endif
