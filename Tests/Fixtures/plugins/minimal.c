/* SPDX-License-Identifier: Apache-2.0
 *
 * A small plugin in C, built with cc and the ABI's header alone. Tests run it end to end.
 *
 * Stage 1, queue "demo": each line of the payload becomes an item of "demoout" with the line as its target, in chunks of
 * `chunk` lines; the cursor is the offset of the next line.
 * Stage 2, queue "demoout": appends the payload and a newline to the file `out`. A line that begins with "crash" aborts,
 * "hang" never completes, "retry" and "discard" say so. */
#define _POSIX_C_SOURCE 200809L /* -std=c99 hides O_CLOEXEC otherwise */
#include "hostd_plugin.h"
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef struct { const hostd_host *host; } plugin_state;
typedef struct { const hostd_host *host; hostd_site site; } site_state;

static hostd_str text(const char *s) { hostd_str r = { s, strlen(s) }; return r; }

static int begins(hostd_str s, const char *prefix) {
    size_t n = strlen(prefix);
    return s.len >= n && memcmp(s.ptr, prefix, n) == 0;
}

static size_t number(hostd_str s) {
    size_t n = 0, i;
    for (i = 0; i < s.len && s.ptr[i] >= '0' && s.ptr[i] <= '9'; i++) n = n * 10 + (size_t)(s.ptr[i] - '0');
    return n;
}

static uint32_t give_up(hostd_result *out, uint32_t code, uint32_t reason, const char *why) {
    out->reason = reason;
    out->text = text(why);
    return out->code = code;
}

/* ---- stage 1 ------------------------------------------------------------------------------------------------------- */

static uint32_t expand(void *state, const hostd_job *job, hostd_result *out) {
    static char cursor[24]; /* read by the host before the next call */
    const hostd_host *host = ((site_state *)state)->host;
    hostd_str chunk = { NULL, 0 };
    size_t at = number(job->cursor), left, digits = sizeof cursor;
    if (host->config_get(host, job->config, text("chunk"), &chunk) < 0) return give_up(out, HOSTD_RETRY, HOSTD_R_CONFIG, "chunk");
    for (left = number(chunk); left > 0 && at < job->payload.len; left--) {
        const char *line = job->payload.ptr + at, *end = memchr(line, '\n', job->payload.len - at);
        hostd_item item;
        memset(&item, 0, sizeof item);
        item.struct_size = sizeof item;
        item.queue = text("demoout");
        item.payload.ptr = line;
        item.payload.len = end ? (size_t)(end - line) : job->payload.len - at;
        item.target = item.payload;
        at += item.payload.len + 1;
        if (item.payload.len == 0) continue;
        if (host->stage(host, job->token, &item, sizeof item, 1) < 0) return give_up(out, HOSTD_RETRY, HOSTD_R_OTHER, "stage");
    }
    if (at >= job->payload.len) return out->code = HOSTD_DONE;
    do cursor[--digits] = (char)('0' + at % 10); while ((at /= 10) > 0);
    out->cursor.ptr = cursor + digits;
    out->cursor.len = sizeof cursor - digits;
    return out->code = HOSTD_CONTINUE;
}

/* ---- stage 2 ------------------------------------------------------------------------------------------------------- */

static int append(const char *path, hostd_str payload) {
    char *line = malloc(payload.len + 1);
    int fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600), whole = 0;
    if (line && fd >= 0) {
        /* One write of the whole line: O_APPEND keeps lines of several workers apart. */
        if (payload.len) memcpy(line, payload.ptr, payload.len);
        line[payload.len] = '\n';
        whole = write(fd, line, payload.len + 1) == (ssize_t)payload.len + 1;
    }
    if (fd >= 0) close(fd);
    free(line);
    return whole;
}

static uint32_t deliver(void *state, const hostd_job *job, hostd_result *out) {
    const hostd_host *host = ((site_state *)state)->host;
    hostd_str file = { NULL, 0 };
    char path[4096];
    if (begins(job->payload, "crash")) abort();
    if (begins(job->payload, "hang")) return HOSTD_PENDING;
    if (begins(job->payload, "retry")) return give_up(out, HOSTD_RETRY, HOSTD_R_REMOTE, "the line asks for a retry");
    if (begins(job->payload, "discard")) {
        out->flags = HOSTD_RF_KEEP;
        return give_up(out, HOSTD_DISCARD, HOSTD_R_REJECTED, "the line asks to be discarded");
    }
    if (host->config_get(host, job->config, text("out"), &file) < 0 || file.len >= sizeof path)
        return give_up(out, HOSTD_RETRY, HOSTD_R_CONFIG, "out");
    memcpy(path, file.ptr, file.len);
    path[file.len] = 0;
    if (!append(path, job->payload)) return give_up(out, HOSTD_RETRY, HOSTD_R_OTHER, "the file can't be written");
    return out->code = HOSTD_DONE;
}

/* ---- life ---------------------------------------------------------------------------------------------------------- */

static int32_t fail(char *err, size_t cap, const char *why) {
    if (cap) { strncpy(err, why, cap - 1); err[cap - 1] = 0; }
    return HOSTD_E_FAIL;
}

static int32_t start(const hostd_host *host, void **state, char *err, size_t cap) {
    plugin_state *p = malloc(sizeof *p);
    if (!p) return fail(err, cap, "no memory");
    p->host = host;
    *state = p;
    return HOSTD_OK;
}

static void stop(void *state) { free(state); }

static int32_t site_open(void *state, const hostd_site_opening *opening, void **site, char *err, size_t cap) {
    site_state *s = malloc(sizeof *s);
    if (!s) return fail(err, cap, "no memory");
    s->host = ((plugin_state *)state)->host;
    s->site = opening->site;
    *site = s;
    return HOSTD_OK;
}

static void site_drain(void *state, int64_t deadline_ms) {
    site_state *s = state;
    (void)deadline_ms; /* nothing of ours is under way but lines that hang */
    s->host->drained(s->host, s->site);
}

static void site_close(void *state) { free(state); }

static const hostd_handler demo = {
    sizeof(hostd_handler), HOSTD_HF_NOTICE, "demo", NULL, 1, 0, 0, 0, expand, NULL };
static const hostd_handler demoout = {
    sizeof(hostd_handler), 0, "demoout", NULL, 16, 0, 0, 0, deliver, NULL };
static const hostd_handler *const handlers[] = { &demo, &demoout };
static const hostd_config_key keys[] = {
    { sizeof(hostd_config_key), HOSTD_KEY_STRING, HOSTD_KF_REQUIRED, 0, "out", NULL, "file that lines are appended to" },
    { sizeof(hostd_config_key), HOSTD_KEY_INT, 0, 0, "chunk", "100", "lines that are staged in one go" } };
static const hostd_plugin table = {
    sizeof(hostd_plugin), 0, "org.example.minimal", handlers, 2, 0, start, stop, site_open, NULL, site_drain, site_close, NULL,
    keys, sizeof(hostd_config_key), 2, NULL, 0, 0 };

HOSTD_PLUGIN("org.example.minimal", "1.0.0") { return &table; }
