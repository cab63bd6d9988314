/* SPDX-License-Identifier: Apache-2.0
 *
 * A plugin that opens streams and uses the cache as its items' payloads tell it: for tests of the host's side.
 *
 * The payload is a command and its words (`run` below lists them); what came of it is the text of a DISCARD. A stream has a
 * letter for its name; each of its events is reported as the text of a hold() of queue "out". */
#define _POSIX_C_SOURCE 200809L
#include "hostd_plugin.h"
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WORDS 9

typedef struct site site;
typedef struct { site *s; char name; hostd_op op; size_t received; int echoes; } stream;
typedef struct { const hostd_host *host; const hostd_stream *stream; const hostd_cache *cache; } plugin;
struct site { plugin *p; hostd_site site; stream streams[26]; };
typedef struct { site *s; hostd_token token; char buffer[4096]; char *word[WORDS]; int left, failed; uint64_t last; } call;

static hostd_str text(const char *s) { hostd_str r = { s, strlen(s) }; return r; }

static void report(site *s, const char *format, ...) {
    char line[1024];
    va_list list;
    va_start(list, format);
    vsnprintf(line, sizeof line, format, list);
    va_end(list);
    s->p->host->hold(s->p->host, s->site, text("out"), text("report"), 0, text(line));
}

/* Completes the delivery with what was found out. */
static uint32_t tell(call *c, const char *format, ...) {
    char line[1024];
    hostd_result r;
    va_list list;
    va_start(list, format);
    vsnprintf(line, sizeof line, format, list);
    va_end(list);
    memset(&r, 0, sizeof r);
    r.struct_size = sizeof r;
    r.code = HOSTD_DISCARD;
    r.text = text(line);
    c->s->p->host->complete(c->s->p->host, c->token, &r);
    free(c);
    return HOSTD_PENDING;
}

/* ---- streams ------------------------------------------------------------------------------------------------------- */

static void happened(void *user, hostd_op op, uint32_t event, int32_t status, hostd_str data) {
    static const char *const words[] = { "?", "connected", "data", "secured", "writable", "closed" };
    stream *t = user;
    const plugin *p = t->s->p;
    if (op != t->op) report(t->s, "%c: an event of another stream", t->name);
    if (event == HOSTD_S_DATA) {
        t->received += data.len;
        if (data.len < 200) report(t->s, "%c data %.*s", t->name, (int)data.len, data.ptr);
        else report(t->s, "%c received %lu", t->name, (unsigned long)t->received);
        if (t->echoes) p->stream->write(p->host, op, data);
        return;
    }
    if (event == HOSTD_S_CLOSED) t->op = 0;
    report(t->s, "%c %s %d", t->name, words[event <= 5 ? event : 0], status);
    if (event == HOSTD_S_CLOSED && data.len > 0) report(t->s, "%c because %.*s", t->name, (int)data.len, data.ptr);
}

/* open NAME FLAGS HOST PORT TIMEOUT SRV TLS_NAME CA_FILE; "-" = none */
static uint32_t connect_stream(call *c) {
    stream *t = &c->s->streams[(c->word[1][0] - 'a') % 26];
    hostd_stream_request r;
    memset(&r, 0, sizeof r);
    memset(t, 0, sizeof *t);
    t->s = c->s;
    t->name = c->word[1][0];
    r.struct_size = sizeof r;
    r.flags = (uint32_t)atoi(c->word[2]);
    r.site = c->s->site;
    r.host = text(c->word[3]);
    r.port = (uint32_t)atoi(c->word[4]);
    r.timeout_ms = (uint32_t)atoi(c->word[5]);
    if (strcmp(c->word[6], "-")) r.srv = text(c->word[6]);
    if (strcmp(c->word[7], "-")) r.tls_name = text(c->word[7]);
    if (strcmp(c->word[8], "-")) r.ca_file = text(c->word[8]);
    t->op = c->s->p->stream->connect(c->s->p->host, &r, happened, t);
    return t->op > 0 ? tell(c, "opened") : tell(c, "refused=%d", (int)t->op);
}

/* flood NAME COUNT SIZE: writes until the host refuses */
static uint32_t flood(call *c, stream *t) {
    size_t size = (size_t)atoi(c->word[3]);
    char *bytes = calloc(1, size);
    hostd_str block = { bytes, size };
    int32_t status = HOSTD_OK;
    int count = 0, most = atoi(c->word[2]);
    while (count < most && (status = c->s->p->stream->write(c->s->p->host, t->op, block)) == HOSTD_OK) count++;
    free(bytes);
    return tell(c, "written=%d status=%d", count, status);
}

/* ---- cache --------------------------------------------------------------------------------------------------------- */

static void cached(void *user, hostd_op op, int32_t status, hostd_str value, uint64_t number) {
    (void)op;
    tell(user, "status=%d value=%.*s number=%llu", status, (int)value.len, value.len ? value.ptr : "", (unsigned long long)number);
}

static void counted(void *user, hostd_op op, int32_t status, hostd_str value, uint64_t number) {
    call *c = user;
    (void)op; (void)value;
    if (status != HOSTD_OK) c->failed++;
    if (number > c->last) c->last = number;
    if (--c->left == 0) tell(c, "failed=%d last=%llu", c->failed, (unsigned long long)c->last);
}

static uint32_t started(call *c, hostd_op op) { return op > 0 ? HOSTD_PENDING : tell(c, "refused=%d", (int)op); }

static uint32_t run(call *c) {
    const plugin *p = c->s->p;
    const hostd_host *h = p->host;
    stream *t = &c->s->streams[(c->word[1][0] ? c->word[1][0] - 'a' : 0) % 26];
    const char *w = c->word[0];
#define IS(name) (!strcmp(w, name))
    if (IS("open")) return connect_stream(c);
    if (IS("write")) return tell(c, "status=%d", p->stream->write(h, t->op, text(c->word[2])));
    if (IS("flood")) return flood(c, t);
    if (IS("echo")) { t->echoes = 1; return tell(c, "echoes"); }
    if (IS("start-tls")) return tell(c, "status=%d", p->stream->start_tls(h, t->op));
    if (IS("secret")) { /* what is written while the handshake runs must never go out in the clear */
        int32_t first = p->stream->start_tls(h, t->op), second = p->stream->write(h, t->op, text("secret"));
        return tell(c, "status=%d write=%d", first, second);
    }
    if (IS("pause")) return tell(c, "status=%d", p->stream->pause(h, t->op, atoi(c->word[2])));
    if (IS("close")) return tell(c, "status=%d", p->stream->close(h, t->op));
    if (IS("write-close")) {
        int32_t first = p->stream->write(h, t->op, text(c->word[2])), second = p->stream->close(h, t->op);
        return tell(c, "status=%d close=%d late=%d", first, second, p->stream->write(h, t->op, text("late")));
    }
    if (IS("cancel")) {
        int32_t first = h->cancel(h, t->op), again = h->cancel(h, t->op);
        return tell(c, "cancel=%d again=%d write=%d", first, again, p->stream->write(h, t->op, text("x")));
    }
    if (IS("c-get")) return started(c, p->cache->get(h, c->s->site, text(c->word[1]), cached, c));
    if (IS("c-set"))
        return started(c, p->cache->set(h, c->s->site, text(c->word[1]), text(c->word[2]), (uint32_t)atoi(c->word[3]),
                                        (uint32_t)atoi(c->word[4]), cached, c));
    if (IS("c-add"))
        return started(c, p->cache->increment(h, c->s->site, text(c->word[1]), atoll(c->word[2]),
                                              strtoull(c->word[3], NULL, 10), (uint32_t)atoi(c->word[4]), cached, c));
    if (IS("c-remove")) return started(c, p->cache->remove(h, c->s->site, text(c->word[1]), cached, c));
    if (IS("c-many")) {
        int i, n = c->left = atoi(c->word[2]);
        for (i = 0; i < n; i++)
            if (p->cache->increment(h, c->s->site, text(c->word[1]), 1, 1, 0, counted, c) <= 0) return tell(c, "refused");
        return HOSTD_PENDING;
    }
    return tell(c, "unknown");
}

static uint32_t handle(void *state, const hostd_job *job, hostd_result *out) {
    call *c = calloc(1, sizeof *c);
    char *rest;
    int i;
    size_t n = job->payload.len < sizeof c->buffer - 1 ? job->payload.len : sizeof c->buffer - 1;
    (void)out;
    c->s = state;
    c->token = job->token;
    if (n) memcpy(c->buffer, job->payload.ptr, n);
    for (i = 0; i < WORDS; i++) c->word[i] = "";
    for (i = 0, rest = c->buffer; i < WORDS && *rest; i++) {
        c->word[i] = rest;
        rest += strcspn(rest, " ");
        if (*rest) *rest++ = 0;
    }
    return run(c);
}

/* ---- life ---------------------------------------------------------------------------------------------------------- */

static int32_t start(const hostd_host *h, void **state, char *err, size_t cap) {
    plugin *p = calloc(1, sizeof *p);
    p->host = h;
    p->stream = h->get_extension(h, HOSTD_EXT_STREAM);
    p->cache = h->get_extension(h, HOSTD_EXT_CACHE);
    *state = p;
    if (p->stream && p->cache) return HOSTD_OK;
    snprintf(err, cap, "this host has no streams or no cache");
    return HOSTD_E_UNSUPPORTED;
}

static void stop(void *state) { free(state); }

static int32_t site_open(void *state, const hostd_site_opening *o, void **out, char *err, size_t cap) {
    site *s = calloc(1, sizeof *s);
    (void)err; (void)cap;
    s->p = state;
    s->site = o->site;
    *out = s;
    return HOSTD_OK;
}

static void site_drain(void *state, int64_t deadline_ms) { site *s = state; (void)deadline_ms; s->p->host->drained(s->p->host, s->site); }
static void site_close(void *state) { report(state, "site closed"); free(state); }

static const hostd_handler in = { sizeof(hostd_handler), 0, "in", NULL, 64, 0, 0, 0, handle, NULL };
static const hostd_handler out = { sizeof(hostd_handler), 0, "out", NULL, 8, 0, 0, 0, handle, NULL };
static const hostd_handler *const handlers[] = { &in, &out };
static const hostd_plugin table = {
    sizeof(hostd_plugin), 0, "org.example.connected", handlers, 2, 0, start, stop, site_open, NULL, site_drain, site_close,
    NULL, NULL, sizeof(hostd_config_key), 0, NULL, 0, 0 };

HOSTD_PLUGIN("org.example.connected", "1.0.0") { return &table; }
