/* Natively: cc -Ifusebox action.c test.c fusebox/fusebox.c -o test && ./test, with the kit's two files in fusebox/. */
#include "fusebox.h"

#undef NDEBUG
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/* A payload with a picture that gets brighter to the right, of so many pixels. */
static const char *picture(const char *magic, unsigned side, unsigned channels) {
    static unsigned char file[3 * 64 * 64 + 64];
    static char text[4 * 64 * 64 + 128], payload[sizeof text + 64];
    size_t length = (size_t)sprintf((char *)file, "%s\n# by hand\n%u %u\n255\n", magic, side, side), out = 0;
    for (unsigned i = 0; i < side * side * channels; i++) {
        file[length++] = (unsigned char)(i / channels % side * 255 / side);
    }
    memset(file + length, 0, 3);
    for (size_t i = 0; i < length; i += 3) {
        unsigned bits = (unsigned)(file[i] << 16 | file[i + 1] << 8 | file[i + 2]);
        for (int shift = 18; shift >= 0; shift -= 6) {
            text[out++] = digits[bits >> shift & 63];
        }
    }
    text[out] = 0;
    sprintf(payload, "{\"name\":\"a.pgm\",\"image\":\"%s\"}", text);
    return payload;
}

static const char *output(const char *payload, const char *const *values, size_t warnings) {
    fusebox_sample sample = {.payload = payload, .values = values, .value_count = values == NULL ? 0 : 1};
    const fusebox_report *report = fusebox_try(&sample);
    assert(report->result.kind == FUSEBOX_OK);
    assert(report->warning_count == warnings);
    return report->result.text.text;
}

static void a_scaled_picture_has_the_same_hash(void) {
    assert(strstr(output(picture("P5", 16, 1), NULL, 0), "{\"hash\":\"0f0f0f0f0f0f0f0f\",\"width\":16,") != NULL);
    assert(strcmp(fusebox_tried_value("0f0f0f0f0f0f0f0f").text, "a.pgm") == 0);
    assert(strstr(output(picture("P5", 48, 1), NULL, 0), "\"0f0f0f0f0f0f0f0f\",\"width\":48,") != NULL);
    assert(strstr(output(picture("P6", 40, 3), NULL, 0), "\"0f0f0f0f0f0f0f0f\",\"width\":40,") != NULL);
}

static void one_that_was_there_before_is_named(void) {
    const char *values[] = {"0f0f0f0f0f0f0f0f", "b.pgm"};
    assert(strstr(output(picture("P5", 16, 1), values, 1), "\"looks_like\":\"b.pgm\"") != NULL);
    assert(strcmp(fusebox_tried_value("0f0f0f0f0f0f0f0f").text, "b.pgm") == 0);
}

static void the_same_picture_again_is_no_other(void) {
    const char *values[] = {"0f0f0f0f0f0f0f0f", "a.pgm"};
    assert(strstr(output(picture("P5", 16, 1), values, 0), "\"looks_like\":null") != NULL);
}

static void what_is_no_picture_is_refused(void) {
    const struct {
        const char *payload;
        uint32_t code;
    } cases[] = {
        {"{}", 10},
        {"{\"name\":\"a\"}", 10},
        {"{\"name\":\"a\",\"image\":\"?\"}", 11},
        {"{\"name\":\"a\",\"image\":\"\"}", 11},
        {"{\"name\":\"a\",\"image\":\"UDUgMTYgMTYgMjU1IAA=\"}", 11},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        fusebox_sample sample = {.payload = cases[i].payload};
        assert(fusebox_try(&sample)->result.code == cases[i].code);
    }
    fusebox_sample other = {.payload = picture("P4", 16, 1)};
    assert(fusebox_try(&other)->result.code == 11);
    fusebox_sample small = {.payload = picture("P5", 7, 1)};
    assert(fusebox_try(&small)->result.code == 11);
}

int main(void) {
    a_scaled_picture_has_the_same_hash();
    one_that_was_there_before_is_named();
    the_same_picture_again_is_no_other();
    what_is_no_picture_is_refused();
    puts("all hold");
    return 0;
}
