/* SPDX-License-Identifier: Apache-2.0
 *
 * Producer and target in one process, with one clock: SENDs a frame, waits until the first request caused by it arrives
 * here over HTTP, answers it, and goes on after a pause.
 *
 *   latency STOMP-PORT HTTP-PORT COUNT PAUSE_MS BODYFILE DESTINATION [HEADER:VALUE]...
 *
 * In the body and in headers @N@ becomes the number of the frame, and must come back in the request (path or body) as
 * "seq-N-". Prints "SEQ MILLISECONDS" a line; a frame whose request hasn't come after 30 s is "SEQ lost". For the peer:
 * with DESTINATION "redis:KEY" the port is a Redis server's and the body is pushed to that list.
 */
#define _GNU_SOURCE
#include "stomp.h"
#include <poll.h>

#define CONNECTIONS 256
#define CAPACITY 16384
static const char answer[] =
    "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 53\r\n\r\n"
    "omb_version=http://openmicroblogging.org/protocol/0.1";

static struct pollfd polled[CONNECTIONS]; /* [0] is the listener */
static struct {
    size_t length;
    char bytes[CAPACITY];
} buffers[CONNECTIONS];
static int used = 1;

/* `template` with every @N@ replaced. */
static size_t fill(char *to, size_t capacity, const char *template, long number) {
    size_t n = 0;
    while (*template && n + 24 < capacity) {
        if (strncmp(template, "@N@", 3) == 0) {
            n += (size_t)sprintf(to + n, "%ld", number);
            template += 3;
        } else {
            to[n++] = *template++;
        }
    }
    to[n] = 0;
    return n;
}

static void drop(int i) {
    close(polled[i].fd);
    used--;
    polled[i] = polled[used];
    buffers[i].length = buffers[used].length;
    memcpy(buffers[i].bytes, buffers[used].bytes, buffers[used].length);
}

/* Reads what is there; answers each whole request; tells whether one of them carried the tag. */
static int serve(int i, const char *tag) {
    int found = 0;
    size_t room = CAPACITY - 1 - buffers[i].length;
    ssize_t n = recv(polled[i].fd, buffers[i].bytes + buffers[i].length, room, MSG_DONTWAIT);
    if (n <= 0) {
        drop(i);
        return 0;
    }
    buffers[i].length += (size_t)n;
    for (;;) {
        char *bytes = buffers[i].bytes, *body, *field;
        size_t content = 0, whole;
        bytes[buffers[i].length] = 0;
        body = strstr(bytes, "\r\n\r\n");
        if (body == NULL) return found;
        field = strcasestr(bytes, "\r\ncontent-length:");
        if (field != NULL && field < body) content = strtoul(field + 17, NULL, 10);
        whole = (size_t)(body - bytes) + 4 + content;
        if (whole > buffers[i].length) return found;
        if (memmem(bytes, whole, tag, strlen(tag)) != NULL) found = 1;
        if (send(polled[i].fd, answer, sizeof answer - 1, MSG_NOSIGNAL) < 0) {
            drop(i);
            return found;
        }
        buffers[i].length -= whole;
        memmove(bytes, bytes + whole, buffers[i].length);
    }
}

/* Until the tag comes, or the time is over; a negative result is the latter. */
static double await_request(const char *tag, double until) {
    for (;;) {
        double left = until - now_s();
        struct timespec wait = {.tv_sec = (time_t)left, .tv_nsec = (long)((left - (double)(time_t)left) * 1e9)};
        int i;
        if (left <= 0) return -1;
        if (ppoll(polled, (nfds_t)used, &wait, NULL) <= 0) continue;
        for (i = used - 1; i >= 1; i--) {
            if (polled[i].revents && serve(i, tag)) return now_s();
        }
        if (polled[0].revents && used < CONNECTIONS) {
            int on = 1, fd = accept(polled[0].fd, NULL, NULL);
            if (fd < 0) continue;
            setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
            buffers[used].length = 0;
            polled[used].fd = fd;
            polled[used].events = POLLIN;
            polled[used++].revents = 0;
        }
    }
}

/* The frame to send: a STOMP SEND, or Redis's LPUSH. */
static size_t make_frame(char *to, size_t capacity, const char *destination, const char *headers, const char *body,
                         size_t length) {
    if (strncmp(destination, "redis:", 6) != 0) return stomp_send(to, capacity, destination, headers, body, length);
    return (size_t)snprintf(to, capacity, "*3\r\n$5\r\nLPUSH\r\n$%zu\r\n%s\r\n$%zu\r\n%s\r\n", strlen(destination + 6),
                            destination + 6, length, body);
}

int main(int argc, char **argv) {
    static char template[8192], body[16384], frame[32768], headers[1024], all[2048];
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int on = 1, producer, i;
    long count, number;
    double pause;
    FILE *file;
    if (argc < 7) {
        fprintf(stderr, "usage: latency STOMP-PORT HTTP-PORT COUNT PAUSE_MS BODYFILE DESTINATION [HEADER:VALUE]...\n");
        return 2;
    }
    count = atol(argv[3]);
    pause = atof(argv[4]) / 1000;
    if ((file = fopen(argv[5], "r")) == NULL) die(argv[5]);
    template[fread(template, 1, sizeof template - 1, file)] = 0;
    fclose(file);
    for (i = 7; i < argc; i++) snprintf(headers + strlen(headers), sizeof headers - strlen(headers), "%s\n", argv[i]);
    polled[0].fd = socket(AF_INET, SOCK_STREAM, 0);
    polled[0].events = POLLIN;
    setsockopt(polled[0].fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    address.sin_port = htons((uint16_t)atoi(argv[2]));
    if (bind(polled[0].fd, (struct sockaddr *)&address, sizeof address) < 0) die("bind");
    if (listen(polled[0].fd, 512) < 0) die("listen");
    if (strncmp(argv[6], "redis:", 6) == 0) producer = tcp_connect(atoi(argv[1]));
    else producer = stomp_connect(atoi(argv[1]), NULL, NULL);
    for (number = 1; number <= count; number++) {
        char tag[32];
        double sent, arrived;
        size_t length = fill(body, sizeof body, template, number);
        fill(all, sizeof all, headers, number);
        length = make_frame(frame, sizeof frame, argv[6], all, body, length);
        while (recv(producer, all, sizeof all, MSG_DONTWAIT) > 0) continue; /* Redis's answers to earlier ones */
        snprintf(tag, sizeof tag, "seq-%ld-", number);
        sent = now_s();
        write_all(producer, frame, length);
        arrived = await_request(tag, sent + 30);
        if (arrived < 0) printf("%ld lost\n", number);
        else printf("%ld %.4f\n", number, (arrived - sent) * 1000);
        fflush(stdout);
        await_request("\001", now_s() + pause); /* no request has this tag: just goes on answering */
    }
    return 0;
}
