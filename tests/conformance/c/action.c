/* The conformance guest in C, see ../README.md. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fusebox.h"

/* The code of a behaviour that there is none of. */
#define UNKNOWN 64
#define FAILED_AFTER 9

static bool is(fusebox_text text, const char *expected) { return text.text != NULL && strcmp(text.text, expected) == 0; }

static fusebox_text raw(const fusebox_context *context, const char *pointer) { return fusebox_json(context->payload, pointer); }

static fusebox_text string(const fusebox_context *context, const char *pointer) { return fusebox_json_string(raw(context, pointer)); }

static const char *string_or(const fusebox_context *context, const char *pointer, const char *other) {
    fusebox_text text = string(context, pointer);
    return text.text == NULL ? other : text.text;
}

static uint64_t number_or(const fusebox_context *context, const char *pointer, uint64_t other) {
    int64_t number;
    return fusebox_json_integer(raw(context, pointer), &number) ? (uint64_t)number : other;
}

static const char *quoted(fusebox_text text) { return text.text == NULL ? "null" : fusebox_quote_bytes(text.text, text.length).text; }

/* Seen from outside, so that the compiler does not leave out what nobody would read. */
char *volatile taken;

static fusebox_result hog(void) {
    for (;;) {
        taken = malloc(1 << 20);
        if (taken == NULL) {
            abort();
        }
        memset(taken, 1, 1 << 20);
    }
}

static fusebox_result loop(void) {
    for (volatile uint64_t turns = 0;; turns++) {
    }
}

static fusebox_result write_log(void) {
    for (int i = 0; i < 5; i++) {
        const char *number = fusebox_format("%d", i + 1).text;
        fusebox_field fields[] = {{"n", number}, {"text", "\"grün 🎈\""}};
        fusebox_log_with((fusebox_level)i, fusebox_format("line %d", i + 1).text, fields, i == 4 ? 2 : 1);
    }
    return fusebox_ok("{\"logged\":5}");
}

static const char *object(fusebox_object object) {
    if (object.object_type.text == NULL) {
        return "null";
    }
    return fusebox_format("{\"object_type\":%s,\"object_id\":%s}", quoted(object.object_type), quoted(object.object_id)).text;
}

static fusebox_result told(const fusebox_context *c) {
    fusebox_text who = fusebox_format("\"run_id\":%s,\"attempt\":%" PRIu32 ",\"event_id\":%s,\"trigger\":%s,\"event_time\":%" PRIu64,
                                      quoted(c->run_id), c->attempt, quoted(c->event_id), quoted(c->trigger), c->event_time);
    const char *outcome = c->chain.parent_outcome.text == NULL ? "null" : c->chain.parent_outcome.text;
    fusebox_text chain = fusebox_format("{\"root\":%s,\"parent\":%s,\"depth\":%" PRIu32 ",\"parent_outcome\":%s}", quoted(c->chain.root),
                                        quoted(c->chain.parent), c->chain.depth, outcome);
    fusebox_text budget = fusebox_format("{\"fuel\":%" PRIu64 ",\"memory_bytes\":%" PRIu64 ",\"deadline\":%" PRIu64 "}", c->budget.fuel,
                                         c->budget.memory_bytes, c->budget.deadline);
    return fusebox_okf("{%s,\"tenant\":%s,\"object\":%s,\"scope\":%s,\"chain\":%s,\"budget\":%s,\"now\":%" PRIu64 "}", who.text,
                       quoted(c->tenant), object(c->object), object(c->scope), chain.text, budget.text, c->now);
}

/* What the host said, as the answer to `done`. */
static fusebox_result said(fusebox_said said, const char *done) {
    switch (said.kind) {
    case FUSEBOX_DONE:
        return fusebox_okf("{\"%s\":true}", done);
    case FUSEBOX_CONFLICT:
        return fusebox_ok("{\"conflict\":true}");
    case FUSEBOX_REFUSED:
        return fusebox_okf("{\"refused\":%s}", quoted(said.message));
    default:
        return fusebox_okf("{\"limit\":%s}", quoted(said.message));
    }
}

static fusebox_result count(fusebox_scope scope, const char *key) {
    fusebox_entry entry;
    int64_t number = 0;
    fusebox_expect expect = {FUSEBOX_NOTHING, 0};
    if (fusebox_kv_get(scope, key, &entry)) {
        expect.kind = FUSEBOX_VERSION;
        expect.version = entry.version;
        if (!fusebox_json_integer(entry.value, &number)) {
            return fusebox_reject(1, "the value is no number");
        }
    }
    fusebox_text next = fusebox_format("%" PRId64, number + 1);
    fusebox_said wrote = fusebox_kv_write(scope, key, next, expect, 0);
    if (wrote.kind == FUSEBOX_CONFLICT) {
        return fusebox_retry("conflict");
    }
    return wrote.kind == FUSEBOX_DONE ? fusebox_okf("{\"count\":%s}", next.text) : fusebox_reject(1, "%s", wrote.message.text);
}

static fusebox_result list(const fusebox_context *context, fusebox_scope scope) {
    uint32_t limit = (uint32_t)number_or(context, "/limit", 1000);
    fusebox_keys keys = fusebox_kv_list(scope, string_or(context, "/prefix", ""), string(context, "/after").text, limit);
    const char *text = "";
    for (size_t i = 0; i < keys.count; i++) {
        text = fusebox_format("%s%s%s", text, i == 0 ? "" : ",", quoted(keys.keys[i])).text;
    }
    return fusebox_okf("{\"keys\":[%s]}", text);
}

static fusebox_result values(const fusebox_context *context) {
    fusebox_scope scope = is(string(context, "/scope"), "attachment") ? FUSEBOX_KV_ATTACHMENT : FUSEBOX_KV_ACTION;
    fusebox_text op = string(context, "/op"), expected = string(context, "/expect"), value = string(context, "/value");
    const char *key = string_or(context, "/key", "");
    fusebox_expect expect = {FUSEBOX_ANYTHING, 0};
    if (is(expected, "nothing")) {
        expect.kind = FUSEBOX_NOTHING;
    } else if (is(expected, "stale")) {
        expect.kind = FUSEBOX_VERSION;
        expect.version = UINT64_MAX;
    }
    fusebox_entry entry = {{NULL, 0}, 0};
    if (is(op, "count")) {
        return count(scope, key);
    } else if (is(op, "get")) {
        fusebox_kv_get(scope, key, &entry);
        return fusebox_okf("{\"value\":%s}", quoted(entry.value));
    } else if (is(op, "set")) {
        return said(fusebox_kv_write(scope, key, value, expect, number_or(context, "/ttl_ms", 0)), "set");
    } else if (is(op, "delete")) {
        return said(fusebox_kv_delete(scope, key, expect), "deleted");
    } else if (is(op, "list")) {
        return list(context, scope);
    } else if (is(op, "set_then")) {
        fusebox_kv_write(scope, key, value, expect, 0);
        return fusebox_reject(FAILED_AFTER, "%s", string_or(context, "/message", ""));
    }
    return fusebox_reject(UNKNOWN, "unknown: %s", op.text == NULL ? "" : op.text);
}

static fusebox_said emit(const fusebox_context *context) {
    fusebox_object object = {string(context, "/object/object_type"), string(context, "/object/object_id")};
    fusebox_text payload = raw(context, "/payload");
    return fusebox_emit(string_or(context, "/event_type", ""), payload.text == NULL ? "null" : payload.text,
                        object.object_type.text == NULL ? NULL : &object);
}

/* The headers of the payload, which are an object of strings. */
static size_t headers_of(const fusebox_context *context, fusebox_header *headers, size_t most) {
    static const char *const known[] = {"content-type", "authorization", "accept", "x-test", "host"};
    size_t count = 0;
    for (size_t i = 0; i < sizeof known / sizeof *known && count < most; i++) {
        fusebox_text value = string(context, fusebox_format("/headers/%s", known[i]).text);
        if (value.text != NULL) {
            headers[count].name = known[i];
            headers[count++].value = value.text;
        }
    }
    return count;
}

static fusebox_result fetch(const fusebox_context *context) {
    static const char *const kinds[] = {"", "denied", "invalid", "limit", "timeout", "failed"};
    fusebox_header headers[8];
    fusebox_request request = {
        .method = string_or(context, "/method", "GET"),
        .url = string_or(context, "/url", ""),
        .headers = headers,
        .header_count = headers_of(context, headers, 8),
        .body = string(context, "/body"),
        .timeout_ms = number_or(context, "/timeout_ms", 0),
    };
    fusebox_response response = fusebox_send(&request);
    if (response.kind != FUSEBOX_ANSWERED) {
        return fusebox_okf("{\"%s\":%s}", kinds[response.kind], quoted(response.message));
    }
    return fusebox_okf("{\"status\":%d,\"body\":%s}", response.status, quoted(response.body));
}

static fusebox_result big(uint64_t bytes) {
    char *text = malloc(bytes + 3);
    if (text == NULL) {
        abort();
    }
    memset(text, 'x', bytes + 2);
    text[0] = text[bytes + 1] = '"';
    text[bytes + 2] = 0;
    return fusebox_ok(text);
}

static fusebox_result left(void) {
    fusebox_remaining left = fusebox_left();
    return fusebox_okf("{\"fuel\":%" PRIu64 ",\"memory_bytes\":%" PRIu64 ",\"time_ms\":%" PRIu64 ",\"http_calls\":%" PRIu32 "}", left.fuel,
                       left.memory_bytes, left.time_ms, left.http_calls);
}

static fusebox_result print(void) {
    puts("printed");
    fputs("complained\n", stderr);
    fflush(NULL);
    return fusebox_ok("{\"printed\":true}");
}

/* What asks the host, and what needs more than a line; NULL kind is not among them. */
static fusebox_result host_or_unknown(const fusebox_context *context, fusebox_text what) {
    if (is(what, "kv")) {
        return values(context);
    } else if (is(what, "emit")) {
        return said(emit(context), "emitted");
    } else if (is(what, "emit_then")) {
        emit(context);
        return fusebox_reject(FAILED_AFTER, "%s", string_or(context, "/message", ""));
    } else if (is(what, "http")) {
        return fetch(context);
    } else if (is(what, "left")) {
        return left();
    } else if (is(what, "cancel")) {
        while (!fusebox_cancelled()) {
        }
        fusebox_log(FUSEBOX_WARNING, "stopping");
        return fusebox_ok("{\"cancelled\":true}");
    } else if (is(what, "warn")) {
        fusebox_warn("first warning");
        fusebox_warn("second warning");
        return fusebox_ok("{\"warned\":true}");
    } else if (is(what, "event")) {
        fusebox_chain_event(raw(context, "/payload").text);
        return fusebox_ok(NULL);
    }
    return fusebox_reject(UNKNOWN, "unknown: %s", what.text == NULL ? "" : what.text);
}

fusebox_result fusebox_run(const fusebox_context *context) {
    fusebox_text what = string(context, "/do");
    if (is(what, "echo")) {
        return fusebox_ok(context->payload.text);
    } else if (is(what, "reject")) {
        return fusebox_reject((uint32_t)number_or(context, "/code", 0), "%s", string_or(context, "/message", ""));
    } else if (is(what, "retry")) {
        const char *message = string_or(context, "/message", "");
        bool has_after = raw(context, "/after_ms").text != NULL;
        return has_after ? fusebox_retry_after(number_or(context, "/after_ms", 0), "%s", message) : fusebox_retry("%s", message);
    } else if (is(what, "trap")) {
        __builtin_trap();
    } else if (is(what, "loop")) {
        return loop();
    } else if (is(what, "hog")) {
        return hog();
    } else if (is(what, "log")) {
        return write_log();
    } else if (is(what, "print")) {
        return print();
    } else if (is(what, "params")) {
        return fusebox_ok(context->params.text);
    } else if (is(what, "input")) {
        return fusebox_ok(context->input.text);
    } else if (is(what, "context")) {
        return told(context);
    } else if (is(what, "time")) {
        return fusebox_okf("{\"now\":%" PRIu64 ",\"random\":\"%016" PRIx64 "\"}", context->now, fusebox_random());
    } else if (is(what, "big")) {
        return big(number_or(context, "/bytes", 0));
    }
    return host_or_unknown(context, what);
}
