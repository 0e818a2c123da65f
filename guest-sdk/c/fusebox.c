#include "fusebox.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* How deep a JSON text may be nested. */
#define DEPTH_MAX 128
#define FIELDS_MAX 16

static struct {
    fusebox_text warnings[FUSEBOX_WARNINGS_MAX];
    size_t warning_count;
    fusebox_text event;
    uint64_t random[2];
} attempt;

/* Memory that is never given back: the attempt's end does that. Without memory there is no going on. */
static void *take(size_t size) {
    void *memory = malloc(size + 1);
    if (memory == NULL) {
        abort();
    }
    ((char *)memory)[size] = 0;
    return memory;
}

static fusebox_text text_of(const char *text) {
    fusebox_text made = {text, text == NULL ? 0 : strlen(text)};
    return made;
}

static fusebox_text copy_of(const char *bytes, size_t length) {
    char *copy = take(length);
    if (length > 0) {
        memcpy(copy, bytes, length);
    }
    fusebox_text made = {copy, length};
    return made;
}

static fusebox_text format_list(const char *format, va_list arguments) {
    va_list again;
    va_copy(again, arguments);
    int length = vsnprintf(NULL, 0, format, arguments);
    if (length < 0) {
        abort();
    }
    char *text = take((size_t)length);
    vsnprintf(text, (size_t)length + 1, format, again);
    va_end(again);
    fusebox_text made = {text, (size_t)length};
    return made;
}

/* The text of a function's own format and arguments, in `name`. */
#define FORMATTED(name, format)                                                                                              \
    va_list arguments;                                                                                                       \
    va_start(arguments, format);                                                                                             \
    fusebox_text name = format_list(format, arguments);                                                                      \
    va_end(arguments)

fusebox_text fusebox_format(const char *format, ...) {
    FORMATTED(text, format);
    return text;
}

fusebox_result fusebox_ok(const char *json) {
    fusebox_result result = {.kind = FUSEBOX_OK, .text = text_of(json)};
    return result;
}

fusebox_result fusebox_okf(const char *format, ...) {
    FORMATTED(text, format);
    fusebox_result result = {.kind = FUSEBOX_OK, .text = text};
    return result;
}

fusebox_result fusebox_reject(uint32_t code, const char *format, ...) {
    FORMATTED(text, format);
    fusebox_result result = {.kind = FUSEBOX_REJECT, .text = text, .code = code == 0 ? 1 : code};
    return result;
}

fusebox_result fusebox_retry(const char *format, ...) {
    FORMATTED(text, format);
    fusebox_result result = {.kind = FUSEBOX_RETRY, .text = text};
    return result;
}

fusebox_result fusebox_retry_after(uint64_t ms, const char *format, ...) {
    FORMATTED(text, format);
    fusebox_result result = {.kind = FUSEBOX_RETRY, .text = text, .has_after = true, .after_ms = ms};
    return result;
}

void fusebox_warn(const char *format, ...) {
    FORMATTED(text, format);
    if (attempt.warning_count < FUSEBOX_WARNINGS_MAX) {
        attempt.warnings[attempt.warning_count++] = text;
    }
}

void fusebox_chain_event(const char *json) { attempt.event = text_of(json); }

/* splitmix64 over one half of the seed, made different by the other. */
uint64_t fusebox_random(void) {
    uint64_t mixed = (attempt.random[0] += 0x9e3779b97f4a7c15u) ^ attempt.random[1];
    mixed = (mixed ^ (mixed >> 30)) * 0xbf58476d1ce4e5b9u;
    mixed = (mixed ^ (mixed >> 27)) * 0x94d049bb133111ebu;
    return mixed ^ (mixed >> 31);
}

/* -- JSON -------------------------------------------------------------------------------------------------------------- */

static bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }

static const char *skip_blanks(const char *at, const char *end) {
    while (at < end && is_blank(*at)) {
        at++;
    }
    return at;
}

/* Behind the string that begins at `at`; NULL if it does not end. */
static const char *skip_string(const char *at, const char *end) {
    for (at++; at < end; at++) {
        if (*at == '\\') {
            at++;
        } else if (*at == '"') {
            return at + 1;
        }
    }
    return NULL;
}

/* Behind the value that begins at `at`; NULL if there is none. */
static const char *skip_value(const char *at, const char *end) {
    int depth = 0;
    at = skip_blanks(at, end);
    const char *start = at;
    while (at < end) {
        char c = *at;
        if (c == '"') {
            at = skip_string(at, end);
            if (at == NULL) {
                return NULL;
            }
        } else if (c == '{' || c == '[') {
            if (++depth > DEPTH_MAX) {
                return NULL;
            }
            at++;
        } else if (c == '}' || c == ']') {
            if (depth == 0) {
                break;
            }
            depth--;
            at++;
        } else if (depth == 0 && (c == ',' || is_blank(c))) {
            break;
        } else {
            at++;
        }
        if (depth == 0 && (c == '"' || c == '}' || c == ']')) {
            break;
        }
    }
    return depth == 0 && at > start ? at : NULL;
}

/* The member that a step of a pointer names, in the object or array at `at`; NULL if there is none. */
static const char *member(const char *at, const char *end, const char *step, size_t length) {
    at = skip_blanks(at, end);
    if (at == end || (*at != '{' && *at != '[')) {
        return NULL;
    }
    bool is_object = *at == '{';
    char *rest;
    unsigned long index = strtoul(step, &rest, 10);
    if (!is_object && rest != step + length) {
        return NULL;
    }
    at = skip_blanks(at + 1, end);
    for (unsigned long i = 0; at < end && *at != '}' && *at != ']'; i++) {
        bool found = !is_object && i == index;
        if (is_object) {
            const char *name = at + 1;
            at = *at == '"' ? skip_string(at, end) : NULL;
            if (at == NULL) {
                return NULL;
            }
            found = (size_t)(at - 1 - name) == length && memcmp(name, step, length) == 0;
            at = skip_blanks(at, end);
            if (at == end || *at++ != ':') {
                return NULL;
            }
            at = skip_blanks(at, end);
        }
        if (found) {
            return at;
        }
        at = skip_value(at, end);
        if (at == NULL) {
            return NULL;
        }
        at = skip_blanks(at, end);
        if (at < end && *at == ',') {
            at = skip_blanks(at + 1, end);
        }
    }
    return NULL;
}

fusebox_text fusebox_json(fusebox_text json, const char *pointer) {
    fusebox_text none = {NULL, 0};
    if (json.text == NULL) {
        return none;
    }
    const char *end = json.text + json.length;
    const char *at = skip_blanks(json.text, end);
    while (*pointer == '/') {
        size_t length = strcspn(++pointer, "/");
        at = member(at, end, pointer, length);
        if (at == NULL) {
            return none;
        }
        pointer += length;
    }
    const char *behind = skip_value(at, end);
    return behind == NULL ? none : copy_of(at, (size_t)(behind - at));
}

static int hex_digits(const char *at, const char *end) {
    int value = 0;
    for (int i = 0; i < 4; i++, at++) {
        if (at >= end) {
            return -1;
        }
        char c = *at;
        int digit = c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
        if (digit < 0) {
            return -1;
        }
        value = value * 16 + digit;
    }
    return value;
}

static char *put_utf8(char *out, uint32_t c) {
    if (c < 0x80) {
        *out++ = (char)c;
    } else if (c < 0x800) {
        *out++ = (char)(0xc0 | c >> 6);
        *out++ = (char)(0x80 | (c & 0x3f));
    } else if (c < 0x10000) {
        *out++ = (char)(0xe0 | c >> 12);
        *out++ = (char)(0x80 | (c >> 6 & 0x3f));
        *out++ = (char)(0x80 | (c & 0x3f));
    } else {
        *out++ = (char)(0xf0 | c >> 18);
        *out++ = (char)(0x80 | (c >> 12 & 0x3f));
        *out++ = (char)(0x80 | (c >> 6 & 0x3f));
        *out++ = (char)(0x80 | (c & 0x3f));
    }
    return out;
}

/* Reads the escape behind the backslash at `at - 1`, puts what it means, and gives where it ends; NULL if it is none. */
static const char *put_escape(const char *at, const char *end, char **out) {
    static const char names[] = "\"\\/bfnrt", meant[] = "\"\\/\b\f\n\r\t";
    const char *name = *at == 0 ? NULL : strchr(names, *at);
    if (name != NULL) {
        *(*out)++ = meant[name - names];
        return at + 1;
    }
    int first = *at == 'u' ? hex_digits(at + 1, end) : -1;
    if (first < 0) {
        return NULL;
    }
    at += 5;
    uint32_t c = (uint32_t)first;
    if (c >= 0xd800 && c < 0xdc00 && at + 6 <= end && at[0] == '\\' && at[1] == 'u') {
        int second = hex_digits(at + 2, end);
        if (second >= 0xdc00 && second < 0xe000) {
            c = 0x10000 + ((c - 0xd800) << 10) + ((uint32_t)second - 0xdc00);
            at += 6;
        }
    }
    /* Half a pair is no character. */
    *out = put_utf8(*out, c >= 0xd800 && c < 0xe000 ? 0xfffd : c);
    return at;
}

fusebox_text fusebox_json_string(fusebox_text value) {
    fusebox_text none = {NULL, 0};
    if (value.text == NULL || value.length < 2 || value.text[0] != '"' || value.text[value.length - 1] != '"') {
        return none;
    }
    /* What is meant is never longer than how it is written. */
    char *meant = take(value.length), *out = meant;
    const char *end = value.text + value.length - 1;
    for (const char *at = value.text + 1; at < end;) {
        if (*at != '\\') {
            *out++ = *at++;
            continue;
        }
        at = at + 1 < end ? put_escape(at + 1, end, &out) : NULL;
        if (at == NULL) {
            return none;
        }
    }
    *out = 0;
    fusebox_text made = {meant, (size_t)(out - meant)};
    return made;
}

bool fusebox_json_number(fusebox_text value, double *number) {
    if (value.text == NULL || (value.text[0] != '-' && (value.text[0] < '0' || value.text[0] > '9'))) {
        return false;
    }
    char *end;
    *number = strtod(value.text, &end);
    return end == value.text + value.length;
}

bool fusebox_json_integer(fusebox_text value, int64_t *number) {
    if (value.text == NULL || (value.text[0] != '-' && (value.text[0] < '0' || value.text[0] > '9'))) {
        return false;
    }
    char *end;
    errno = 0;
    *number = strtoll(value.text, &end, 10);
    return end == value.text + value.length && errno == 0;
}

fusebox_text fusebox_quote_bytes(const char *bytes, size_t length) {
    char *quoted = take(6 * length + 2), *out = quoted;
    *out++ = '"';
    for (size_t i = 0; i < length; i++) {
        unsigned char c = (unsigned char)bytes[i];
        if (c == '"' || c == '\\') {
            *out++ = '\\';
            *out++ = (char)c;
        } else if (c < 0x20) {
            out += snprintf(out, 7, "\\u%04x", c);
        } else {
            *out++ = (char)c;
        }
    }
    *out++ = '"';
    *out = 0;
    fusebox_text made = {quoted, (size_t)(out - quoted)};
    return made;
}

fusebox_text fusebox_quote(const char *text) { return fusebox_quote_bytes(text, strlen(text)); }

fusebox_said fusebox_kv_set(fusebox_scope scope, const char *key, const char *value) {
    fusebox_expect anything = {FUSEBOX_ANYTHING, 0};
    return fusebox_kv_write(scope, key, text_of(value), anything, 0);
}

void fusebox_log(fusebox_level level, const char *format, ...) {
    FORMATTED(text, format);
    fusebox_log_with(level, text.text, NULL, 0);
}

#ifdef __wasm__
/* -- The boundary: the canonical ABI of the contract, in 32 bits. ----------------------------------------------------------- */

#define IMPORT(interface, name) __attribute__((import_module("fusebox:action/" interface "@0.1.0"), import_name(name)))
#define EXPORT(name) __attribute__((export_name(name)))

typedef struct {
    uint8_t some;
    fusebox_text text;
} option_text;

typedef struct {
    uint8_t some;
    fusebox_object object;
} option_object;

/* The record `context` as it lies in memory. */
typedef struct {
    fusebox_text run_id;
    uint32_t attempt;
    fusebox_text event_id, trigger;
    uint64_t event_time;
    fusebox_text tenant;
    option_object object, scope;
    fusebox_text payload, params, input;
    fusebox_text root;
    option_text parent;
    uint32_t depth;
    option_text parent_outcome;
    uint64_t fuel, memory_bytes, deadline, now, seed[2];
} wire_context;

_Static_assert(sizeof(fusebox_text) == 8, "pointers have 32 bits here");
_Static_assert(offsetof(wire_context, payload) == 88 && sizeof(wire_context) == 200, "as the contract lays it out");

typedef struct {
    uint8_t failed;
    union {
        struct {
            option_text output;
            fusebox_text *warnings;
            uint32_t warning_count;
            option_text event;
        } outcome;
        struct {
            uint8_t kind;
            union {
                struct {
                    fusebox_text message;
                    uint8_t has_after;
                    uint64_t after_ms;
                } retry;
                struct {
                    fusebox_text message;
                    uint32_t code;
                } reject;
            };
        } failure;
    };
} __attribute__((aligned(8))) wire_result;

_Static_assert(offsetof(wire_result, outcome) == 8 && offsetof(wire_result, failure.retry.message) == 16, "as the contract lays it out");
_Static_assert(offsetof(wire_result, outcome.event) == 28 && offsetof(wire_result, failure.retry.after_ms) == 32, "as the contract lays it out");

/* A byte more than asked for, so that every text the host brings ends with a 0. */
EXPORT("cabi_realloc") void *cabi_realloc(void *old, size_t old_size, size_t align, size_t size) {
    (void)align;
    char *memory = realloc(old, size + 1);
    if (memory == NULL) {
        abort();
    }
    memory[size] = 0;
    (void)old_size;
    return memory;
}

/* An empty text may come without memory. */
static fusebox_text arrived(fusebox_text text) {
    if (text.length == 0) {
        text.text = "";
    }
    return text;
}

static fusebox_text arrived_option(option_text option) {
    fusebox_text none = {NULL, 0};
    return option.some ? arrived(option.text) : none;
}

static fusebox_object arrived_object(option_object option) {
    fusebox_object object = {{NULL, 0}, {NULL, 0}};
    if (option.some) {
        object.object_type = arrived(option.object.object_type);
        object.object_id = arrived(option.object.object_id);
    }
    return object;
}

static option_text leaving(fusebox_text text) {
    option_text option = {text.text != NULL, text};
    return option;
}

EXPORT("run") wire_result *fusebox_exported_run(const wire_context *wire) {
    static wire_result result;
    fusebox_context context = {
        .run_id = arrived(wire->run_id),
        .attempt = wire->attempt,
        .event_id = arrived(wire->event_id),
        .trigger = arrived(wire->trigger),
        .event_time = wire->event_time,
        .tenant = arrived(wire->tenant),
        .object = arrived_object(wire->object),
        .scope = arrived_object(wire->scope),
        .payload = arrived(wire->payload),
        .params = arrived(wire->params),
        .input = arrived(wire->input),
        .chain = {arrived(wire->root), arrived_option(wire->parent), wire->depth, arrived_option(wire->parent_outcome)},
        .budget = {wire->fuel, wire->memory_bytes, wire->deadline},
        .now = wire->now,
        .seed = {wire->seed[0], wire->seed[1]},
    };
    memcpy(attempt.random, wire->seed, sizeof attempt.random);
    fusebox_result ended = fusebox_run(&context);
    memset(&result, 0, sizeof result);
    result.failed = ended.kind != FUSEBOX_OK;
    if (ended.kind == FUSEBOX_OK) {
        result.outcome.output = leaving(ended.text);
        result.outcome.warnings = attempt.warnings;
        result.outcome.warning_count = attempt.warning_count;
        result.outcome.event = leaving(attempt.event);
    } else if (ended.kind == FUSEBOX_RETRY) {
        result.failure.retry.message = ended.text;
        result.failure.retry.has_after = ended.has_after;
        result.failure.retry.after_ms = ended.after_ms;
    } else {
        result.failure.kind = 1;
        result.failure.reject.message = ended.text;
        result.failure.reject.code = ended.code;
    }
    return &result;
}

IMPORT("log", "write")
void import_log(uint32_t level, const char *message, size_t length, const fusebox_text *fields, size_t count);

void fusebox_log_with(fusebox_level level, const char *message, const fusebox_field *fields, size_t count) {
    fusebox_text pairs[2 * FIELDS_MAX];
    count = count > FIELDS_MAX ? FIELDS_MAX : count;
    for (size_t i = 0; i < count; i++) {
        pairs[2 * i] = text_of(fields[i].name);
        pairs[2 * i + 1] = text_of(fields[i].json);
    }
    import_log(level, message, strlen(message), pairs, count);
}

IMPORT("budget", "left") void import_left(fusebox_remaining *result);
IMPORT("budget", "cancelled") uint32_t import_cancelled(void);

fusebox_remaining fusebox_left(void) {
    fusebox_remaining left;
    import_left(&left);
    return left;
}

bool fusebox_cancelled(void) { return import_cancelled() != 0; }

/* A result without a value and with an error that has a text, for kv and emit. */
typedef struct {
    uint8_t failed;
    uint32_t kind;
    fusebox_text message;
} wire_said;

typedef struct {
    uint8_t some;
    struct {
        fusebox_text value;
        uint64_t version;
    } entry;
} wire_entry;

_Static_assert(offsetof(wire_said, message) == 8 && offsetof(wire_entry, entry.version) == 16, "as the contract lays it out");

IMPORT("kv", "get") void import_get(uint32_t scope, const char *key, size_t length, wire_entry *result);
IMPORT("kv", "set")
void import_set(uint32_t scope, const char *key, size_t length, const char *value, size_t value_length, uint32_t expect,
                uint64_t version, uint32_t has_ttl, uint64_t ttl_ms, wire_said *result);
IMPORT("kv", "delete")
void import_delete(uint32_t scope, const char *key, size_t length, uint32_t expect, uint64_t version, wire_said *result);
IMPORT("kv", "list")
void import_list(uint32_t scope, const char *prefix, size_t length, uint32_t has_after, const char *after, size_t after_length,
                 uint32_t limit, fusebox_keys *result);

/* `first` is the kind of the first error of the interface, `second` that of the other, which has a text. */
static fusebox_said said(const wire_said *wire, int first, int second) {
    fusebox_said said = {FUSEBOX_DONE, {NULL, 0}};
    if (wire->failed) {
        said.kind = (wire->kind & 0xff) == 0 ? first : second;
        said.message = said.kind == FUSEBOX_CONFLICT ? text_of("somebody else changed the value") : arrived(wire->message);
    }
    return said;
}

bool fusebox_kv_get(fusebox_scope scope, const char *key, fusebox_entry *entry) {
    wire_entry wire;
    import_get(scope, key, strlen(key), &wire);
    if (wire.some) {
        entry->value = arrived(wire.entry.value);
        entry->version = wire.entry.version;
    }
    return wire.some;
}

fusebox_said fusebox_kv_write(fusebox_scope scope, const char *key, fusebox_text value, fusebox_expect expect, uint64_t ttl_ms) {
    wire_said wire;
    import_set(scope, key, strlen(key), value.text, value.length, expect.kind, expect.version, ttl_ms != 0, ttl_ms, &wire);
    return said(&wire, FUSEBOX_CONFLICT, FUSEBOX_LIMIT);
}

fusebox_said fusebox_kv_delete(fusebox_scope scope, const char *key, fusebox_expect expect) {
    wire_said wire;
    import_delete(scope, key, strlen(key), expect.kind, expect.version, &wire);
    return said(&wire, FUSEBOX_CONFLICT, FUSEBOX_LIMIT);
}

fusebox_keys fusebox_kv_list(fusebox_scope scope, const char *prefix, const char *after, uint32_t limit) {
    fusebox_keys keys;
    import_list(scope, prefix, strlen(prefix), after != NULL, after, after == NULL ? 0 : strlen(after), limit, &keys);
    for (size_t i = 0; i < keys.count; i++) {
        keys.keys[i] = arrived(keys.keys[i]);
    }
    return keys;
}

IMPORT("emit", "event")
void import_emit(const char *type, size_t length, const char *payload, size_t payload_length, uint32_t has_object, const char *object_type,
                 size_t object_type_length, const char *object_id, size_t object_id_length, wire_said *result);

fusebox_said fusebox_emit(const char *event_type, const char *json, const fusebox_object *object) {
    wire_said wire;
    fusebox_object none = {{NULL, 0}, {NULL, 0}}, given = object == NULL ? none : *object;
    import_emit(event_type, strlen(event_type), json, strlen(json), object != NULL, given.object_type.text, given.object_type.length,
                given.object_id.text, given.object_id.length, &wire);
    return said(&wire, FUSEBOX_REFUSED, FUSEBOX_LIMIT);
}

typedef struct {
    uint8_t failed;
    union {
        struct {
            uint16_t status;
            fusebox_text *headers;
            size_t header_count;
            fusebox_text body;
        } response;
        struct {
            uint8_t kind;
            fusebox_text message;
        } error;
    };
} wire_response;

_Static_assert(offsetof(wire_response, response.body) == 16 && offsetof(wire_response, error.message) == 8, "as the contract lays it out");

IMPORT("http", "send")
void import_send(const char *method, size_t method_length, const char *url, size_t url_length, const fusebox_text *headers, size_t count,
                 const char *body, size_t body_length, uint32_t has_timeout, uint64_t timeout_ms, wire_response *result);

fusebox_response fusebox_send(const fusebox_request *request) {
    fusebox_response response = {.kind = FUSEBOX_HTTP_INVALID, .message = text_of("too many headers")};
    fusebox_text headers[2 * FUSEBOX_HEADERS_MAX];
    if (request->header_count > FUSEBOX_HEADERS_MAX) {
        return response;
    }
    for (size_t i = 0; i < request->header_count; i++) {
        headers[2 * i] = text_of(request->headers[i].name);
        headers[2 * i + 1] = text_of(request->headers[i].value);
    }
    wire_response wire;
    import_send(request->method, strlen(request->method), request->url, strlen(request->url), headers, request->header_count,
                request->body.text, request->body.length, request->timeout_ms != 0, request->timeout_ms, &wire);
    if (wire.failed) {
        response.kind = wire.error.kind + 1;
        response.message = arrived(wire.error.message);
        return response;
    }
    fusebox_response answered = {
        .kind = FUSEBOX_ANSWERED,
        .status = wire.response.status,
        .headers = wire.response.headers,
        .header_count = wire.response.header_count,
        .body = arrived(wire.response.body),
    };
    for (size_t i = 0; i < 2 * answered.header_count; i++) {
        answered.headers[i] = arrived(answered.headers[i]);
    }
    return answered;
}

#else
/* -- For tests: what stands in for the host. ------------------------------------------------------------------------------------ */

typedef struct {
    fusebox_scope scope;
    const char *key;
    fusebox_text value;
    uint64_t version;
} kept;

typedef struct {
    kept values[FUSEBOX_RECORDS_MAX];
    size_t count;
} store;

static struct {
    const fusebox_sample *sample;
    store store;
    uint64_t writes;
    uint32_t asked;
    fusebox_report report;
} world;

static kept *find(fusebox_scope scope, const char *key) {
    for (size_t i = 0; i < world.store.count; i++) {
        kept *value = &world.store.values[i];
        if (value->scope == scope && strcmp(value->key, key) == 0) {
            return value;
        }
    }
    return NULL;
}

const fusebox_report *fusebox_try(const fusebox_sample *sample) {
    memset(&world, 0, sizeof world);
    memset(&attempt, 0, sizeof attempt);
    world.sample = sample;
    for (size_t i = 0; i < sample->value_count; i++) {
        fusebox_kv_set(FUSEBOX_KV_ACTION, sample->values[2 * i], sample->values[2 * i + 1]);
    }
    store before = world.store;
    const char *empty = "{}", *id = "01900000-0000-7000-8000-000000000001";
    uint64_t now = sample->now == 0 ? 1767225600000u : sample->now;
    fusebox_context context = {
        .run_id = text_of("01900000-0000-7000-8000-000000000002"),
        .attempt = sample->attempt == 0 ? 1 : sample->attempt,
        .event_id = text_of(id),
        .trigger = text_of("test"),
        .event_time = now,
        .tenant = text_of(""),
        .object = sample->object,
        .scope = sample->scope,
        .payload = text_of(sample->payload == NULL ? empty : sample->payload),
        .params = text_of(sample->params == NULL ? empty : sample->params),
        .input = text_of(sample->input == NULL ? empty : sample->input),
        .chain = {text_of(id), {NULL, 0}, 0, {NULL, 0}},
        .budget = {1000000000u, 64u << 20, now + 30000},
        .now = now,
        .seed = {sample->seed[0], sample->seed[1]},
    };
    memcpy(attempt.random, sample->seed, sizeof attempt.random);
    world.report.result = fusebox_run(&context);
    memcpy(world.report.warnings, attempt.warnings, sizeof attempt.warnings);
    world.report.warning_count = attempt.warning_count;
    world.report.event = attempt.event;
    if (world.report.result.kind != FUSEBOX_OK) {
        world.store = before;
        world.report.emitted_count = 0;
    }
    return &world.report;
}

fusebox_text fusebox_tried_value(const char *key) {
    kept *value = find(FUSEBOX_KV_ACTION, key);
    fusebox_text none = {NULL, 0};
    return value == NULL ? none : value->value;
}

void fusebox_log_with(fusebox_level level, const char *message, const fusebox_field *fields, size_t count) {
    (void)fields;
    (void)count;
    if (world.report.line_count < FUSEBOX_RECORDS_MAX) {
        fusebox_line line = {level, copy_of(message, strlen(message))};
        world.report.lines[world.report.line_count++] = line;
    }
}

fusebox_remaining fusebox_left(void) {
    fusebox_remaining left = {1000000000u, 64u << 20, 30000, 16};
    return left;
}

bool fusebox_cancelled(void) {
    world.asked++;
    return world.sample->cancelled_after != 0 && world.asked > world.sample->cancelled_after;
}

bool fusebox_kv_get(fusebox_scope scope, const char *key, fusebox_entry *entry) {
    kept *value = find(scope, key);
    if (value != NULL) {
        entry->value = value->value;
        entry->version = value->version;
    }
    return value != NULL;
}

static bool holds(const kept *value, fusebox_expect expect) {
    return expect.kind == FUSEBOX_ANYTHING || (expect.kind == FUSEBOX_NOTHING && value == NULL) ||
           (expect.kind == FUSEBOX_VERSION && value != NULL && value->version == expect.version);
}

fusebox_said fusebox_kv_write(fusebox_scope scope, const char *key, fusebox_text value, fusebox_expect expect, uint64_t ttl_ms) {
    (void)ttl_ms;
    fusebox_said done = {FUSEBOX_DONE, {NULL, 0}}, conflict = {FUSEBOX_CONFLICT, text_of("somebody else changed the value")};
    fusebox_said full = {FUSEBOX_LIMIT, text_of("no more values fit into the test's store")};
    kept *there = find(scope, key);
    if (!holds(there, expect)) {
        return conflict;
    }
    if (there == NULL && world.store.count == FUSEBOX_RECORDS_MAX) {
        return full;
    }
    there = there == NULL ? &world.store.values[world.store.count++] : there;
    kept written = {scope, copy_of(key, strlen(key)).text, copy_of(value.text, value.length), ++world.writes};
    *there = written;
    return done;
}

fusebox_said fusebox_kv_delete(fusebox_scope scope, const char *key, fusebox_expect expect) {
    fusebox_said done = {FUSEBOX_DONE, {NULL, 0}}, conflict = {FUSEBOX_CONFLICT, text_of("somebody else changed the value")};
    kept *there = find(scope, key);
    if (!holds(there, expect)) {
        return conflict;
    }
    if (there != NULL) {
        *there = world.store.values[--world.store.count];
    }
    return done;
}

static int by_text(const void *a, const void *b) { return strcmp(((const fusebox_text *)a)->text, ((const fusebox_text *)b)->text); }

fusebox_keys fusebox_kv_list(fusebox_scope scope, const char *prefix, const char *after, uint32_t limit) {
    fusebox_keys keys = {take(FUSEBOX_RECORDS_MAX * sizeof(fusebox_text)), 0};
    for (size_t i = 0; i < world.store.count; i++) {
        const kept *value = &world.store.values[i];
        bool wanted = value->scope == scope && strncmp(value->key, prefix, strlen(prefix)) == 0;
        if (wanted && (after == NULL || strcmp(value->key, after) > 0)) {
            keys.keys[keys.count++] = text_of(value->key);
        }
    }
    qsort(keys.keys, keys.count, sizeof(fusebox_text), by_text);
    keys.count = keys.count < limit ? keys.count : limit;
    return keys;
}

fusebox_said fusebox_emit(const char *event_type, const char *json, const fusebox_object *object) {
    (void)object;
    fusebox_said done = {FUSEBOX_DONE, {NULL, 0}}, full = {FUSEBOX_LIMIT, text_of("no more events fit into the test's report")};
    if (world.report.emitted_count == FUSEBOX_RECORDS_MAX) {
        return full;
    }
    fusebox_emitted emitted = {copy_of(event_type, strlen(event_type)), copy_of(json, strlen(json))};
    world.report.emitted[world.report.emitted_count++] = emitted;
    return done;
}

fusebox_response fusebox_send(const fusebox_request *request) {
    if (world.sample->answer != NULL) {
        return world.sample->answer(request);
    }
    fusebox_response denied = {.kind = FUSEBOX_HTTP_DENIED, .message = fusebox_format("the sample has no answer for %s", request->url)};
    return denied;
}
#endif
