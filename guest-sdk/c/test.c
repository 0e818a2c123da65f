/* What fusebox.c does natively: cc -std=c11 -Wall -Wextra -Werror fusebox.c test.c -o test && ./test */
#include "fusebox.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void check(bool holds, const char *what, int line) {
    if (!holds) {
        fprintf(stderr, "line %d: %s does not hold\n", line, what);
        exit(1);
    }
}
#define CHECK(what) check(what, #what, __LINE__)

static bool is(fusebox_text text, const char *expected) {
    return expected == NULL ? text.text == NULL : text.text != NULL && strcmp(text.text, expected) == 0 && text.length == strlen(expected);
}

static fusebox_text all(const char *text) {
    fusebox_text made = {text, strlen(text)};
    return made;
}

fusebox_result fusebox_run(const fusebox_context *context) {
    fusebox_text what = fusebox_json_string(fusebox_json(context->payload, "/do"));
    if (is(what, "greet")) {
        fusebox_text name = fusebox_json_string(fusebox_json(context->payload, "/name"));
        if (name.text == NULL) {
            return fusebox_reject(10, "nobody to greet in attempt %u", (unsigned)context->attempt);
        }
        fusebox_log(FUSEBOX_INFO, "greeting %s", name.text);
        fusebox_warn("a %s", "warning");
        return fusebox_okf("{\"text\":%s}", fusebox_quote(fusebox_format("Hello, %s!", name.text).text).text);
    }
    if (is(what, "values")) {
        fusebox_entry entry;
        fusebox_expect nothing = {FUSEBOX_NOTHING, 0};
        CHECK(fusebox_kv_get(FUSEBOX_KV_ACTION, "a", &entry));
        fusebox_expect same = {FUSEBOX_VERSION, entry.version};
        CHECK(fusebox_kv_write(FUSEBOX_KV_ACTION, "a", all("2"), nothing, 0).kind == FUSEBOX_CONFLICT);
        CHECK(fusebox_kv_write(FUSEBOX_KV_ACTION, "a", all("2"), same, 0).kind == FUSEBOX_DONE);
        CHECK(fusebox_kv_delete(FUSEBOX_KV_ACTION, "a", same).kind == FUSEBOX_CONFLICT);
        CHECK(fusebox_kv_set(FUSEBOX_KV_ATTACHMENT, "b", "3").kind == FUSEBOX_DONE);
        CHECK(fusebox_kv_set(FUSEBOX_KV_ACTION, "b", "4").kind == FUSEBOX_DONE);
        fusebox_keys keys = fusebox_kv_list(FUSEBOX_KV_ACTION, "", "a", 9);
        CHECK(keys.count == 1 && is(keys.keys[0], "b"));
        CHECK(fusebox_emit("changed", "{}", NULL).kind == FUSEBOX_DONE);
        bool fails = fusebox_json(context->payload, "/fail").text != NULL;
        return fails ? fusebox_retry_after(7, "no") : fusebox_ok(NULL);
    }
    fusebox_request request = {.method = "GET", .url = "https://a.example/"};
    fusebox_response response = fusebox_send(&request);
    return response.kind == FUSEBOX_ANSWERED ? fusebox_okf("%d", response.status) : fusebox_reject(0, "%s", response.message.text);
}

static fusebox_response answer(const fusebox_request *request) {
    fusebox_response response = {.kind = FUSEBOX_ANSWERED, .status = strcmp(request->method, "GET") == 0 ? 204 : 405};
    return response;
}

static void json_is_read(void) {
    fusebox_text json = all(" {\"a\": [1, {\"b\\\"\": \"x\", \"c\": -2.5e1}, []], \"d\" : \"gr\\u00fcn \\ud83c\\udf88 \\ud83c\\n\", \"e\":{}} ");
    CHECK(is(fusebox_json(json, "/a/0"), "1"));
    CHECK(is(fusebox_json(json, "/a/1/c"), "-2.5e1"));
    CHECK(is(fusebox_json(json, "/a/2"), "[]"));
    CHECK(is(fusebox_json(json, "/a/3"), NULL));
    CHECK(is(fusebox_json(json, "/a/x"), NULL));
    CHECK(is(fusebox_json(json, "/e"), "{}"));
    CHECK(is(fusebox_json(json, "/e/f"), NULL));
    CHECK(is(fusebox_json(json, "/d/f"), NULL));
    CHECK(is(fusebox_json_string(fusebox_json(json, "/d")), "grün 🎈 \xef\xbf\xbd\n"));
    CHECK(is(fusebox_json_string(all("\"\\x\"")), NULL));
    CHECK(is(fusebox_json_string(all("1")), NULL));
    double number;
    int64_t whole;
    CHECK(fusebox_json_number(fusebox_json(json, "/a/1/c"), &number) && number == -25);
    CHECK(!fusebox_json_integer(fusebox_json(json, "/a/1/c"), &whole));
    CHECK(fusebox_json_integer(all("-9223372036854775808"), &whole) && whole == INT64_MIN);
    CHECK(!fusebox_json_integer(all("9223372036854775808"), &whole));
    CHECK(!fusebox_json_number(all("null"), &number) && !fusebox_json_number(all("\"1\""), &number));
    CHECK(is(fusebox_quote("a\"\\\n\x01ü"), "\"a\\\"\\\\\\u000a\\u0001ü\""));
    const char *broken[] = {"", "{", "{\"a\"", "{\"a\":", "[1", "\"", "{\"a\" 1}", "{a:1}"};
    for (size_t i = 0; i < sizeof broken / sizeof *broken; i++) {
        CHECK(is(fusebox_json(all(broken[i]), "/a"), NULL));
    }
    char deep[2 * 128 + 3];
    memset(deep, '[', 129);
    memset(deep + 129, ']', 129);
    deep[258] = 0;
    CHECK(is(fusebox_json(all(deep), ""), NULL));
    deep[257] = 0;
    CHECK(fusebox_json(all(deep + 1), "").length == 256);
}

static void an_action_is_tried(void) {
    fusebox_sample sample = {.payload = "{\"do\":\"greet\",\"name\":\"Ada\"}"};
    const fusebox_report *report = fusebox_try(&sample);
    CHECK(report->result.kind == FUSEBOX_OK && is(report->result.text, "{\"text\":\"Hello, Ada!\"}"));
    CHECK(report->line_count == 1 && is(report->lines[0].message, "greeting Ada") && is(report->warnings[0], "a warning"));
    fusebox_sample nobody = {.payload = "{\"do\":\"greet\"}", .attempt = 2};
    report = fusebox_try(&nobody);
    CHECK(report->result.kind == FUSEBOX_REJECT && report->result.code == 10 && is(report->result.text, "nobody to greet in attempt 2"));
}

static void what_a_failed_attempt_wrote_is_gone(void) {
    const char *values[] = {"a", "1"};
    fusebox_sample sample = {.payload = "{\"do\":\"values\"}", .values = values, .value_count = 1};
    const fusebox_report *report = fusebox_try(&sample);
    CHECK(report->result.kind == FUSEBOX_OK && report->emitted_count == 1 && is(fusebox_tried_value("a"), "2"));
    sample.payload = "{\"do\":\"values\",\"fail\":true}";
    report = fusebox_try(&sample);
    CHECK(report->result.kind == FUSEBOX_RETRY && report->result.has_after && report->result.after_ms == 7);
    CHECK(report->emitted_count == 0 && is(fusebox_tried_value("a"), "1") && is(fusebox_tried_value("b"), NULL));
}

static void requests_are_answered_as_the_sample_says(void) {
    fusebox_sample sample = {.answer = answer};
    CHECK(is(fusebox_try(&sample)->result.text, "204"));
    fusebox_sample none = {.payload = NULL};
    const fusebox_report *report = fusebox_try(&none);
    CHECK(report->result.code == 1 && is(report->result.text, "the sample has no answer for https://a.example/"));
}

static void randomness_comes_from_the_seed(void) {
    fusebox_sample one = {.payload = NULL, .seed = {1, 2}}, other = {.payload = NULL, .seed = {1, 3}};
    fusebox_try(&one);
    uint64_t first = fusebox_random(), second = fusebox_random();
    fusebox_try(&one);
    CHECK(fusebox_random() == first && first != second);
    fusebox_try(&other);
    CHECK(fusebox_random() != first);
}

int main(void) {
    json_is_read();
    an_action_is_tried();
    what_a_failed_attempt_wrote_is_gone();
    requests_are_answered_as_the_sample_says();
    randomness_comes_from_the_seed();
    puts("all hold");
    return 0;
}
