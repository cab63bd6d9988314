/* SPDX-License-Identifier: Apache-2.0
 *
 * The peer of the row cache: libmemcached alone, with the settings that hostd gives it, on one connection.
 *
 *   increments PORT COUNT KEYS
 *
 * Prints "COUNT SECONDS".
 */
#include <libmemcached/memcached.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static double now_s(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

int main(int argc, char **argv) {
    memcached_st *memcached = memcached_create(NULL);
    unsigned long total, keys, i;
    double started;
    if (argc != 4 || memcached == NULL || (total = strtoul(argv[2], NULL, 10)) == 0
        || (keys = strtoul(argv[3], NULL, 10)) == 0) {
        fprintf(stderr, "usage: increments PORT COUNT KEYS\n");
        return 2;
    }
    memcached_behavior_set(memcached, MEMCACHED_BEHAVIOR_BINARY_PROTOCOL, 1);
    memcached_behavior_set(memcached, MEMCACHED_BEHAVIOR_TCP_NODELAY, 1);
    memcached_behavior_set(memcached, MEMCACHED_BEHAVIOR_KETAMA_WEIGHTED, 1);
    memcached_server_add(memcached, "127.0.0.1", (in_port_t)atoi(argv[1]));
    started = now_s();
    for (i = 0; i < total; i++) {
        char key[64];
        uint64_t value;
        int n = snprintf(key, sizeof key, "hostd:alone:bench:counter%lu", i % keys);
        memcached_return_t code = memcached_increment_with_initial(memcached, key, (size_t)n, 1, 1, 0, &value);
        if (code != MEMCACHED_SUCCESS) {
            fprintf(stderr, "increment: %s\n", memcached_strerror(memcached, code));
            return 1;
        }
    }
    printf("%lu %.6f\n", total, now_s() - started);
    memcached_free(memcached);
    return 0;
}
