/* SPDX-License-Identifier: Apache-2.0 */
#define _DEFAULT_SOURCE
#include "cresolve.h"
#include <arpa/inet.h>
#include <arpa/nameser.h>
#include <netdb.h>
#include <netinet/in.h>
#include <resolv.h>
#include <stdlib.h>
#include <string.h>

#define ANSWER_SIZE 65535           /* the most that TCP carries */

static int parse(const unsigned char *answer, int length, cresolve_srv *records, int capacity) {
    ns_msg message;
    int found = 0, count, index;
    if (ns_initparse(answer, length, &message) != 0) return CRESOLVE_FAILED;
    count = ns_msg_count(message, ns_s_an);
    for (index = 0; index < count && found < capacity; index++) {
        ns_rr record;
        const unsigned char *data;
        cresolve_srv *out = &records[found];
        if (ns_parserr(&message, ns_s_an, index, &record) != 0) return CRESOLVE_FAILED;
        /* A CNAME may stand before them. */
        if (ns_rr_type(record) != ns_t_srv || ns_rr_rdlen(record) < 7) continue;
        data = ns_rr_rdata(record);
        out->priority = (uint16_t)ns_get16(data);
        out->weight = (uint16_t)ns_get16(data + 2);
        out->port = (uint16_t)ns_get16(data + 4);
        if (dn_expand(answer, answer + length, data + 6, out->target, sizeof out->target) < 0) return CRESOLVE_FAILED;
        if (strcmp(out->target, ".") == 0) out->target[0] = 0;
        found++;
    }
    return found;
}

int cresolve_srv_records(const char *name, const char *server, uint16_t port, cresolve_srv *records, int capacity) {
    struct __res_state state;
    unsigned char *answer;
    int length, result;
    memset(&state, 0, sizeof state);
    if (res_ninit(&state) != 0) return CRESOLVE_FAILED;
    /* Whoever waits has a time limit of some seconds. */
    state.retrans = 2;
    state.retry = 2;
    if (server != NULL) {
        state.nscount = 1;
        state.nsaddr_list[0].sin_family = AF_INET;
        state.nsaddr_list[0].sin_port = htons(port);
        if (inet_pton(AF_INET, server, &state.nsaddr_list[0].sin_addr) != 1) {
            res_nclose(&state);
            return CRESOLVE_FAILED;
        }
    }
    answer = malloc(ANSWER_SIZE);
    if (answer == NULL) {
        res_nclose(&state);
        return CRESOLVE_FAILED;
    }
    length = res_nquery(&state, name, ns_c_in, ns_t_srv, answer, ANSWER_SIZE);
    if (length < 0)
        result = state.res_h_errno == HOST_NOT_FOUND || state.res_h_errno == NO_DATA ? CRESOLVE_NONE : CRESOLVE_FAILED;
    else
        result = parse(answer, length > ANSWER_SIZE ? ANSWER_SIZE : length, records, capacity);
    free(answer);
    res_nclose(&state);
    return result;
}
