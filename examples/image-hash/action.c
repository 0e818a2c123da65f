/* Finds pictures that look alike: an uploaded picture gets a hash of what it shows, which stays the same when it is scaled or
 * compressed anew. The first picture with a hash is remembered; a later one of another name is a warning that names it.
 *
 * Payload: {"name": "…", "image": "…"}, the image a PGM or PPM (P5 or P6, 8 bits) in base64. */
#include "fusebox.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* Codes of refusals. */
#define NO_IMAGE 10
#define NOT_SUPPORTED 11

/* The hash is of so many fields in a row and a column: one bit for each. */
#define FIELDS 8
#define SIDE_MAX 4096

typedef struct {
    uint32_t width, height, channels;
    const uint8_t *pixels;
} image;

typedef struct {
    uint8_t *bytes;
    size_t length;
} buffer;

static int digit(char c) {
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const char *found = c == 0 ? NULL : strchr(digits, c);
    return found == NULL ? -1 : (int)(found - digits);
}

/* The bytes of a base64 text; NULL if it is none. */
static buffer decoded(fusebox_text text) {
    buffer none = {NULL, 0}, out = {malloc(text.length / 4 * 3 + 3), 0};
    if (out.bytes == NULL) {
        abort();
    }
    uint32_t bits = 0;
    int count = 0;
    for (size_t i = 0; i < text.length && text.text[i] != '='; i++) {
        int value = digit(text.text[i]);
        if (value < 0) {
            return none;
        }
        bits = bits << 6 | (uint32_t)value;
        count += 6;
        if (count >= 8) {
            count -= 8;
            out.bytes[out.length++] = (uint8_t)(bits >> count);
        }
    }
    return out;
}

/* The next number of the header, behind blanks and comments; 0 if there is none. */
static uint32_t header_number(const buffer *file, size_t *at) {
    while (*at < file->length && (file->bytes[*at] <= ' ' || file->bytes[*at] == '#')) {
        bool is_comment = file->bytes[*at] == '#';
        do {
            ++*at;
        } while (is_comment && *at < file->length && file->bytes[*at] != '\n');
    }
    uint32_t number = 0;
    for (int digits = 0; digits < 6 && *at < file->length && file->bytes[*at] >= '0' && file->bytes[*at] <= '9'; digits++) {
        number = number * 10 + (file->bytes[(*at)++] - '0');
    }
    return number;
}

static bool read_image(const buffer *file, image *image) {
    if (file->length < 3 || file->bytes[0] != 'P' || (file->bytes[1] != '5' && file->bytes[1] != '6')) {
        return false;
    }
    size_t at = 2;
    image->channels = file->bytes[1] == '5' ? 1 : 3;
    image->width = header_number(file, &at);
    image->height = header_number(file, &at);
    uint32_t brightest = header_number(file, &at);
    /* One blank ends the header. */
    at++;
    bool fits = image->width >= FIELDS && image->width <= SIDE_MAX && image->height >= FIELDS && image->height <= SIDE_MAX;
    if (!fits || brightest != 255 || at > file->length) {
        return false;
    }
    image->pixels = file->bytes + at;
    return file->length - at >= (size_t)image->width * image->height * image->channels;
}

/* How bright a field is, on average, in 1/256. */
static uint64_t brightness(const image *image, uint32_t row, uint32_t column) {
    uint32_t top = row * image->height / FIELDS, bottom = (row + 1) * image->height / FIELDS;
    uint32_t start = column * image->width / FIELDS, end = (column + 1) * image->width / FIELDS;
    uint64_t sum = 0;
    for (uint32_t y = top; y < bottom; y++) {
        for (uint32_t x = start * image->channels; x < end * image->channels; x++) {
            sum += image->pixels[(size_t)y * image->width * image->channels + x];
        }
    }
    return sum * 256 / ((uint64_t)(bottom - top) * (end - start) * image->channels);
}

/* A bit for each field: whether it is brighter than the average of all. */
static uint64_t hash_of(const image *image) {
    uint64_t fields[FIELDS * FIELDS], sum = 0, hash = 0;
    for (uint32_t i = 0; i < FIELDS * FIELDS; i++) {
        fields[i] = brightness(image, i / FIELDS, i % FIELDS);
        sum += fields[i];
    }
    for (uint32_t i = 0; i < FIELDS * FIELDS; i++) {
        hash = hash << 1 | (fields[i] * FIELDS * FIELDS > sum);
    }
    return hash;
}

fusebox_result fusebox_run(const fusebox_context *context) {
    fusebox_text name = fusebox_json_string(fusebox_json(context->payload, "/name"));
    fusebox_text text = fusebox_json_string(fusebox_json(context->payload, "/image"));
    if (name.length == 0 || text.text == NULL) {
        return fusebox_reject(NO_IMAGE, "a picture needs a `name` and an `image`");
    }
    buffer file = decoded(text);
    image image;
    if (file.bytes == NULL || !read_image(&file, &image)) {
        return fusebox_reject(NOT_SUPPORTED, "%s is no PGM or PPM of 8 bits, %d to %d pixels wide and high, in base64", name.text, FIELDS, SIDE_MAX);
    }
    fusebox_text hash = fusebox_format("%016" PRIx64, hash_of(&image));
    fusebox_entry first;
    const char *alike = "null";
    bool is_known = fusebox_kv_get(FUSEBOX_KV_ACTION, hash.text, &first);
    if (is_known && strcmp(first.value.text, name.text) != 0) {
        fusebox_warn("%s looks like %s", name.text, first.value.text);
        alike = fusebox_quote(first.value.text).text;
    } else if (!is_known) {
        fusebox_said said = fusebox_kv_set(FUSEBOX_KV_ACTION, hash.text, name.text);
        if (said.kind != FUSEBOX_DONE) {
            return fusebox_reject(1, "%s", said.message.text);
        }
    }
    fusebox_log(FUSEBOX_INFO, "%s is %" PRIu32 " x %" PRIu32, name.text, image.width, image.height);
    return fusebox_okf("{\"hash\":\"%s\",\"width\":%" PRIu32 ",\"height\":%" PRIu32 ",\"looks_like\":%s}", hash.text, image.width, image.height, alike);
}
