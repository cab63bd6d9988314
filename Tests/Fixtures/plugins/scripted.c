/* SPDX-License-Identifier: Apache-2.0
 *
 * A plugin that does what an item's payload tells it, right or wrong: for tests of the host's side of the ABI.
 *
 * The payload is a command and its words (`run` below lists them). What a command found out is the text of a DISCARD; what
 * is found out after the delivery's end is reported as the text of a hold() of queue "out". */
#define _POSIX_C_SOURCE 200809L
#include "hostd_plugin.h"
#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define WORDS 6

typedef struct {
    const hostd_host *host;
    const hostd_http *http;
    const hostd_loop *loop;
    const hostd_recipients *recipients;
    const hostd_kv_store *kv;
    const hostd_metrics *metrics;
    uint32_t counter;
} plugin;

typedef struct { plugin *p; hostd_site site; char closing[64]; hostd_token waits; } site;

/* One delivery: its words are copies, since the job's memory goes with complete(). */
typedef struct { site *s; hostd_token token; char buffer[4096]; char *word[WORDS]; int count, ticks; int pipe[2]; } call;

static hostd_str text(const char *s) { hostd_str r = { s, strlen(s) }; return r; }
static void nap(long ms) { struct timespec t = { ms / 1000, ms % 1000 * 1000000 }; while (nanosleep(&t, &t) && errno == EINTR) {} }

static void report(site *s, const char *format, ...) {
    char line[512];
    va_list list;
    va_start(list, format);
    vsnprintf(line, sizeof line, format, list);
    va_end(list);
    s->p->host->hold(s->p->host, s->site, text("out"), text("report"), 0, text(line));
}

static int32_t end(call *c, uint32_t code, const char *line) {
    hostd_result r;
    memset(&r, 0, sizeof r);
    r.struct_size = sizeof r;
    r.code = code;
    r.text = text(line);
    return c->s->p->host->complete(c->s->p->host, c->token, &r);
}

/* Completes the delivery with what was found out. */
static void tell(call *c, const char *format, ...) {
    char line[1024];
    va_list list;
    va_start(list, format);
    vsnprintf(line, sizeof line, format, list);
    va_end(list);
    end(c, HOSTD_DISCARD, line);
    free(c);
}

/* ---- threads ------------------------------------------------------------------------------------------------------- */

static void *complete_later(void *user) {
    call *c = user;
    int32_t first, second;
    nap(2);
    first = end(c, HOSTD_DONE, "from a thread");
    second = end(c, HOSTD_DONE, "again");
    report(c->s, "first=%d second=%d", first, second);
    free(c);
    return NULL;
}

static void ignore_timer(void *user, hostd_op op) { (void)user; (void)op; }
static void posted(void *user) { tell(user, "posted"); }

static void answered(void *user, hostd_op op, const hostd_http_response *r);

static void *wrong_thread(void *user) {
    call *c = user;
    const hostd_host *h = c->s->p->host;
    hostd_item item;
    hostd_http_request request;
    memset(&item, 0, sizeof item);
    item.struct_size = sizeof item;
    item.queue = text("out");
    memset(&request, 0, sizeof request);
    request.struct_size = sizeof request;
    request.url = text("http://127.0.0.1:1/");
    report(c->s, "enqueue=%d timer=%d cancel=%d http=%d now=%d",
           (int)h->enqueue(h, c->s->site, &item, sizeof item, 1, NULL, NULL),
           (int)c->s->p->loop->timer(h, 0, 1, 0, ignore_timer, NULL), (int)h->cancel(h, 1),
           (int)c->s->p->http->send(h, &request, answered, NULL), h->now_ms(h, 1) > 0);
    h->post(h, posted, c);
    return NULL;
}

static uint32_t in_thread(call *c, void *(*run)(void *)) {
    pthread_t thread;
    pthread_create(&thread, NULL, run, c);
    pthread_detach(thread);
    return HOSTD_PENDING;
}

/* ---- staging ------------------------------------------------------------------------------------------------------- */

typedef struct { hostd_item item; char future[16]; } longer_item;

static int32_t stage(call *c, size_t n, size_t size, const char *queue, size_t bad) {
    const hostd_host *h = c->s->p->host;
    longer_item *items = calloc(n ? n : 1, sizeof *items);
    char *payload = calloc(1, size ? size : 1);
    int32_t status;
    size_t i;
    for (i = 0; i < n; i++) {
        items[i].item.struct_size = sizeof items[i];
        items[i].item.queue = text(i == bad ? "nowhere" : queue);
        items[i].item.payload.ptr = payload;
        items[i].item.payload.len = size;
        items[i].item.shared = text("in common");
        items[i].item.target = text("target");
        items[i].item.priority = 8;
        items[i].item.delay_ms = (uint32_t)i;
    }
    status = h->stage(h, c->token, &items[0].item, sizeof *items, n);
    free(items);
    free(payload);
    return status;
}

/* ---- callbacks ----------------------------------------------------------------------------------------------------- */

static void enqueued(void *user, hostd_op op, int32_t status) { (void)op; tell(user, "enqueued=%d", status); }
static void fired(void *user, hostd_op op) { (void)op; tell(user, "fired"); }

static void ticked(void *user, hostd_op op) {
    call *c = user;
    const hostd_host *h = c->s->p->host;
    int32_t first, again;
    if (++c->ticks < atoi(c->word[1])) return;
    first = h->cancel(h, op);
    again = h->cancel(h, op);
    tell(c, "ticks=%d cancel=%d again=%d", c->ticks, first, again);
}

static void readable(void *user, hostd_op op, int32_t fd, uint32_t events) {
    call *c = user;
    const hostd_host *h = c->s->p->host;
    char byte = 0;
    if (read(fd, &byte, 1) == 1 && ++c->ticks < 3) return; /* level-triggered: it comes again for the rest */
    h->cancel(h, op);
    close(c->pipe[0]);
    close(c->pipe[1]);
    tell(c, "reads=%d last=%c events=%u", c->ticks, byte ? byte : '-', events);
}

static void answered(void *user, hostd_op op, const hostd_http_response *r) {
    call *c = user;
    char header[128] = "";
    size_t i;
    (void)op;
    for (i = 0; i < r->header_count; i++)
        if (r->headers[i].key.len == 6 && memcmp(r->headers[i].key.ptr, "x-echo", 6) == 0)
            snprintf(header, sizeof header, "%.*s", (int)r->headers[i].value.len, r->headers[i].value.ptr);
    tell(c, "error=%d status=%u sent=%u retry=%u echo=%s body=%.*s", r->error, r->status, r->sent, r->retry_after_ms, header,
         (int)(r->body.len > 200 ? 200 : r->body.len), r->body.len ? r->body.ptr : "");
}

static void paged(void *user, hostd_op op, int32_t status, const hostd_recipient *rows, size_t stride, size_t n, hostd_str next) {
    call *c = user;
    char line[900];
    size_t i, used = 0;
    (void)op;
    line[0] = 0;
    for (i = 0; i < n; i++) {
        const hostd_recipient *r = (const hostd_recipient *)((const char *)rows + i * stride);
        int more = snprintf(line + used, sizeof line - used, " %.*s>%.*s/%.*s/%.*s", (int)r->author.len, r->author.ptr,
                            (int)r->target.len, r->target.ptr, (int)r->key.len, r->key.ptr, (int)r->credentials.len,
                            r->credentials.ptr);
        if (more > 0 && used + (size_t)more < sizeof line) used += (size_t)more;
    }
    tell(c, "status=%d n=%d more=%d%s", status, (int)n, next.len > 0, line);
}

static void stored(void *user, hostd_op op, int32_t status) { (void)op; tell(user, "status=%d", status); }

static void valued(void *user, hostd_op op, int32_t status, hostd_str value, uint64_t version) {
    (void)op;
    tell(user, "status=%d value=%.*s version=%d", status, (int)value.len, value.len ? value.ptr : "", version > 0);
}

static uint32_t started(call *c, hostd_op op) {
    if (op > 0) return HOSTD_PENDING;
    tell(c, "refused=%d", (int)op);
    return HOSTD_PENDING;
}

/* ---- commands ------------------------------------------------------------------------------------------------------ */

static uint32_t http(call *c, const char *method, uint32_t flags, uint32_t timeout, uint32_t cap, const char *url, int bad) {
    hostd_http_request q;
    hostd_kv field = { { "X-Sent", 6 }, { "yes", 3 } };
    if (bad) field.value = text("a\r\nb: c");
    memset(&q, 0, sizeof q);
    q.struct_size = sizeof q;
    q.flags = flags;
    q.site = c->s->site;
    q.method = text(method);
    q.url = text(url);
    if (!strcmp(method, "POST")) q.body = text("the body");
    q.headers = &field;
    q.header_count = 1;
    q.timeout_ms = timeout;
    q.max_body = cap;
    return started(c, c->s->p->http->send(c->s->p->host, &q, answered, c));
}

static uint32_t run(call *c, const hostd_job *job, hostd_result *out) {
    plugin *p = c->s->p;
    const hostd_host *h = p->host;
    const char *w = c->word[0];
#define IS(name) (!strcmp(w, name))
    if (IS("continue")) { out->cursor = text("next"); return out->code = HOSTD_CONTINUE; }
    if (IS("retry")) {
        out->reason = HOSTD_R_REMOTE; out->flags = HOSTD_RF_MAYBE; out->delay_ms = 5; out->hold_ms = 7; out->lane = job->lane;
        out->text = job->payload;
        return out->code = HOSTD_RETRY;
    }
    if (IS("defer")) {
        out->reason = HOSTD_R_NETWORK; out->flags = HOSTD_RF_MAYBE; out->delay_ms = 5;
        return out->code = HOSTD_DEFER;
    }
    if (IS("fields")) {
        tell(c, "queue=%.*s shared=%.*s lane=%.*s key=%.*s cursor=%.*s attempt=%u kills=%u flags=%u left=%d",
             (int)job->queue.len, job->queue.ptr, (int)job->shared.len, job->shared.ptr, (int)job->lane.len, job->lane.ptr,
             (int)job->dedup_key.len, job->dedup_key.ptr, (int)job->cursor.len, job->cursor.ptr, job->attempt, job->kills,
             job->flags, job->deadline_ms > h->now_ms(h, 1));
        return HOSTD_PENDING;
    }
    if (IS("twice")) {
        int32_t first = end(c, HOSTD_DONE, "first"), second = end(c, HOSTD_RETRY, "second");
        report(c->s, "first=%d second=%d", first, second);
        return HOSTD_PENDING;
    }
    if (IS("early-return")) { end(c, HOSTD_DONE, "completed"); out->text = text("returned"); return out->code = HOSTD_RETRY; }
    if (IS("later")) return in_thread(c, complete_later);
    if (IS("foreign")) {
        hostd_token mine = c->token;
        c->token = mine + ((hostd_token)1 << 40);
        report(c->s, "foreign=%d", end(c, HOSTD_DONE, ""));
        c->token = mine;
        return out->code = HOSTD_DONE;
    }
    if (IS("bad-return")) return 99;
    if (IS("mismatch")) { out->code = HOSTD_DONE; return HOSTD_RETRY; }
    if (IS("bad-complete")) { report(c->s, "complete=%d", end(c, 77, "")); return HOSTD_PENDING; }
    if (IS("never")) return HOSTD_PENDING;
    if (IS("cancellable")) { c->s->waits = c->token; return HOSTD_PENDING; }
    if (IS("block")) { nap(atoi(c->word[1])); return out->code = HOSTD_DONE; }
    if (IS("crash")) abort();
    if (IS("stage")) { report(c->s, "stage=%d", stage(c, (size_t)atoi(c->word[1]), 8, "out", 1u << 30)); return out->code = HOSTD_DONE; }
    if (IS("stage-output")) { report(c->s, "stage=%d", stage(c, 1, 8, "elsewhere", 9)); return out->code = HOSTD_DONE; }
    if (IS("stage-mixed")) {
        int32_t bad = stage(c, 3, 8, "out", 1), good = stage(c, 2, 8, "out", 9);
        report(c->s, "bad=%d good=%d", bad, good);
        return out->code = HOSTD_DONE;
    }
    if (IS("stage-big")) {
        int32_t first = stage(c, 4, 1000000, "out", 9), more = stage(c, 1, 1000000, "out", 9), huge = stage(c, 1, 1048577, "out", 9);
        report(c->s, "first=%d more=%d huge=%d", first, more, huge);
        return out->code = HOSTD_DONE;
    }
    if (IS("stage-drop")) { stage(c, 1, 8, "out", 9); return out->code = HOSTD_RETRY; }
    if (IS("stage-late")) { end(c, HOSTD_DONE, ""); report(c->s, "late=%d", stage(c, 1, 8, "out", 9)); return HOSTD_PENDING; }
    if (IS("thread")) return in_thread(c, wrong_thread);
    if (IS("config")) {
        hostd_str value;
        int32_t status = h->config_get(h, job->config, text(c->word[1]), &value);
        tell(c, "status=%d value=%.*s generation=%d", status, (int)value.len, value.len ? value.ptr : "",
             (int)h->config_generation(h, job->config));
        return HOSTD_PENDING;
    }
    if (IS("name")) {
        hostd_str name, none;
        int32_t status = h->site_name(h, c->s->site, &name), stale = h->site_name(h, c->s->site + ((hostd_site)1 << 40), &none);
        tell(c, "status=%d name=%.*s stale=%d none=%d", status, (int)name.len, name.ptr, stale, (int)none.len);
        return HOSTD_PENDING;
    }
    if (IS("extensions")) {
        tell(c, "http=%d cache=%d stream=%d other=%d", h->get_extension(h, HOSTD_EXT_HTTP) != NULL,
             h->get_extension(h, HOSTD_EXT_CACHE) != NULL, h->get_extension(h, HOSTD_EXT_STREAM) != NULL,
             h->get_extension(h, "org.example.x/1") != NULL);
        return HOSTD_PENDING;
    }
    if (IS("enqueue")) {
        hostd_item item;
        memset(&item, 0, sizeof item);
        item.struct_size = sizeof item;
        item.queue = text(c->word[1]);
        item.payload = text("from outside");
        return started(c, h->enqueue(h, c->s->site, &item, sizeof item, 1, enqueued, c));
    }
    if (IS("timer")) return started(c, p->loop->timer(h, c->s->site, (uint32_t)atoi(c->word[1]), 0, fired, c));
    if (IS("ticks")) return started(c, p->loop->timer(h, c->s->site, 1, 1, ticked, c));
    if (IS("timer-cancel")) {
        hostd_op op = p->loop->timer(h, c->s->site, 1, 0, ignore_timer, NULL);
        int32_t first = h->cancel(h, op), again = h->cancel(h, op);
        tell(c, "cancel=%d again=%d", first, again);
        return HOSTD_PENDING;
    }
    if (IS("watch")) {
        hostd_op op;
        if (pipe(c->pipe)) return HOSTD_RETRY;
        op = p->loop->watch(h, c->s->site, c->pipe[0], 0, readable, c);
        if (op > 0 && p->loop->rewatch(h, op, HOSTD_FD_READ) == HOSTD_OK && write(c->pipe[1], "abc", 3) == 3) return HOSTD_PENDING;
        return HOSTD_RETRY;
    }
    if (IS("http")) return http(c, "GET", (uint32_t)atoi(c->word[1]), 0, 0, c->word[2], 0);
    if (IS("post")) return http(c, "POST", (uint32_t)atoi(c->word[1]), 0, 0, c->word[2], 0);
    if (IS("http-timeout")) return http(c, "GET", HOSTD_HTTP_TRUSTED, (uint32_t)atoi(c->word[1]), 0, c->word[2], 0);
    if (IS("http-cap")) return http(c, "GET", HOSTD_HTTP_TRUSTED, 0, (uint32_t)atoi(c->word[1]), c->word[2], 0);
    if (IS("http-bad-header")) return http(c, "GET", HOSTD_HTTP_TRUSTED, 0, 0, c->word[1], 1);
    if (IS("page")) return started(c, p->recipients->page(h, c->s->site, c->token, text(c->word[1]), text(""), 2, paged, c));
    if (IS("get")) return started(c, p->recipients->get(h, c->s->site, c->token, text(c->word[1]), text(c->word[2]), paged, c));
    if (IS("put")) {
        hostd_recipient r;
        memset(&r, 0, sizeof r);
        r.struct_size = sizeof r;
        r.author = text(c->word[1]); r.target = text(c->word[2]); r.key = text(c->word[3]); r.credentials = text(c->word[4]);
        r.version = (uint64_t)atoi(c->word[5]);
        return started(c, p->recipients->put(h, c->s->site, &r, stored, c));
    }
    if (IS("remove"))
        return started(c, p->recipients->remove(h, c->s->site, text(c->word[1]), text(c->word[2]), text(c->word[3]), text("test"), stored, c));
    if (IS("kv-get")) return started(c, p->kv->get(h, c->s->site, text(c->word[1]), valued, c));
    if (IS("kv-put"))
        return started(c, p->kv->put(h, c->s->site, text(c->word[1]), text(c->word[2]), (uint64_t)atoll(c->word[3]), 0, valued, c));
    if (IS("metric")) {
        uint32_t id = 0;
        tell(c, "record=%d unknown=%d late=%d", p->metrics->record(h, p->counter, c->s->site, 2), p->metrics->record(h, 99, 0, 1),
             p->metrics->define(h, HOSTD_M_COUNTER, text("late"), text(""), &id));
        return HOSTD_PENDING;
    }
    if (IS("log")) { h->log(h, HOSTD_LOG_INFO, 0, c->token, job->payload, NULL, 0); return out->code = HOSTD_DONE; }
    return out->code = HOSTD_DONE;
}

static uint32_t handle(void *state, const hostd_job *job, hostd_result *out) {
    call *c = calloc(1, sizeof *c);
    char *rest;
    size_t n = job->payload.len < sizeof c->buffer - 1 ? job->payload.len : sizeof c->buffer - 1;
    c->s = state;
    c->token = job->token;
    if (n) memcpy(c->buffer, job->payload.ptr, n);
    for (c->count = 0; c->count < WORDS; c->count++) c->word[c->count] = "";
    for (c->count = 0, rest = c->buffer; c->count < WORDS && *rest; c->count++) {
        c->word[c->count] = rest;
        rest += strcspn(rest, " ");
        if (*rest) *rest++ = 0;
    }
    return run(c, job, out); /* what isn't freed by `tell` is a leak of a test */
}

static void cancel(void *state, hostd_token token) {
    site *s = state;
    hostd_result r;
    report(s, "cancelled");
    if (s->waits != token) return;
    memset(&r, 0, sizeof r);
    r.struct_size = sizeof r;
    r.code = HOSTD_DEFER;
    s->p->host->complete(s->p->host, token, &r);
}

/* ---- life ---------------------------------------------------------------------------------------------------------- */

static int32_t start(const hostd_host *h, void **state, char *err, size_t cap) {
    plugin *p = calloc(1, sizeof *p);
    (void)err; (void)cap;
    p->host = h;
    p->http = h->get_extension(h, HOSTD_EXT_HTTP);
    p->loop = h->get_extension(h, HOSTD_EXT_LOOP);
    p->recipients = h->get_extension(h, HOSTD_EXT_RECIPIENTS);
    p->kv = h->get_extension(h, HOSTD_EXT_KV);
    p->metrics = h->get_extension(h, HOSTD_EXT_METRICS);
    p->metrics->define(h, HOSTD_M_COUNTER, text("things_total"), text("things"), &p->counter);
    *state = p;
    return HOSTD_OK;
}

static void stop(void *state) { free(state); }

static int is(const hostd_host *h, const hostd_config *config, const char *key, const char *wanted) {
    hostd_str value;
    return h->config_get(h, config, text(key), &value) == HOSTD_OK && value.len == strlen(wanted) && !memcmp(value.ptr, wanted, value.len);
}

static int32_t site_open(void *state, const hostd_site_opening *o, void **out, char *err, size_t cap) {
    site *s = calloc(1, sizeof *s);
    s->p = state;
    s->site = o->site;
    if (is(s->p->host, o->config, "open", "refuse")) { snprintf(err, cap, "told to refuse"); free(s); return HOSTD_E_FAIL; }
    *out = s;
    return HOSTD_OK;
}

static int32_t reconfigure(void *state, const hostd_config *config, char *err, size_t cap) {
    site *s = state;
    if (!is(s->p->host, config, "open", "refuse")) return HOSTD_OK;
    snprintf(err, cap, "told to refuse");
    return HOSTD_E_FAIL;
}

static void site_drain(void *state, int64_t deadline_ms) {
    site *s = state;
    report(s, "drain ahead=%d", deadline_ms >= s->p->host->now_ms(s->p->host, 1));
    s->p->host->drained(s->p->host, s->site);
}

static void site_close(void *state) { report(state, "close"); free(state); }

static const hostd_handler in = { sizeof(hostd_handler), HOSTD_HF_NOTICE, "in", NULL, 64, 0, 0, 0, handle, cancel };
static const hostd_handler out = { sizeof(hostd_handler), 0, "out", NULL, 8, 300, 0, 0, handle, cancel };
static const hostd_handler *const handlers[] = { &in, &out };
static const hostd_config_key keys[] = {
    { sizeof(hostd_config_key), HOSTD_KEY_STRING, 0, 0, "open", NULL, "\"refuse\": site_open and site_reconfigure do" } };
static const char *const outputs[] = { "elsewhere" };
#ifndef FLAGS
#define FLAGS 0
#endif
#ifdef NO_RECONFIGURE
#define RECONFIGURE NULL
#else
#define RECONFIGURE reconfigure
#endif
static const hostd_plugin table = {
    sizeof(hostd_plugin), FLAGS, "org.example.scripted", handlers, 2, 0, start, stop, site_open, RECONFIGURE, site_drain,
    site_close, NULL, keys, sizeof(hostd_config_key), 1, outputs, 1, 0 };

HOSTD_PLUGIN("org.example.scripted", "1.0.0") { (void)reconfigure; return &table; }
