/* SPDX-License-Identifier: Apache-2.0
 *
 * Enqueues as fast as one STOMP connection takes it: persistent SENDs, pipelined, one RECEIPT at the end, which says
 * that all of them are on disk.
 *
 *   enqueue PORT COUNT BYTES DESTINATION [HEADER:VALUE | login=NAME | passcode=WORD]...
 *
 * Prints "COUNT SECONDS" from the first byte sent to the RECEIPT.
 */
#include "stomp.h"

int main(int argc, char **argv) {
    static char frames[1 << 18], body[1 << 16], headers[1024];
    const char *login = NULL, *passcode = "";
    size_t used = 0, bytes;
    long count, i;
    double started;
    int fd;
    if (argc < 5) {
        fprintf(stderr, "usage: enqueue PORT COUNT BYTES DESTINATION [HEADER:VALUE | login=NAME | passcode=WORD]...\n");
        return 2;
    }
    count = atol(argv[2]);
    bytes = (size_t)atol(argv[3]);
    if (count < 1 || bytes > sizeof body) return 2;
    for (i = 5; i < argc; i++) {
        if (strncmp(argv[i], "login=", 6) == 0) login = argv[i] + 6;
        else if (strncmp(argv[i], "passcode=", 9) == 0) passcode = argv[i] + 9;
        else snprintf(headers + strlen(headers), sizeof headers - strlen(headers), "%s\n", argv[i]);
    }
    memset(body, 'x', bytes);
    fd = stomp_connect(atoi(argv[1]), login, passcode);
    started = now_s();
    for (i = 0; i < count; i++) {
        char all[1100];
        snprintf(all, sizeof all, "%s%s", headers, i == count - 1 ? "receipt:last\n" : "");
        if (sizeof frames - used < bytes + 2048) {
            write_all(fd, frames, used);
            used = 0;
        }
        used += stomp_send(frames + used, sizeof frames - used, argv[4], all, body, bytes);
    }
    write_all(fd, frames, used);
    await_frame(fd, "last");
    printf("%ld %.6f\n", count, now_s() - started);
    return 0;
}
