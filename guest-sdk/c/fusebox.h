/* Actions of Fusebox in C: this header and fusebox.c, nothing else. README.md shows how they are used.
 *
 * Memory that these functions hand out is given free when the attempt ends, with everything else: an attempt is a fresh
 * instance. There is nothing to free. Every text ends with a 0 that its length does not count. */
#ifndef FUSEBOX_H
#define FUSEBOX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct {
    /* NULL where there is none. */
    const char *text;
    size_t length;
} fusebox_text;

/* A thing in the user's world, such as public.bookable / 42; both texts are NULL where there is none. */
typedef struct {
    fusebox_text object_type, object_id;
} fusebox_object;

/* Everything an action is told. Times are milliseconds since 1970. */
typedef struct {
    fusebox_text run_id;
    /* 1 for the first attempt. */
    uint32_t attempt;
    fusebox_text event_id;
    /* The display name of the event type. */
    fusebox_text trigger;
    uint64_t event_time;
    /* Empty for the shared tenant. */
    fusebox_text tenant;
    /* What the event was raised on, and what the action is attached to. */
    fusebox_object object, scope;
    /* Three separate JSON texts, never merged. */
    fusebox_text payload, params, input;
    struct {
        fusebox_text root, parent;
        uint32_t depth;
        /* JSON. */
        fusebox_text parent_outcome;
    } chain;
    struct {
        uint64_t fuel, memory_bytes, deadline;
    } budget;
    uint64_t now;
    /* Drawn anew for every attempt; fusebox_random makes use of it. */
    uint64_t seed[2];
} fusebox_context;

/* How the attempt ended: made by the functions below, returned by fusebox_run. */
typedef struct {
    enum { FUSEBOX_OK, FUSEBOX_RETRY, FUSEBOX_REJECT } kind;
    /* The output, a JSON text, or NULL; the message of a failure. */
    fusebox_text text;
    uint32_t code;
    bool has_after;
    uint64_t after_ms;
} fusebox_result;

/* What the author writes. */
fusebox_result fusebox_run(const fusebox_context *context);

#if defined(__GNUC__)
#define FUSEBOX_FORMAT(text_at, first_at) __attribute__((format(printf, text_at, first_at)))
#else
#define FUSEBOX_FORMAT(text_at, first_at)
#endif

/* The output is this JSON text; NULL for none. */
fusebox_result fusebox_ok(const char *json);
/* The output is what printf makes of it. Texts go through fusebox_quote first. */
fusebox_result fusebox_okf(const char *format, ...) FUSEBOX_FORMAT(1, 2);
/* It will not work however often it is tried. A code of 0 is taken as 1. */
fusebox_result fusebox_reject(uint32_t code, const char *format, ...) FUSEBOX_FORMAT(2, 3);
/* It may work later. */
fusebox_result fusebox_retry(const char *format, ...) FUSEBOX_FORMAT(1, 2);
fusebox_result fusebox_retry_after(uint64_t ms, const char *format, ...) FUSEBOX_FORMAT(2, 3);

/* Makes the run end as WARNING; at most FUSEBOX_WARNINGS_MAX, later ones are left out. */
#define FUSEBOX_WARNINGS_MAX 32
void fusebox_warn(const char *format, ...) FUSEBOX_FORMAT(1, 2);
/* The payload of the event that is chained on, a JSON text. */
void fusebox_chain_event(const char *json);

/* The next 64 random bits: others in another attempt, the same in a repeated one. */
uint64_t fusebox_random(void);

/* printf into memory. */
fusebox_text fusebox_format(const char *format, ...) FUSEBOX_FORMAT(1, 2);

/* -- JSON: to pick values out of a text, not to hold documents ------------------------------------------------- */

/* The value at a JSON Pointer such as "/lines/0/count", as it stands in the text; NULL if there is none. "" is all of it.
 * Names are compared as they are written in the text, without escapes. */
fusebox_text fusebox_json(fusebox_text json, const char *pointer);
/* The text that a JSON string means; NULL if the value is no string. */
fusebox_text fusebox_json_string(fusebox_text value);
/* false if the value is no number, or no whole one that fits. */
bool fusebox_json_number(fusebox_text value, double *number);
bool fusebox_json_integer(fusebox_text value, int64_t *number);
/* A JSON string of a text, with its quotes. */
fusebox_text fusebox_quote(const char *text);
fusebox_text fusebox_quote_bytes(const char *bytes, size_t length);

/* -- What it may ask of the host. A module imports what it calls, and no more. --------------------------------------- */

typedef enum { FUSEBOX_TRACE, FUSEBOX_DEBUG, FUSEBOX_INFO, FUSEBOX_WARNING, FUSEBOX_ERROR } fusebox_level;

typedef struct {
    /* Name and value, the value as JSON. */
    const char *name, *json;
} fusebox_field;

void fusebox_log(fusebox_level level, const char *format, ...) FUSEBOX_FORMAT(2, 3);
/* At most 16 fields; later ones are left out. */
void fusebox_log_with(fusebox_level level, const char *message, const fusebox_field *fields, size_t count);

typedef struct {
    uint64_t fuel, memory_bytes, time_ms;
    uint32_t http_calls;
} fusebox_remaining;

fusebox_remaining fusebox_left(void);
/* Whether somebody cancelled the run; there is a moment from then on. */
bool fusebox_cancelled(void);

/* What is left of an attempt: values of all runs of the action for this tenant, or of this attachment only. */
typedef enum { FUSEBOX_KV_ACTION, FUSEBOX_KV_ATTACHMENT } fusebox_scope;

typedef struct {
    enum { FUSEBOX_ANYTHING, FUSEBOX_NOTHING, FUSEBOX_VERSION } kind;
    uint64_t version;
} fusebox_expect;

typedef struct {
    fusebox_text value;
    /* Differs after every write. */
    uint64_t version;
} fusebox_entry;

/* What the host said to a write or an event. */
typedef struct {
    enum { FUSEBOX_DONE, FUSEBOX_CONFLICT, FUSEBOX_LIMIT, FUSEBOX_REFUSED } kind;
    /* Why not, of a limit and a refusal. */
    fusebox_text message;
} fusebox_said;

typedef struct {
    fusebox_text *keys;
    size_t count;
} fusebox_keys;

/* false if there is no value. */
bool fusebox_kv_get(fusebox_scope scope, const char *key, fusebox_entry *entry);
/* Over whatever is there. */
fusebox_said fusebox_kv_set(fusebox_scope scope, const char *key, const char *value);
/* If what is there is as expected; gone again after ttl_ms if that is not 0. */
fusebox_said fusebox_kv_write(fusebox_scope scope, const char *key, fusebox_text value, fusebox_expect expect, uint64_t ttl_ms);
fusebox_said fusebox_kv_delete(fusebox_scope scope, const char *key, fusebox_expect expect);
/* Keys that start with prefix, in order, after the key `after` (NULL: from the first); at most limit, and at most 1,000. */
fusebox_keys fusebox_kv_list(fusebox_scope scope, const char *prefix, const char *after, uint32_t limit);

/* Fires a further event once the run has succeeded; object may be NULL: then that of this run's event. */
fusebox_said fusebox_emit(const char *event_type, const char *json, const fusebox_object *object);

typedef struct {
    const char *name, *value;
} fusebox_header;

typedef struct {
    const char *method, *url;
    const fusebox_header *headers;
    size_t header_count;
    fusebox_text body;
    /* 0 for the attempt's own limit. */
    uint64_t timeout_ms;
} fusebox_request;

typedef struct {
    enum { FUSEBOX_ANSWERED, FUSEBOX_HTTP_DENIED, FUSEBOX_HTTP_INVALID, FUSEBOX_HTTP_LIMIT, FUSEBOX_HTTP_TIMEOUT, FUSEBOX_HTTP_FAILED } kind;
    /* Why there is no answer. */
    fusebox_text message;
    uint16_t status;
    /* Names and values in turn: header_count pairs. */
    fusebox_text *headers;
    size_t header_count;
    fusebox_text body;
} fusebox_response;

#define FUSEBOX_HEADERS_MAX 32
/* One request to a host that the action and its sink type allow. Redirects are answers like others. More than
 * FUSEBOX_HEADERS_MAX headers are invalid. */
fusebox_response fusebox_send(const fusebox_request *request);

#ifndef __wasm__
/* -- For tests, natively ---------------------------------------------------------------------------------------------- */

typedef struct {
    /* JSON texts; NULL is {}. */
    const char *payload, *params, *input;
    uint32_t attempt;
    fusebox_object object, scope;
    uint64_t now, seed[2];
    /* Values that are in FUSEBOX_KV_ACTION already: names and texts in turn. */
    const char *const *values;
    size_t value_count;
    /* Answers requests; NULL denies them. */
    fusebox_response (*answer)(const fusebox_request *request);
    /* How often fusebox_cancelled still says no; 0 for always. */
    uint32_t cancelled_after;
} fusebox_sample;

typedef struct {
    fusebox_level level;
    fusebox_text message;
} fusebox_line;

typedef struct {
    fusebox_text event_type, payload;
} fusebox_emitted;

#define FUSEBOX_RECORDS_MAX 64

typedef struct {
    fusebox_result result;
    fusebox_text warnings[FUSEBOX_WARNINGS_MAX];
    size_t warning_count;
    fusebox_text event;
    /* The first FUSEBOX_RECORDS_MAX of each. */
    fusebox_line lines[FUSEBOX_RECORDS_MAX];
    size_t line_count;
    fusebox_emitted emitted[FUSEBOX_RECORDS_MAX];
    size_t emitted_count;
} fusebox_report;

/* Runs the action natively, without any host. Of a failed attempt nothing was written or fired. */
const fusebox_report *fusebox_try(const fusebox_sample *sample);
/* A value of FUSEBOX_KV_ACTION after the last fusebox_try. */
fusebox_text fusebox_tried_value(const char *key);
#endif

#ifdef __cplusplus
}
#endif
#endif
