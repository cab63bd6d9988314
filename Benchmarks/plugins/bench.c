/* SPDX-License-Identifier: Apache-2.0
 *
 * The benchmarks' plugin: a fan-out without a directory, POSTs without a signature, and items that do nothing; what is
 * left is the cost of hostd itself. Built against nothing but hostd_plugin.h, as any third party's.
 *
 *   bench     stage 1; frame "N PORT HOSTS PATH": N items for benchout, to PATH/0 ... PATH/N-1, spread over HOSTS
 *             loopback hosts (0: all to 127.0.0.1)
 *   benchout  stage 2; POSTs a 600-byte form to the URL that is its payload
 *   noop      done
 *   count     stage 2; frame "N CONCURRENT KEYS": N increments by hostd.cache/1, so many under way at a time, over so many
 *             counters; logs "counted N in SECONDS s"
 */
#define _POSIX_C_SOURCE 199309L
#include "hostd_plugin.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define CHUNK 1000

static const hostd_host *host;
static const hostd_http *http;
static const hostd_cache *cache;
static char form[600];

typedef struct site_record {
    hostd_site site;
    size_t in_flight; /* requests under way */
    int draining;
} site_record;

typedef struct call {
    hostd_token token;
    site_record *site;
} call;

static hostd_str text(const char *s) {
    hostd_str r;
    r.ptr = s;
    r.len = strlen(s);
    return r;
}

static uint32_t refuse(hostd_result *out, const char *why) {
    out->reason = HOSTD_R_BADDATA;
    out->flags = HOSTD_RF_KEEP;
    out->text = text(why);
    return out->code = HOSTD_DISCARD;
}

/* A copy that ends with NUL, for sscanf. */
static int copy(hostd_str from, char *to, size_t capacity) {
    if (from.len >= capacity) return -1;
    if (from.len > 0) memcpy(to, from.ptr, from.len);
    to[from.len] = 0;
    return 0;
}

static uint32_t expand(void *site_state, const hostd_job *job, hostd_result *out) {
    static hostd_item items[CHUNK]; /* handle() is [serial] */
    static char urls[CHUNK][192], next[24];
    char frame[160], cursor[24], path[100];
    unsigned long total, port, hosts, first = 0, count;
    (void)site_state;
    if (copy(job->payload, frame, sizeof frame) < 0
        || sscanf(frame, "%lu %lu %lu %99s", &total, &port, &hosts, path) != 4)
        return refuse(out, "expected \"N PORT HOSTS PATH\"");
    if (job->cursor.len > 0 && copy(job->cursor, cursor, sizeof cursor) == 0) first = strtoul(cursor, NULL, 10);
    for (count = 0; count < CHUNK && first + count < total; count++) {
        unsigned long index = first + count, at = hosts > 0 ? index % hosts : 0;
        hostd_item *item = &items[count];
        memset(item, 0, sizeof *item);
        item->struct_size = sizeof *item;
        if (hosts > 0)
            snprintf(urls[count], sizeof urls[count], "http://127.1.%lu.%lu:%lu%s/%lu", at / 250, at % 250 + 1, port, path,
                     index);
        else
            snprintf(urls[count], sizeof urls[count], "http://127.0.0.1:%lu%s/%lu", port, path, index);
        item->queue = text("benchout");
        item->payload = item->target = text(urls[count]);
        item->shared.ptr = form;
        item->shared.len = sizeof form;
    }
    if (count > 0 && host->stage(host, job->token, items, sizeof items[0], count) < 0) {
        out->reason = HOSTD_R_OTHER;
        return out->code = HOSTD_RETRY;
    }
    if (first + count >= total) return out->code = HOSTD_DONE;
    snprintf(next, sizeof next, "%lu", first + count);
    out->cursor = text(next);
    return out->code = HOSTD_CONTINUE;
}

static void answered(void *user, hostd_op op, const hostd_http_response *response) {
    call *c = user;
    hostd_result result;
    (void)op;
    memset(&result, 0, sizeof result);
    result.struct_size = sizeof result;
    if (response->error != HOSTD_OK) {
        result.code = HOSTD_RETRY;
        result.reason = HOSTD_R_NETWORK;
        if (response->sent) result.flags = HOSTD_RF_MAYBE;
    } else if (response->status / 100 == 2) {
        result.code = HOSTD_DONE;
    } else {
        result.code = HOSTD_RETRY;
        result.reason = HOSTD_R_REMOTE;
    }
    host->complete(host, c->token, &result);
    if (--c->site->in_flight == 0 && c->site->draining) host->drained(host, c->site->site);
    free(c);
}

static uint32_t deliver(void *site_state, const hostd_job *job, hostd_result *out) {
    static hostd_kv type;
    hostd_http_request request;
    call *c = malloc(sizeof *c);
    out->reason = HOSTD_R_OTHER;
    if (c == NULL) return out->code = HOSTD_RETRY;
    c->token = job->token;
    c->site = site_state;
    type.key = text("Content-Type");
    type.value = text("application/x-www-form-urlencoded");
    memset(&request, 0, sizeof request);
    request.struct_size = sizeof request;
    request.site = job->site;
    request.method = text("POST");
    request.url = job->payload;
    request.headers = &type;
    request.header_count = 1;
    request.body.ptr = form;
    request.body.len = sizeof form;
    if (job->shared.len > 0) request.body = job->shared;
    if (http->send(host, &request, answered, c) < 0) {
        free(c);
        return out->code = HOSTD_RETRY;
    }
    c->site->in_flight++;
    return HOSTD_PENDING;
}

static uint32_t nothing(void *site_state, const hostd_job *job, hostd_result *out) {
    (void)site_state;
    (void)job;
    return out->code = HOSTD_DONE;
}

typedef struct counting {
    hostd_token token;
    site_record *site;
    unsigned long total, keys, begun, ended;
    int32_t failure; /* HOSTD_OK: none so far */
    double started;
} counting;

static double now_s(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void counted(void *user, hostd_op op, int32_t status, hostd_str value, uint64_t number);

static void count_one(counting *c) {
    char key[32];
    hostd_op op;
    snprintf(key, sizeof key, "counter%lu", c->begun % c->keys);
    op = cache->increment(host, c->site->site, text(key), 1, 1, 0, counted, c);
    if (op < 0) c->failure = (int32_t)op;
    else c->begun++;
}

static void counted(void *user, hostd_op op, int32_t status, hostd_str value, uint64_t number) {
    counting *c = user;
    hostd_result result;
    char line[128];
    (void)op;
    (void)value;
    (void)number;
    c->ended++;
    if (status != HOSTD_OK) c->failure = status;
    if (c->failure == HOSTD_OK && c->begun < c->total) count_one(c);
    if (c->ended < c->begun) return;
    memset(&result, 0, sizeof result);
    result.struct_size = sizeof result;
    result.code = HOSTD_DONE;
    if (c->failure == HOSTD_OK)
        snprintf(line, sizeof line, "counted %lu in %.6f s", c->ended, now_s() - c->started);
    else {
        snprintf(line, sizeof line, "the cache failed with %d after %lu increments", (int)c->failure, c->ended);
        result.code = HOSTD_DISCARD;
        result.reason = HOSTD_R_OTHER;
        result.flags = HOSTD_RF_KEEP;
        result.text = text(line);
    }
    host->log(host, HOSTD_LOG_INFO, c->site->site, c->token, text(line), NULL, 0);
    host->complete(host, c->token, &result);
    if (--c->site->in_flight == 0 && c->site->draining) host->drained(host, c->site->site);
    free(c);
}

static uint32_t count(void *site_state, const hostd_job *job, hostd_result *out) {
    char frame[96];
    unsigned long total, concurrent, keys, i;
    counting *c;
    if (copy(job->payload, frame, sizeof frame) < 0 || sscanf(frame, "%lu %lu %lu", &total, &concurrent, &keys) != 3
        || total == 0 || concurrent == 0 || keys == 0)
        return refuse(out, "expected \"N CONCURRENT KEYS\"");
    c = calloc(1, sizeof *c);
    if (c != NULL) {
        c->token = job->token;
        c->site = site_state;
        c->total = total;
        c->keys = keys;
        c->started = now_s();
        for (i = 0; i < concurrent && c->begun < total && c->failure == HOSTD_OK; i++) count_one(c);
    }
    if (c == NULL || c->begun == 0) { /* none is under way: nobody would complete it */
        free(c);
        out->reason = HOSTD_R_OTHER;
        return out->code = HOSTD_RETRY;
    }
    c->site->in_flight++;
    return HOSTD_PENDING;
}

static const hostd_handler expanding = {sizeof(hostd_handler), 0, "bench", NULL, 1, 0, 0, 0, expand, NULL};
static const hostd_handler delivering = {sizeof(hostd_handler), 0, "benchout", NULL, 1024, 30000, 0, 0, deliver, NULL};
static const hostd_handler resting = {sizeof(hostd_handler), 0, "noop", NULL, 1024, 0, 0, 0, nothing, NULL};
static const hostd_handler adding = {sizeof(hostd_handler), 0, "count", NULL, 1, 300000, 0, 0, count, NULL};
static const hostd_handler *const handlers[] = {&expanding, &delivering, &resting, &adding};

static int32_t init(const hostd_host *h, void **state, char *err, size_t capacity) {
    *state = NULL;
    host = h;
    http = host->get_extension(host, HOSTD_EXT_HTTP);
    memcpy(form, "feed=", 5);
    memset(form + 5, 'x', sizeof form - 5);
    cache = host->get_extension(host, HOSTD_EXT_CACHE);
    if (http != NULL && cache != NULL) return HOSTD_OK;
    snprintf(err, capacity, "needs " HOSTD_EXT_HTTP " and " HOSTD_EXT_CACHE);
    return HOSTD_E_UNSUPPORTED;
}

static void shut_down(void *state) { (void)state; }

static int32_t open_site(void *state, const hostd_site_opening *opening, void **site_state, char *err,
                         size_t capacity) {
    site_record *record = calloc(1, sizeof *record);
    (void)state;
    if (record == NULL) {
        snprintf(err, capacity, "out of memory");
        return HOSTD_E_FAIL;
    }
    record->site = opening->site;
    *site_state = record;
    return HOSTD_OK;
}

static void drain_site(void *site_state, int64_t deadline_ms) {
    site_record *record = site_state;
    (void)deadline_ms;
    record->draining = 1;
    if (record->in_flight == 0) host->drained(host, record->site);
}

static void close_site(void *site_state) { free(site_state); }

static const hostd_plugin plugin = {
    sizeof(hostd_plugin), 0, "hostd.benchmark", handlers, 4, 0, init, shut_down, open_site, NULL, drain_site,
    close_site, NULL, NULL, 0, 0, NULL, 0, 0,
};

HOSTD_PLUGIN("hostd.benchmark", "1.0.0") { return &plugin; }
