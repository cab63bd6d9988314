/* SPDX-License-Identifier: Apache-2.0
 *
 * A plugin that does its process harm where a test tells it to.
 *
 * Stage 1, queue "lines": each line of the payload becomes an item of "line" with the line as its target, 500 at a time.
 * Stage 2, queue "line": 20 ms later appends the payload and a newline to the file `out`, so that many are in handlers at
 * once. A line's first word may be something else to do (`harm` below). Queue "single": the same, one worker per site.
 *
 * Keys of a site: `open`, what site_open does; `fail`, every line asks for a retry. Macros: INIT, SHUTDOWN, what those do. */
#define _POSIX_C_SOURCE 200809L
#include "hostd_plugin.h"
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#ifndef INIT
#define INIT ""
#endif
#ifndef SHUTDOWN
#define SHUTDOWN ""
#endif
#ifndef VERSION
#define VERSION "1.0.0"
#endif
#ifndef TIMEOUT_MS
#define TIMEOUT_MS 2000
#endif

typedef struct { const hostd_host *host; const hostd_loop *loop; } plugin;
typedef struct { plugin *p; hostd_site site; } site;
typedef struct { site *s; hostd_token token; char path[4096]; size_t size; char line[]; } call;

/* Set by a line that looked harmless, once it is done and reported; the next handler dies of it. */
static int is_spoiled;
static void spoil(void *user, hostd_op op) { (void)user; (void)op; is_spoiled = 1; }

static hostd_str text(const char *s) { hostd_str r = { s, strlen(s) }; return r; }
static int is(hostd_str s, const char *word) { return s.len == strlen(word) && memcmp(s.ptr, word, s.len) == 0; }

static hostd_str first_word(hostd_str s) {
    const char *space = s.len ? memchr(s.ptr, ' ', s.len) : NULL;
    if (space) s.len = (size_t)(space - s.ptr);
    return s;
}

/* 640 MiB, each page written, and kept for a while: a host that bounds its workers' memory ends this one before. */
static void eat(void) {
    size_t n, step = 16u << 20;
    for (n = 0; n < 40; n++) {
        struct timespec moment = { 0, 100000000 };
        char *block = malloc(step);
        if (!block) abort();
        memset(block, 1, step);
        nanosleep(&moment, NULL);
    }
}

static void harm(hostd_str how) {
    if (is(how, "crash")) raise(SIGSEGV);
    if (is(how, "exit")) exit(3);
    if (is(how, "spin") || is(how, "hang")) for (;;) pause();
    if (is(how, "eat")) eat();
    if (is(how, "corrupt")) {
        /* Before the start of a block is what the allocator knows of it: it notices when it gets that back. */
        char *volatile block = malloc(24);
        ((volatile size_t *)block)[-1] = ~(size_t)0;
        free(block);
    }
}

/* ---- stage 1 ------------------------------------------------------------------------------------------------------- */

static uint32_t expand(void *state, const hostd_job *job, hostd_result *out) {
    static char cursor[24];
    const hostd_host *host = ((site *)state)->p->host;
    size_t at = 0, left = 500, i;
    for (i = 0; i < job->cursor.len; i++) at = at * 10 + (size_t)(job->cursor.ptr[i] - '0');
    for (; left > 0 && at < job->payload.len; left--) {
        const char *line = job->payload.ptr + at, *end = memchr(line, '\n', job->payload.len - at);
        hostd_item item;
        memset(&item, 0, sizeof item);
        item.struct_size = sizeof item;
        item.queue = text("line");
        item.payload.ptr = line;
        item.payload.len = end ? (size_t)(end - line) : job->payload.len - at;
        item.target = item.payload;
        at += item.payload.len + 1;
        if (item.payload.len && host->stage(host, job->token, &item, sizeof item, 1) < 0) return out->code = HOSTD_RETRY;
    }
    if (at >= job->payload.len) return out->code = HOSTD_DONE;
    snprintf(cursor, sizeof cursor, "%zu", at);
    out->cursor = text(cursor);
    return out->code = HOSTD_CONTINUE;
}

/* ---- stage 2 ------------------------------------------------------------------------------------------------------- */

static void append(void *user, hostd_op op) {
    call *c = user;
    hostd_result r;
    int fd = open(c->path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
    (void)op;
    memset(&r, 0, sizeof r);
    r.struct_size = sizeof r;
    /* One write of the whole line: O_APPEND keeps lines of several workers apart. */
    r.code = fd >= 0 && write(fd, c->line, c->size) == (ssize_t)c->size ? HOSTD_DONE : HOSTD_RETRY;
    if (fd >= 0) close(fd);
    c->s->p->host->complete(c->s->p->host, c->token, &r);
    free(c);
}

static uint32_t deliver(void *state, const hostd_job *job, hostd_result *out) {
    site *s = state;
    const hostd_host *host = s->p->host;
    hostd_str word = first_word(job->payload), file = { NULL, 0 }, fail = { NULL, 0 };
    call *c;
    if (is_spoiled) raise(SIGSEGV);
    if (is(word, "spoil")) s->p->loop->timer(host, s->site, 300, 0, spoil, NULL);
    if (is(word, "hang")) return HOSTD_PENDING;
    harm(word);
    if (host->config_get(host, job->config, text("fail"), &fail) == HOSTD_OK && is(fail, "true")) {
        out->reason = HOSTD_R_OTHER;
        out->text = text("this site fails");
        return out->code = HOSTD_RETRY;
    }
    if (host->config_get(host, job->config, text("out"), &file) < 0) return out->code = HOSTD_RETRY;
    c = calloc(1, sizeof *c + job->payload.len + 1);
    if (!c || file.len >= sizeof c->path) return out->code = HOSTD_RETRY;
    c->s = s;
    c->token = job->token;
    memcpy(c->path, file.ptr, file.len);
    if (job->payload.len) memcpy(c->line, job->payload.ptr, job->payload.len);
    c->line[job->payload.len] = '\n';
    c->size = job->payload.len + 1;
    return s->p->loop->timer(host, s->site, 20, 0, append, c) > 0 ? HOSTD_PENDING : HOSTD_RETRY;
}

/* ---- life ---------------------------------------------------------------------------------------------------------- */

static int32_t start(const hostd_host *host, void **state, char *err, size_t cap) {
    plugin *p = calloc(1, sizeof *p);
    (void)err; (void)cap;
    harm(text(INIT));
    p->host = host;
    p->loop = host->get_extension(host, HOSTD_EXT_LOOP);
    *state = p;
    return HOSTD_OK;
}

static void stop(void *state) {
    harm(text(SHUTDOWN));
    free(state);
}

static int32_t site_open(void *state, const hostd_site_opening *o, void **out, char *err, size_t cap) {
    site *s = calloc(1, sizeof *s);
    hostd_str how = { NULL, 0 };
    (void)err; (void)cap;
    s->p = state;
    s->site = o->site;
    if (s->p->host->config_get(s->p->host, o->config, text("open"), &how) == HOSTD_OK) harm(how);
    *out = s;
    return HOSTD_OK;
}

static void site_drain(void *state, int64_t deadline_ms) {
    site *s = state;
    (void)deadline_ms; /* lines take 20 ms, or never end */
    s->p->host->drained(s->p->host, s->site);
}

static void site_close(void *state) { free(state); }

static const hostd_handler lines = { sizeof(hostd_handler), HOSTD_HF_NOTICE, "lines", NULL, 1, 0, 0, 0, expand, NULL };
static const hostd_handler line = { sizeof(hostd_handler), 0, "line", NULL, 16, TIMEOUT_MS, 0, 0, deliver, NULL };
static const hostd_handler single = {
    sizeof(hostd_handler), HOSTD_HF_SINGLETON, "single", NULL, 16, TIMEOUT_MS, 0, 0, deliver, NULL };
static const hostd_handler *const handlers[] = { &lines, &line, &single };
static const hostd_config_key keys[] = {
    { sizeof(hostd_config_key), HOSTD_KEY_STRING, HOSTD_KF_REQUIRED, 0, "out", NULL, "file that lines are appended to" },
    { sizeof(hostd_config_key), HOSTD_KEY_STRING, 0, 0, "open", "", "what site_open does" },
    { sizeof(hostd_config_key), HOSTD_KEY_BOOL, 0, 0, "fail", "false", "every line asks for a retry" } };
static const hostd_plugin table = {
    sizeof(hostd_plugin), 0, "org.example.culprit", handlers, 3, 0, start, stop, site_open, NULL, site_drain, site_close, NULL,
    keys, sizeof(hostd_config_key), 3, NULL, 0, 0 };

HOSTD_PLUGIN("org.example.culprit", VERSION) { return &table; }
