/* SPDX-License-Identifier: Apache-2.0
 *
 * An HTTP/1.1 sink on every loopback address, for what nginx can't play: targets that are far away, that hang, that fail.
 *
 *   sink PORT [delay MS] [hang HOSTS SECONDS] [fail PREFIX]
 *
 * POSTs to 127.1.x.y whose number (x * 250 + y) is at most HOSTS are never answered: the connection is closed after
 * SECONDS. Paths that begin with PREFIX get a 503. GET /stat answers with "COUNT CONNECTIONS PEAK FAILED HANGING":
 * POSTs answered with 200, connections open now and at most, 503s, POSTs that hang. One thread, one epoll.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define OK_ANSWER \
    "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 55\r\n\r\n" \
    "omb_version=http://openmicroblogging.org/protocol/0.1\r\n"
#define FAIL_ANSWER "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n"
#define CAPACITY 16384

typedef struct connection {
    int fd;
    int hanging;
    unsigned serial; /* tells a timer that its connection is another one by now */
    size_t length;
    char buffer[CAPACITY];
} connection;

/* Timers of one kind all run equally long, so each kind is a queue in order of time. */
typedef struct timer {
    int64_t due_ms;
    connection *to;
    unsigned serial;
    struct timer *next;
} timer;
typedef struct timer_queue {
    timer *first, *last;
} timer_queue;

static int64_t delay_ms, hang_ms, hanging_hosts;
static const char *fail_prefix;
static unsigned long answered, connections, peak, failed, hanging;
static timer_queue answers, hangs;
static connection *unused[65536];
static size_t unused_count;

static int64_t now_ms(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void add_timer(timer_queue *queue, connection *c, int64_t after_ms) {
    timer *t = malloc(sizeof *t);
    if (t == NULL) abort();
    t->due_ms = now_ms() + after_ms;
    t->to = c;
    t->serial = c->serial;
    t->next = NULL;
    if (queue->last != NULL) queue->last->next = t;
    else queue->first = t;
    queue->last = t;
}

static void end(connection *c) {
    close(c->fd);
    c->serial++;
    connections--;
    if (unused_count < sizeof unused / sizeof unused[0]) unused[unused_count++] = c;
    /* else it leaks: a timer may still point to it */
}

static void reply(connection *c, const char *bytes, size_t length) {
    /* Answers are far smaller than a socket's buffer: a short write means that the peer is gone. */
    if (send(c->fd, bytes, length, MSG_NOSIGNAL) != (ssize_t)length) end(c);
}

static void stat_reply(connection *c) {
    char body[128], head[256];
    int n = snprintf(body, sizeof body, "%lu %lu %lu %lu %lu\n", answered, connections, peak, failed, hanging);
    int m = snprintf(head, sizeof head, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", n, body);
    reply(c, head, (size_t)m);
}

static void serve(connection *c, const char *request) {
    if (strncmp(request, "GET /stat", 9) == 0) {
        stat_reply(c);
    } else if (c->hanging) {
        hanging++;
        add_timer(&hangs, c, hang_ms);
    } else if (fail_prefix != NULL && strncmp(request, "POST ", 5) == 0
               && strncmp(request + 5, fail_prefix, strlen(fail_prefix)) == 0) {
        failed++;
        reply(c, FAIL_ANSWER, sizeof FAIL_ANSWER - 1);
    } else if (delay_ms > 0) {
        add_timer(&answers, c, delay_ms);
    } else {
        answered++;
        reply(c, OK_ANSWER, sizeof OK_ANSWER - 1);
    }
}

/* Length of the first whole request in the buffer; 0 = more must come; -1 = nobody's request. */
static long whole_request(connection *c) {
    char *body;
    size_t head, content = 0;
    c->buffer[c->length] = 0;
    body = strstr(c->buffer, "\r\n\r\n");
    if (body == NULL) return c->length >= CAPACITY - 1 ? -1 : 0;
    *body = 0;
    {
        const char *found = strcasestr(c->buffer, "\r\ncontent-length:");
        if (found != NULL) content = strtoul(found + 17, NULL, 10);
    }
    *body = '\r';
    head = (size_t)(body - c->buffer) + 4;
    if (head + content >= CAPACITY) return -1;
    return head + content <= c->length ? (long)(head + content) : 0;
}

static void readable(connection *c) {
    ssize_t n = recv(c->fd, c->buffer + c->length, CAPACITY - 1 - c->length, 0);
    long whole;
    if (n <= 0) {
        if (n == 0 || errno != EAGAIN) end(c);
        return;
    }
    c->length += (size_t)n;
    while ((whole = whole_request(c)) > 0) {
        unsigned serial = c->serial;
        serve(c, c->buffer);
        if (c->serial != serial) return;
        c->length -= (size_t)whole;
        memmove(c->buffer, c->buffer + whole, c->length);
    }
    if (whole < 0) end(c);
}

static void accept_all(int listener, int poller) {
    for (;;) {
        struct sockaddr_in local;
        socklen_t size = sizeof local;
        struct epoll_event event;
        uint32_t address;
        int64_t number;
        int on = 1, fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        connection *c;
        if (fd < 0) return;
        getsockname(fd, (struct sockaddr *)&local, &size);
        address = ntohl(local.sin_addr.s_addr);
        if (address >> 24 != 127) { /* the listener has to cover all of 127/8; the world is not invited */
            close(fd);
            continue;
        }
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        c = unused_count > 0 ? unused[--unused_count] : calloc(1, sizeof *c);
        if (c == NULL) abort();
        c->fd = fd;
        c->length = 0;
        number = (address >> 8 & 255) * 250 + (address & 255);
        c->hanging = address >> 16 == 0x7f01 && number <= hanging_hosts;
        if (++connections > peak) peak = connections;
        event.events = EPOLLIN;
        event.data.ptr = c;
        epoll_ctl(poller, EPOLL_CTL_ADD, fd, &event);
    }
}

/* Milliseconds until the next timer; -1 = none. */
static int run_timers(void) {
    int64_t now = now_ms(), wait = -1;
    timer *t;
    while ((t = answers.first) != NULL && t->due_ms <= now) {
        if ((answers.first = t->next) == NULL) answers.last = NULL;
        if (t->to->serial == t->serial) {
            answered++;
            reply(t->to, OK_ANSWER, sizeof OK_ANSWER - 1);
        }
        free(t);
    }
    while ((t = hangs.first) != NULL && t->due_ms <= now) {
        if ((hangs.first = t->next) == NULL) hangs.last = NULL;
        if (t->to->serial == t->serial) end(t->to);
        free(t);
    }
    if (answers.first != NULL) wait = answers.first->due_ms - now;
    if (hangs.first != NULL && (wait < 0 || hangs.first->due_ms - now < wait)) wait = hangs.first->due_ms - now;
    return (int)wait;
}

int main(int argc, char **argv) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_ANY)};
    struct rlimit files;
    struct epoll_event events[256], event = {.events = EPOLLIN, .data.ptr = NULL};
    int on = 1, listener, poller, i;
    if (argc < 2) {
        fprintf(stderr, "usage: sink PORT [delay MS] [hang HOSTS SECONDS] [fail PREFIX]\n");
        return 2;
    }
    for (i = 2; i + 1 < argc; i += 2) {
        if (strcmp(argv[i], "delay") == 0) delay_ms = atol(argv[i + 1]);
        if (strcmp(argv[i], "fail") == 0) fail_prefix = argv[i + 1];
        if (strcmp(argv[i], "hang") == 0 && i + 2 < argc) {
            hanging_hosts = atol(argv[i + 1]);
            hang_ms = atol(argv[i + 2]) * 1000;
            i++;
        }
    }
    signal(SIGPIPE, SIG_IGN);
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    address.sin_port = htons((uint16_t)atoi(argv[1]));
    if (bind(listener, (struct sockaddr *)&address, sizeof address) < 0 || listen(listener, 4096) < 0) {
        perror("sink: bind");
        return 1;
    }
    poller = epoll_create1(EPOLL_CLOEXEC);
    epoll_ctl(poller, EPOLL_CTL_ADD, listener, &event);
    for (;;) {
        int n = epoll_wait(poller, events, 256, run_timers());
        for (i = 0; i < n; i++) {
            if (events[i].data.ptr == NULL) accept_all(listener, poller);
            else readable(events[i].data.ptr);
        }
    }
}
