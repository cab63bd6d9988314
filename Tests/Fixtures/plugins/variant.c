/* SPDX-License-Identifier: Apache-2.0
 *
 * A plugin that does nothing, made wrong in one way by a macro on the command line. */
#define _POSIX_C_SOURCE 200809L
#ifdef NEED
#define HOSTD_NEED_MINOR NEED
#endif
#include "hostd_plugin.h"
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#ifndef NOTE_ID
#define NOTE_ID "org.example.variant"
#endif
#ifndef TABLE_ID
#define TABLE_ID NOTE_ID
#endif
#ifndef VERSION
#define VERSION "0.1.0"
#endif
#ifndef TABLE
#define TABLE &table
#endif
#ifndef TABLE_SIZE
#define TABLE_SIZE sizeof(hostd_plugin)
#endif
#ifndef HANDLER_SIZE
#define HANDLER_SIZE sizeof(hostd_handler)
#endif
#ifndef HANDLER_COUNT
#define HANDLER_COUNT 2
#endif
#ifndef QUEUE
#define QUEUE "variant"
#endif
#ifndef OTHER_QUEUE
#define OTHER_QUEUE "variantout"
#endif
#ifndef GROUP
#define GROUP NULL
#endif
#ifndef HANDLE
#define HANDLE handle
#endif
#ifndef INIT
#define INIT init
#endif
#ifndef KEY
#define KEY "level"
#endif
#ifndef KEY_TYPE
#define KEY_TYPE HOSTD_KEY_INT
#endif
#ifndef KEY_DEFAULT
#define KEY_DEFAULT "3"
#endif
#ifndef OUTPUT
#define OUTPUT "variantin"
#endif
#ifdef ENTRY
#define hostd_plugin_entry_v1 ENTRY
#endif
#ifdef CONSTRUCTOR
__attribute__((constructor)) static void constructor(void) { CONSTRUCTOR; }
#endif
#ifdef UNDEFINED
extern void nowhere(void);
__attribute__((used)) static void call(void) { nowhere(); }
#endif

static uint32_t handle(void *state, const hostd_job *job, hostd_result *out) {
    (void)state, (void)job;
    return out->code = HOSTD_DONE;
}
static int32_t init(const hostd_host *host, void **state, char *err, size_t cap) {
    (void)host, (void)state, (void)err, (void)cap;
    return HOSTD_OK;
}
static void nothing(void *state) { (void)state; }
static int32_t site_open(void *state, const hostd_site_opening *opening, void **site, char *err, size_t cap) {
    (void)state, (void)opening, (void)site, (void)err, (void)cap;
    return HOSTD_OK;
}
static void site_drain(void *state, int64_t deadline_ms) { (void)state, (void)deadline_ms; }

static const hostd_handler first = {
    HANDLER_SIZE, HOSTD_HF_NOTICE | HOSTD_HF_SINGLETON | HOSTD_HF_ORDERED | HOSTD_HF_DELETE, QUEUE, GROUP, 0, 0, 0, 0,
    handle, NULL };
static const hostd_handler second = {
    sizeof(hostd_handler), 0, OTHER_QUEUE, "other", 64, 30000, 5, 0, HANDLE, NULL };
static const hostd_handler *const handlers[] = { &first, &second };

/* A header of the future: its elements are longer, so only the stride leads to the next. */
typedef struct { hostd_config_key known; uint64_t added; } later_key;
static const later_key keys[] = {
    { { sizeof(later_key), KEY_TYPE, 0, 0, KEY, KEY_DEFAULT, NULL }, 1 },
    { { sizeof(later_key), HOSTD_KEY_STRING, HOSTD_KF_REQUIRED | HOSTD_KF_SECRET, 0, "secret", NULL, "what it is for" }, 2 } };
static const char *const outputs[] = { OUTPUT };

static const hostd_plugin table = {
    TABLE_SIZE, 0, TABLE_ID, handlers, HANDLER_COUNT, 0, INIT, nothing, site_open, NULL, site_drain, nothing, NULL,
    &keys[0].known, sizeof(later_key), 2, outputs, 1, 0 };

#ifndef NO_NOTE
HOSTD_PLUGIN(NOTE_ID, VERSION) { return TABLE; }
#endif
