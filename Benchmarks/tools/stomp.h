/* SPDX-License-Identifier: Apache-2.0
 * The little of STOMP 1.2 that the measuring clients need: connect, SEND, wait for a RECEIPT. Any failure ends them.
 */
#ifndef BENCH_STOMP_H
#define BENCH_STOMP_H
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static inline double now_s(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static inline void die(const char *what) {
    perror(what);
    exit(1);
}

static inline void write_all(int fd, const char *bytes, size_t length) {
    while (length > 0) {
        ssize_t n = send(fd, bytes, length, MSG_NOSIGNAL);
        if (n <= 0) die("write");
        bytes += n;
        length -= (size_t)n;
    }
}

/* Reads on until a RECEIPT with this id has come; with NULL until CONNECTED. An ERROR ends the program. */
static inline void await_frame(int fd, const char *receipt) {
    static char buffer[65536];
    static size_t length;
    char wanted[64];
    snprintf(wanted, sizeof wanted, "\nreceipt-id:%s\n", receipt != NULL ? receipt : "");
    for (;;) {
        char *end;
        while ((end = memchr(buffer, 0, length)) != NULL) {
            char *frame = buffer;
            int found;
            while (*frame == '\n' || *frame == '\r') frame++;
            if (strncmp(frame, "ERROR", 5) == 0) {
                fprintf(stderr, "the broker answered:\n%s\n", frame);
                exit(1);
            }
            found = receipt == NULL ? strncmp(frame, "CONNECTED\n", 10) == 0
                                    : strncmp(frame, "RECEIPT\n", 8) == 0 && strstr(frame, wanted) != NULL;
            length -= (size_t)(end + 1 - buffer);
            memmove(buffer, end + 1, length);
            if (found) return;
        }
        if (length == sizeof buffer) die("a frame that is too long");
        {
            ssize_t n = recv(fd, buffer + length, sizeof buffer - length, 0);
            if (n <= 0) die("the broker closed the connection");
            length += (size_t)n;
        }
    }
}

static inline int tcp_connect(int port) {
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int on = 1, fd = socket(AF_INET, SOCK_STREAM, 0);
    to.sin_port = htons((uint16_t)port);
    if (fd < 0 || connect(fd, (struct sockaddr *)&to, sizeof to) < 0) die("connect");
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    return fd;
}

static inline int stomp_connect(int port, const char *login, const char *passcode) {
    char frame[256];
    int fd = tcp_connect(port);
    int n = snprintf(frame, sizeof frame, "CONNECT\naccept-version:1.2\nhost:/\n%s%s%s%s%s\n", login ? "login:" : "",
                     login ? login : "", login ? "\npasscode:" : "", login ? passcode : "", login ? "\n" : "");
    write_all(fd, frame, (size_t)n + 1); /* with its NUL */
    await_frame(fd, NULL);
    return fd;
}

/* One SEND, NUL included, at `to`; `extra` is header lines, each with its newline. Returns its length. */
static inline size_t stomp_send(char *to, size_t capacity, const char *destination, const char *extra, const char *body,
                                size_t length) {
    int n = snprintf(to, capacity, "SEND\ndestination:%s\npersistent:true\n%scontent-length:%zu\n\n", destination, extra,
                     length);
    if (n < 0 || (size_t)n + length + 1 > capacity) die("a frame that is too long");
    memcpy(to + n, body, length);
    to[(size_t)n + length] = 0;
    return (size_t)n + length + 1;
}
#endif
