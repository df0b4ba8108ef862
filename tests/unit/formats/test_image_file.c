/* SPDX-License-Identifier: Apache-2.0
 *
 * Still images from files: JPEG and WebP, right and damaged, and the choice by first bytes.
 */
#include "support/jpeg.h"
#include "unit/formats/scratch.h"

#include <ito/formats.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <webp/encode.h>

#include <cmocka.h>

enum { HEIGHT = 21, WIDTH = 34, PIXELS = HEIGHT * WIDTH };

/* Smooth, so that JPEG changes little; the channels differ. */
static void paint(uint8_t *pixels, int channels) {
    for (int i = 0; i < HEIGHT; i++)
        for (int j = 0; j < WIDTH; j++)
            for (int c = 0; c < channels; c++)
                pixels[(i * WIDTH + j) * channels + c] = (uint8_t)(20 + 60 * c + 3 * i + (c == 1 ? -j : j));
}

static int largest_difference(const ito_images *im, const uint8_t *want) {
    int largest = 0;
    for (int64_t i = 0; i < im->height * im->width * im->channels; i++) {
        int difference = abs(im->pixels[i] - want[i]);
        if (difference > largest) largest = difference;
    }
    return largest;
}

static ito_status read_bytes(const void *bytes, size_t length, ito_images *im, ito_error *err) {
    const char *path = scratch_path("image");
    scratch_write(path, bytes, length);
    ito_status st = ito_image_read(path, im, err);
    assert_int_equal(st == ITO_OK, im->pixels != NULL);
    if (st != ITO_OK && strstr(err->message, path) == NULL) fail_msg("%s", err->message);
    return st;
}

static void a_jpeg_is_read_as_painted(void **state) {
    static const struct {
        const char *name;
        int channels, subsampling, flags, bound;
    } cases[] = {
        {"grey", 1, TJSAMP_GRAY, 0, 2},  {"4:4:4", 3, TJSAMP_444, 0, 3},
        {"4:2:0", 3, TJSAMP_420, 0, 16}, {"4:2:0 progressive", 3, TJSAMP_420, TJFLAG_PROGRESSIVE, 16},
        {"4:1:1", 3, TJSAMP_411, 0, 16},
    };
    uint8_t pixels[3 * PIXELS];
    (void)state;
    for (size_t k = 0; k < sizeof cases / sizeof cases[0]; k++) {
        unsigned long length = 0;
        ito_images im;
        ito_error err = {0};
        paint(pixels, cases[k].channels);
        unsigned char *bytes = jpeg_make(pixels, HEIGHT, WIDTH, cases[k].channels, 98, cases[k].subsampling,
                                         cases[k].flags, &length);
        assert_int_equal(read_bytes(bytes, length, &im, &err), ITO_OK);
        assert_int_equal(im.n, 1);
        assert_int_equal(im.height, HEIGHT);
        assert_int_equal(im.width, WIDTH);
        assert_int_equal(im.channels, cases[k].channels);
        int difference = largest_difference(&im, pixels);
        printf("%s: %d levels off, bound %d\n", cases[k].name, difference, cases[k].bound);
        assert_true(difference <= cases[k].bound);
        ito_images_release(&im);
        tjFree(bytes);
    }
}

/* Every prefix, of the baseline form as of the progressive one. */
static void every_truncated_jpeg_is_noticed(void **state) {
    uint8_t pixels[3 * PIXELS];
    (void)state;
    paint(pixels, 3);
    for (int progressive = 0; progressive < 2; progressive++) {
        unsigned long length = 0;
        unsigned char *bytes = jpeg_make(pixels, HEIGHT, WIDTH, 3, 90, TJSAMP_420,
                                         progressive ? TJFLAG_PROGRESSIVE : 0, &length);
        for (unsigned long n = 0; n < length; n++) {
            ito_images im;
            ito_error err = {0};
            assert_int_equal(read_bytes(bytes, n, &im, &err), ITO_E_FORMAT);
        }
        tjFree(bytes);
    }
}

/* JPEG has no checksum, so many changes give another picture; none may do worse. */
static void no_flipped_bit_of_a_jpeg_does_harm(void **state) {
    uint8_t pixels[3 * PIXELS];
    unsigned long length = 0;
    int refused = 0;
    (void)state;
    paint(pixels, 3);
    unsigned char *bytes = jpeg_make(pixels, HEIGHT, WIDTH, 3, 50, TJSAMP_420, 0, &length);
    for (unsigned long i = 3; i < length; i++) {
        for (int bit = 0; bit < 8; bit++) {
            ito_images im;
            ito_error err = {0};
            bytes[i] ^= (unsigned char)(1 << bit);
            ito_status st = read_bytes(bytes, length, &im, &err);
            assert_true(st == ITO_OK || st == ITO_E_FORMAT || st == ITO_E_UNSUPPORTED);
            refused += st != ITO_OK;
            ito_images_release(&im);
            bytes[i] ^= (unsigned char)(1 << bit);
        }
    }
    printf("%d of %lu flipped bits refused\n", refused, 8 * (length - 3));
    tjFree(bytes);
}

static void a_jpeg_promising_absurd_sizes_is_refused(void **state) {
    uint8_t pixels[3 * PIXELS];
    unsigned long length = 0;
    ito_images im;
    ito_error err = {0};
    (void)state;
    paint(pixels, 3);
    unsigned char *bytes = jpeg_make(pixels, HEIGHT, WIDTH, 3, 90, TJSAMP_444, 0, &length);
    unsigned long at = 2;
    while (bytes[at] == 0xff && bytes[at + 1] != 0xc0) at += 2u + 256u * bytes[at + 2] + bytes[at + 3];
    memcpy(bytes + at + 5, "\xff\0\xff", 4); /* height and width of the frame header: 65280 each */
    assert_int_equal(read_bytes(bytes, length, &im, &err), ITO_E_FORMAT);
    printf("%s\n", err.message);
    assert_non_null(strstr(err.message, "promises 65280 x 65280 pixels"));
    tjFree(bytes);
}

static void a_jpeg_of_four_inks_is_refused(void **state) {
    uint8_t pixels[4 * PIXELS];
    unsigned long length = 0;
    ito_images im;
    ito_error err = {0};
    (void)state;
    paint(pixels, 4);
    unsigned char *bytes = jpeg_make(pixels, HEIGHT, WIDTH, 4, 90, TJSAMP_444, 0, &length);
    assert_int_equal(read_bytes(bytes, length, &im, &err), ITO_E_UNSUPPORTED);
    printf("%s\n", err.message);
    assert_non_null(strstr(err.message, "CMYK"));
    tjFree(bytes);
}

/* ---- WebP */

static void a_lossless_webp_comes_back_and_no_prefix_of_it(void **state) {
    uint8_t pixels[3 * PIXELS], *bytes = NULL;
    ito_images im;
    ito_error err = {0};
    (void)state;
    paint(pixels, 3);
    size_t length = WebPEncodeLosslessRGB(pixels, WIDTH, HEIGHT, 3 * WIDTH, &bytes);
    assert_int_equal(read_bytes(bytes, length, &im, &err), ITO_OK);
    assert_int_equal(im.channels, 3);
    assert_memory_equal(im.pixels, pixels, sizeof pixels);
    ito_images_release(&im);
    for (size_t n = 0; n < length - 1; n++) { /* the last byte may be padding */
        assert_int_equal(read_bytes(bytes, n, &im, &err), ITO_E_FORMAT);
    }
    WebPFree(bytes);
}

static void an_animation_is_no_still_image(void **state) {
    ito_images frames, im;
    ito_error err = {0};
    const char *path = scratch_path("moves.webp");
    (void)state;
    assert_int_equal(ito_images_init(&frames, 2, 4, 4, 1, NULL), ITO_OK);
    frames.pixels[20] = 200;
    assert_int_equal(ito_webp_write(path, &frames, 50, 50, NULL), ITO_OK);
    assert_int_equal(ito_image_read(path, &im, &err), ITO_E_UNSUPPORTED);
    printf("%s\n", err.message);
    ito_images_release(&frames);
}

/* A lossless header of 16384 x 16384 with nothing behind it. */
static void a_webp_promising_absurd_sizes_is_refused(void **state) {
    static const uint8_t bytes[] = {'R', 'I', 'F', 'F', 18, 0, 0, 0,    'W',  'E',  'B',  'P',  'V',
                                    'P', '8', 'L', 5,   0,  0, 0, 0x2f, 0xff, 0xff, 0xff, 0x0f, 0};
    ito_images im;
    ito_error err = {0};
    (void)state;
    assert_int_equal(read_bytes(bytes, sizeof bytes, &im, &err), ITO_E_FORMAT);
    printf("%s\n", err.message);
    assert_non_null(strstr(err.message, "16384 x 16384"));
}

/* ---- all */

static void the_first_bytes_decide_not_the_name(void **state) {
    uint8_t pixels[3 * PIXELS];
    ito_images im;
    ito_error err = {0};
    (void)state;
    paint(pixels, 3);
    assert_int_equal(ito_png_write(scratch_path("x.jpg"), pixels, HEIGHT, WIDTH, 3, NULL), ITO_OK);
    assert_int_equal(ito_image_read(scratch_path("x.jpg"), &im, &err), ITO_OK);
    assert_memory_equal(im.pixels, pixels, sizeof pixels);
    ito_images_release(&im);
    jpeg_write(scratch_path("x.png"), pixels, HEIGHT, WIDTH, 3, 95);
    assert_int_equal(ito_image_read(scratch_path("x.png"), &im, &err), ITO_OK);
    ito_images_release(&im);
    assert_int_equal(ito_png_read(scratch_path("x.png"), &im, &err), ITO_E_FORMAT);
    assert_int_equal(read_bytes("GIF89a", 6, &im, &err), ITO_E_FORMAT);
    printf("%s\n", err.message);
    assert_int_equal(read_bytes("", 0, &im, &err), ITO_E_FORMAT);
    assert_non_null(strstr(err.message, "is empty"));
    assert_int_equal(ito_image_read(scratch_path("nowhere"), &im, &err), ITO_E_IO);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_jpeg_is_read_as_painted),
        cmocka_unit_test(every_truncated_jpeg_is_noticed),
        cmocka_unit_test(no_flipped_bit_of_a_jpeg_does_harm),
        cmocka_unit_test(a_jpeg_promising_absurd_sizes_is_refused),
        cmocka_unit_test(a_jpeg_of_four_inks_is_refused),
        cmocka_unit_test(a_lossless_webp_comes_back_and_no_prefix_of_it),
        cmocka_unit_test(an_animation_is_no_still_image),
        cmocka_unit_test(a_webp_promising_absurd_sizes_is_refused),
        cmocka_unit_test(the_first_bytes_decide_not_the_name),
    };
    return cmocka_run_group_tests_name("image_file", tests, scratch_make, scratch_remove);
}
