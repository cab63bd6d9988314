/* SPDX-License-Identifier: Apache-2.0
 *
 * The layout lock of major 1: this file compiles only while every struct, field and value of hostd_plugin.h is what it was.
 * One table serves x86_64 and aarch64 (both LP64).
 *
 * To change the ABI (docs/abi.md): add lines for what you added, and raise SIZE of the structs that grew. No line of AT,
 * VALUE or TEXT that a release has shipped is ever edited or removed: scripts/check-abi.sh compares with the last release. */
#include "hostd_plugin.h"

/* C99 has no _Static_assert: an array of negative size is the error. */
#define ENTRY(condition) [(condition) ? 1 : -1]
#define SIZE(T, bytes) typedef char hostd_size_##T ENTRY(sizeof(T) == (bytes))
#define AT(T, field, offset, bytes) \
    typedef char hostd_at_##T##_##field ENTRY(offsetof(T, field) == (offset) && sizeof(((T *)0)->field) == (bytes))
#define VALUE(macro, value) typedef char hostd_value_##macro ENTRY((macro) == (value))
#define TEXT(macro, text) typedef char hostd_text_##macro ENTRY(sizeof(macro) == sizeof(text))

SIZE(hostd_str, 16);
AT(hostd_str, ptr, 0, 8);
AT(hostd_str, len, 8, 8);

SIZE(hostd_kv, 32);
AT(hostd_kv, key, 0, 16);
AT(hostd_kv, value, 16, 16);

SIZE(hostd_note, 132);
AT(hostd_note, namesz, 0, 4);
AT(hostd_note, descsz, 4, 4);
AT(hostd_note, type, 8, 4);
AT(hostd_note, name, 12, 8);
AT(hostd_note, major, 20, 2);
AT(hostd_note, built_minor, 22, 2);
AT(hostd_note, need_minor, 24, 2);
AT(hostd_note, flags, 26, 2);
AT(hostd_note, id, 28, 64);
AT(hostd_note, version, 92, 40);

SIZE(hostd_job, 152);
AT(hostd_job, struct_size, 0, 4);
AT(hostd_job, flags, 4, 4);
AT(hostd_job, token, 8, 8);
AT(hostd_job, site, 16, 8);
AT(hostd_job, config, 24, 8);
AT(hostd_job, queue, 32, 16);
AT(hostd_job, payload, 48, 16);
AT(hostd_job, shared, 64, 16);
AT(hostd_job, lane, 80, 16);
AT(hostd_job, dedup_key, 96, 16);
AT(hostd_job, cursor, 112, 16);
AT(hostd_job, attempt, 128, 4);
AT(hostd_job, kills, 132, 4);
AT(hostd_job, enqueued_ms, 136, 8);
AT(hostd_job, deadline_ms, 144, 8);

SIZE(hostd_result, 72);
AT(hostd_result, struct_size, 0, 4);
AT(hostd_result, code, 4, 4);
AT(hostd_result, reason, 8, 4);
AT(hostd_result, flags, 12, 4);
AT(hostd_result, delay_ms, 16, 4);
AT(hostd_result, hold_ms, 20, 4);
AT(hostd_result, lane, 24, 16);
AT(hostd_result, cursor, 40, 16);
AT(hostd_result, text, 56, 16);

SIZE(hostd_item, 120);
AT(hostd_item, struct_size, 0, 4);
AT(hostd_item, flags, 4, 4);
AT(hostd_item, queue, 8, 16);
AT(hostd_item, payload, 24, 16);
AT(hostd_item, shared, 40, 16);
AT(hostd_item, dedup_key, 56, 16);
AT(hostd_item, target, 72, 16);
AT(hostd_item, lane, 88, 16);
AT(hostd_item, delay_ms, 104, 4);
AT(hostd_item, priority, 108, 4);
AT(hostd_item, expires_ms, 112, 8);

SIZE(hostd_handler, 56);
AT(hostd_handler, struct_size, 0, 4);
AT(hostd_handler, flags, 4, 4);
AT(hostd_handler, queue, 8, 8);
AT(hostd_handler, group, 16, 8);
AT(hostd_handler, max_in_flight, 24, 4);
AT(hostd_handler, timeout_ms, 28, 4);
AT(hostd_handler, max_attempts, 32, 4);
AT(hostd_handler, reserved0, 36, 4);
AT(hostd_handler, handle, 40, 8);
AT(hostd_handler, cancel, 48, 8);

SIZE(hostd_config_key, 40);
AT(hostd_config_key, struct_size, 0, 4);
AT(hostd_config_key, type, 4, 4);
AT(hostd_config_key, flags, 8, 4);
AT(hostd_config_key, reserved0, 12, 4);
AT(hostd_config_key, name, 16, 8);
AT(hostd_config_key, default_value, 24, 8);
AT(hostd_config_key, help, 32, 8);

SIZE(hostd_site_opening, 40);
AT(hostd_site_opening, struct_size, 0, 4);
AT(hostd_site_opening, reserved0, 4, 4);
AT(hostd_site_opening, site, 8, 8);
AT(hostd_site_opening, config, 16, 8);
AT(hostd_site_opening, queues, 24, 8);
AT(hostd_site_opening, queue_count, 32, 8);

SIZE(hostd_plugin, 120);
AT(hostd_plugin, struct_size, 0, 4);
AT(hostd_plugin, flags, 4, 4);
AT(hostd_plugin, id, 8, 8);
AT(hostd_plugin, handlers, 16, 8);
AT(hostd_plugin, handler_count, 24, 4);
AT(hostd_plugin, reserved0, 28, 4);
AT(hostd_plugin, init, 32, 8);
AT(hostd_plugin, shutdown, 40, 8);
AT(hostd_plugin, site_open, 48, 8);
AT(hostd_plugin, site_reconfigure, 56, 8);
AT(hostd_plugin, site_drain, 64, 8);
AT(hostd_plugin, site_close, 72, 8);
AT(hostd_plugin, get_extension, 80, 8);
AT(hostd_plugin, config_keys, 88, 8);
AT(hostd_plugin, config_key_stride, 96, 4);
AT(hostd_plugin, config_key_count, 100, 4);
AT(hostd_plugin, outputs, 104, 8);
AT(hostd_plugin, output_count, 112, 4);
AT(hostd_plugin, reserved1, 116, 4);

SIZE(hostd_host, 152);
AT(hostd_host, struct_size, 0, 4);
AT(hostd_host, abi_major, 4, 2);
AT(hostd_host, abi_minor, 6, 2);
AT(hostd_host, version, 8, 8);
AT(hostd_host, impl, 16, 8);
AT(hostd_host, get_extension, 24, 8);
AT(hostd_host, log, 32, 8);
AT(hostd_host, log_enabled, 40, 8);
AT(hostd_host, post, 48, 8);
AT(hostd_host, complete, 56, 8);
AT(hostd_host, stage, 64, 8);
AT(hostd_host, enqueue, 72, 8);
AT(hostd_host, config_get, 80, 8);
AT(hostd_host, config_generation, 88, 8);
AT(hostd_host, config_retain, 96, 8);
AT(hostd_host, config_release, 104, 8);
AT(hostd_host, site_name, 112, 8);
AT(hostd_host, drained, 120, 8);
AT(hostd_host, cancel, 128, 8);
AT(hostd_host, now_ms, 136, 8);
AT(hostd_host, hold, 144, 8);

SIZE(hostd_http_request, 88);
AT(hostd_http_request, struct_size, 0, 4);
AT(hostd_http_request, flags, 4, 4);
AT(hostd_http_request, site, 8, 8);
AT(hostd_http_request, method, 16, 16);
AT(hostd_http_request, url, 32, 16);
AT(hostd_http_request, body, 48, 16);
AT(hostd_http_request, headers, 64, 8);
AT(hostd_http_request, header_count, 72, 8);
AT(hostd_http_request, timeout_ms, 80, 4);
AT(hostd_http_request, max_body, 84, 4);

SIZE(hostd_http_response, 56);
AT(hostd_http_response, struct_size, 0, 4);
AT(hostd_http_response, error, 4, 4);
AT(hostd_http_response, status, 8, 4);
AT(hostd_http_response, retry_after_ms, 12, 4);
AT(hostd_http_response, sent, 16, 4);
AT(hostd_http_response, reserved0, 20, 4);
AT(hostd_http_response, headers, 24, 8);
AT(hostd_http_response, header_count, 32, 8);
AT(hostd_http_response, body, 40, 16);

SIZE(hostd_http, 16);
AT(hostd_http, struct_size, 0, 4);
AT(hostd_http, reserved0, 4, 4);
AT(hostd_http, send, 8, 8);

SIZE(hostd_cache, 40);
AT(hostd_cache, struct_size, 0, 4);
AT(hostd_cache, reserved0, 4, 4);
AT(hostd_cache, get, 8, 8);
AT(hostd_cache, set, 16, 8);
AT(hostd_cache, increment, 24, 8);
AT(hostd_cache, remove, 32, 8);

SIZE(hostd_kv_store, 24);
AT(hostd_kv_store, struct_size, 0, 4);
AT(hostd_kv_store, reserved0, 4, 4);
AT(hostd_kv_store, get, 8, 8);
AT(hostd_kv_store, put, 16, 8);

SIZE(hostd_loop, 32);
AT(hostd_loop, struct_size, 0, 4);
AT(hostd_loop, reserved0, 4, 4);
AT(hostd_loop, timer, 8, 8);
AT(hostd_loop, watch, 16, 8);
AT(hostd_loop, rewatch, 24, 8);

SIZE(hostd_stream_request, 88);
AT(hostd_stream_request, struct_size, 0, 4);
AT(hostd_stream_request, flags, 4, 4);
AT(hostd_stream_request, site, 8, 8);
AT(hostd_stream_request, host, 16, 16);
AT(hostd_stream_request, srv, 32, 16);
AT(hostd_stream_request, tls_name, 48, 16);
AT(hostd_stream_request, ca_file, 64, 16);
AT(hostd_stream_request, port, 80, 4);
AT(hostd_stream_request, timeout_ms, 84, 4);

SIZE(hostd_stream, 48);
AT(hostd_stream, struct_size, 0, 4);
AT(hostd_stream, reserved0, 4, 4);
AT(hostd_stream, connect, 8, 8);
AT(hostd_stream, pause, 16, 8);
AT(hostd_stream, start_tls, 24, 8);
AT(hostd_stream, write, 32, 8);
AT(hostd_stream, close, 40, 8);

SIZE(hostd_metrics, 24);
AT(hostd_metrics, struct_size, 0, 4);
AT(hostd_metrics, reserved0, 4, 4);
AT(hostd_metrics, define, 8, 8);
AT(hostd_metrics, record, 16, 8);

SIZE(hostd_recipient, 96);
AT(hostd_recipient, struct_size, 0, 4);
AT(hostd_recipient, flags, 4, 4);
AT(hostd_recipient, version, 8, 8);
AT(hostd_recipient, author, 16, 16);
AT(hostd_recipient, target, 32, 16);
AT(hostd_recipient, key, 48, 16);
AT(hostd_recipient, credentials, 64, 16);
AT(hostd_recipient, options, 80, 16);

SIZE(hostd_recipients, 40);
AT(hostd_recipients, struct_size, 0, 4);
AT(hostd_recipients, reserved0, 4, 4);
AT(hostd_recipients, page, 8, 8);
AT(hostd_recipients, get, 16, 8);
AT(hostd_recipients, put, 24, 8);
AT(hostd_recipients, remove, 32, 8);

VALUE(HOSTD_ABI_MAJOR, 1);
VALUE(HOSTD_BUILT_MINOR, 0);
VALUE(HOSTD_OK, 0);
VALUE(HOSTD_E_FAIL, -1);
VALUE(HOSTD_E_INVAL, -2);
VALUE(HOSTD_E_STALE, -3);
VALUE(HOSTD_E_CLOSED, -4);
VALUE(HOSTD_E_LIMIT, -5);
VALUE(HOSTD_E_NOTFOUND, -6);
VALUE(HOSTD_E_TIMEOUT, -7);
VALUE(HOSTD_E_IO, -8);
VALUE(HOSTD_E_THREAD, -9);
VALUE(HOSTD_E_UNSUPPORTED, -10);
VALUE(HOSTD_E_DENIED, -11);
VALUE(HOSTD_MAX_CURSOR, 1024);
VALUE(HOSTD_MAX_TEXT, 1024);
VALUE(HOSTD_MAX_PAYLOAD, 1048576);
VALUE(HOSTD_MAX_STAGED, 1000);
VALUE(HOSTD_MAX_STAGED_BYTES, 4194304);
VALUE(HOSTD_MAX_VALUE, 65536);
VALUE(HOSTD_MAX_ROWS, 1000);
VALUE(HOSTD_NOTE_TYPE, 1);
TEXT(HOSTD_NOTE_SECTION, ".note.hostd");
VALUE(HOSTD_JF_AFTER_CRASH, 1);
VALUE(HOSTD_JF_LAST_TRY, 2);
VALUE(HOSTD_JF_DUPLICATE, 4);
VALUE(HOSTD_DONE, 1);
VALUE(HOSTD_CONTINUE, 2);
VALUE(HOSTD_RETRY, 3);
VALUE(HOSTD_DEFER, 4);
VALUE(HOSTD_DISCARD, 5);
VALUE(HOSTD_PENDING, 6);
VALUE(HOSTD_RF_KEEP, 1);
VALUE(HOSTD_RF_MAYBE, 2);
VALUE(HOSTD_R_NONE, 0);
VALUE(HOSTD_R_OTHER, 1);
VALUE(HOSTD_R_NETWORK, 2);
VALUE(HOSTD_R_REMOTE, 3);
VALUE(HOSTD_R_RATE, 4);
VALUE(HOSTD_R_AUTH, 5);
VALUE(HOSTD_R_GONE, 6);
VALUE(HOSTD_R_REJECTED, 7);
VALUE(HOSTD_R_BADDATA, 8);
VALUE(HOSTD_R_CONFIG, 9);
VALUE(HOSTD_PF_PARALLEL, 1);
VALUE(HOSTD_HF_NOTICE, 1);
VALUE(HOSTD_HF_SINGLETON, 2);
VALUE(HOSTD_HF_ORDERED, 4);
VALUE(HOSTD_HF_DELETE, 8);
VALUE(HOSTD_KEY_STRING, 1);
VALUE(HOSTD_KEY_INT, 2);
VALUE(HOSTD_KEY_BOOL, 3);
VALUE(HOSTD_KEY_LIST, 4);
VALUE(HOSTD_KF_REQUIRED, 1);
VALUE(HOSTD_KF_SECRET, 2);
TEXT(HOSTD_ENTRY_SYMBOL, "hostd_plugin_entry_v1");
VALUE(HOSTD_LOG_ERROR, 3);
VALUE(HOSTD_LOG_WARN, 4);
VALUE(HOSTD_LOG_INFO, 6);
VALUE(HOSTD_LOG_DEBUG, 7);
TEXT(HOSTD_EXT_HTTP, "hostd.http/1");
VALUE(HOSTD_HTTP_FOLLOW, 1);
VALUE(HOSTD_HTTP_TRUSTED, 2);
TEXT(HOSTD_EXT_CACHE, "hostd.cache/1");
TEXT(HOSTD_EXT_KV, "hostd.kv/1");
TEXT(HOSTD_EXT_LOOP, "hostd.loop/1");
VALUE(HOSTD_FD_READ, 1);
VALUE(HOSTD_FD_WRITE, 2);
VALUE(HOSTD_FD_ERROR, 4);
TEXT(HOSTD_EXT_STREAM, "hostd.stream/1");
VALUE(HOSTD_S_TLS, 1);
VALUE(HOSTD_S_TRUSTED, 2);
VALUE(HOSTD_S_CONNECTED, 1);
VALUE(HOSTD_S_DATA, 2);
VALUE(HOSTD_S_SECURED, 3);
VALUE(HOSTD_S_WRITABLE, 4);
VALUE(HOSTD_S_CLOSED, 5);
TEXT(HOSTD_EXT_METRICS, "hostd.metrics/1");
VALUE(HOSTD_M_COUNTER, 1);
VALUE(HOSTD_M_GAUGE, 2);
VALUE(HOSTD_M_HISTOGRAM, 3);
TEXT(HOSTD_EXT_RECIPIENTS, "hostd.recipients/1");
