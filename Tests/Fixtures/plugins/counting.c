/* SPDX-License-Identifier: Apache-2.0
 *
 * Counts in the cache, for tests of what all workers share: each item of queue "count" adds one to the counter "n", and
 * appends "PID SITE STATUS NUMBER" to the file `out` when the cache has answered, whatever that is. */
#define _POSIX_C_SOURCE 200809L
#include "hostd_plugin.h"
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef struct { const hostd_host *host; const hostd_cache *cache; } plugin;
typedef struct { plugin *p; hostd_site site; char name[64], out[4096]; int in_flight, draining; } site;
typedef struct { site *s; hostd_token token; } call;

static hostd_str text(const char *s) { hostd_str r = { s, strlen(s) }; return r; }

static int copy(char *to, size_t size, hostd_str from) {
    if (from.len >= size) return 0;
    memcpy(to, from.ptr, from.len);
    to[from.len] = 0;
    return 1;
}

static int append(const site *s, int32_t status, uint64_t number) {
    char line[256];
    int fd = open(s->out, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600), whole;
    int n = snprintf(line, sizeof line, "%ld %s %d %llu\n", (long)getpid(), s->name, status, (unsigned long long)number);
    /* One write of the whole line: O_APPEND keeps lines of several workers apart. */
    whole = fd >= 0 && write(fd, line, (size_t)n) == n;
    if (fd >= 0) close(fd);
    return whole;
}

static void counted(void *user, hostd_op op, int32_t status, hostd_str value, uint64_t number) {
    call *c = user;
    site *s = c->s;
    hostd_result r;
    (void)op, (void)value;
    memset(&r, 0, sizeof r);
    r.struct_size = sizeof r;
    r.code = append(s, status, number) ? HOSTD_DONE : HOSTD_RETRY;
    s->p->host->complete(s->p->host, c->token, &r);
    free(c);
    if (--s->in_flight == 0 && s->draining) s->p->host->drained(s->p->host, s->site);
}

static uint32_t count(void *state, const hostd_job *job, hostd_result *out) {
    site *s = state;
    call *c = malloc(sizeof *c);
    hostd_op op;
    if (!c) return out->code = HOSTD_RETRY;
    c->s = s;
    c->token = job->token;
    op = s->p->cache->increment(s->p->host, s->site, text("n"), 1, 1, 0, counted, c);
    if (op > 0) { s->in_flight++; return HOSTD_PENDING; }
    free(c);
    return out->code = append(s, (int32_t)op, 0) ? HOSTD_DONE : HOSTD_RETRY;
}

static int32_t start(const hostd_host *host, void **state, char *err, size_t cap) {
    plugin *p = calloc(1, sizeof *p);
    if (!p) return HOSTD_E_FAIL;
    p->host = host;
    p->cache = host->get_extension(host, HOSTD_EXT_CACHE);
    *state = p;
    if (p->cache) return HOSTD_OK;
    snprintf(err, cap, "needs " HOSTD_EXT_CACHE);
    return HOSTD_E_UNSUPPORTED;
}
static void stop(void *state) { free(state); }

static int32_t site_open(void *state, const hostd_site_opening *o, void **result, char *err, size_t cap) {
    plugin *p = state;
    site *s = calloc(1, sizeof *s);
    hostd_str name = { NULL, 0 }, out = { NULL, 0 };
    if (!s) return HOSTD_E_FAIL;
    s->p = p;
    s->site = o->site;
    if (p->host->site_name(p->host, o->site, &name) == HOSTD_OK && copy(s->name, sizeof s->name, name)
        && p->host->config_get(p->host, o->config, text("out"), &out) == HOSTD_OK && copy(s->out, sizeof s->out, out)) {
        *result = s;
        return HOSTD_OK;
    }
    free(s);
    snprintf(err, cap, "out: too long");
    return HOSTD_E_FAIL;
}
static void site_drain(void *state, int64_t deadline_ms) {
    site *s = state;
    (void)deadline_ms;
    s->draining = 1;
    if (s->in_flight == 0) s->p->host->drained(s->p->host, s->site);
}
static void site_close(void *state) { free(state); }

static const hostd_handler queue = { sizeof(hostd_handler), 0, "count", NULL, 16, 20000, 0, 0, count, NULL };
static const hostd_handler *const handlers[] = { &queue };
static const hostd_config_key keys[] = {
    { sizeof(hostd_config_key), HOSTD_KEY_STRING, HOSTD_KF_REQUIRED, 0, "out", NULL, "file that lines are appended to" } };
static const hostd_plugin table = {
    sizeof(hostd_plugin), 0, "org.example.counting", handlers, 1, 0, start, stop, site_open, NULL, site_drain, site_close, NULL,
    keys, sizeof(hostd_config_key), 1, NULL, 0, 0 };

HOSTD_PLUGIN("org.example.counting", "1.0.0") { return &table; }
