/* SPDX-License-Identifier: Apache-2.0
 *
 * A bad build of another plugin: it has that one's id and its queue of stage 1 (macros ID, QUEUE), takes the keys that
 * tests set for omb, twitter and xmppout, and dies of each notice. */
#include "hostd_plugin.h"
#include <stdlib.h>

static const hostd_host *host;

static uint32_t handle(void *state, const hostd_job *job, hostd_result *out) {
    (void)state, (void)job, (void)out;
    abort();
}
static int32_t init(const hostd_host *h, void **state, char *err, size_t cap) {
    (void)err, (void)cap;
    host = h;
    *state = NULL;
    return HOSTD_OK;
}
static void stop(void *state) { (void)state; }
static int32_t site_open(void *state, const hostd_site_opening *opening, void **site, char *err, size_t cap) {
    hostd_site *own = malloc(sizeof *own);
    (void)state, (void)err, (void)cap;
    if (!own) return HOSTD_E_FAIL;
    *own = opening->site;
    *site = own;
    return HOSTD_OK;
}
static void site_drain(void *state, int64_t deadline_ms) { (void)deadline_ms; host->drained(host, *(hostd_site *)state); }
static void site_close(void *state) { free(state); }

static const hostd_handler notices = { sizeof(hostd_handler), HOSTD_HF_NOTICE, QUEUE, NULL, 4, 0, 0, 0, handle, NULL };
static const hostd_handler *const handlers[] = { &notices };
#define KEY(name, type) { sizeof(hostd_config_key), type, 0, 0, name, NULL, "not used" }
static const hostd_config_key keys[] = {
    KEY("timeout", HOSTD_KEY_INT), KEY("port", HOSTD_KEY_INT), KEY("base_url", HOSTD_KEY_STRING),
    KEY("consumer_key", HOSTD_KEY_STRING), KEY("consumer_secret", HOSTD_KEY_STRING), KEY("mode", HOSTD_KEY_STRING),
    KEY("domain", HOSTD_KEY_STRING), KEY("secret", HOSTD_KEY_STRING) };
static const hostd_plugin table = {
    sizeof(hostd_plugin), 0, ID, handlers, 1, 0, init, stop, site_open, NULL, site_drain, site_close, NULL,
    keys, sizeof(hostd_config_key), sizeof keys / sizeof *keys, NULL, 0, 0 };

HOSTD_PLUGIN(ID, "0.0.1") { return &table; }
