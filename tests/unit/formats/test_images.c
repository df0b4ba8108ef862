/* SPDX-License-Identifier: Apache-2.0
 *
 * Images: states to bytes, grids, PNG and WebP there and back, damaged PNG.
 */
#include "unit/formats/scratch.h"

#include <ito/formats.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <webp/demux.h>

#include <cmocka.h>

static void fill(ito_images *im, int64_t n, int64_t height, int64_t width, int64_t channels) {
    assert_int_equal(ito_images_init(im, n, height, width, channels, NULL), ITO_OK);
    for (int64_t i = 0; i < n * height * width * channels; i++) im->pixels[i] = (uint8_t)(i * 37 + i / 7);
}

static void states_are_clamped_scaled_and_rounded(void **state) {
    const double unit[] = {-0.5, 0,   0.5 / 255 - 1e-9, 0.5 / 255 + 1e-9, 0.5,
                           1,    1.5, INFINITY,         -INFINITY,        NAN};
    const uint8_t want[] = {0, 0, 0, 1, 128, 255, 255, 255, 0, 0};
    (void)state;
    for (int k = 0; k < 10; k++) {
        ito_images im;
        double centered = 2 * unit[k] - 1;
        assert_int_equal(ito_images_from_states(&im, 1, 1, 1, 0, false, &unit[k], NULL), ITO_OK);
        assert_int_equal(im.pixels[0], want[k]);
        ito_images_release(&im);
        assert_int_equal(ito_images_from_states(&im, 1, 1, 1, 0, true, &centered, NULL), ITO_OK);
        assert_int_equal(im.pixels[0], want[k]);
        ito_images_release(&im);
    }
    for (int byte = 0; byte < 256; byte++) { /* exact levels come back */
        ito_images im;
        double x = byte / 255.0 * 2 - 1;
        assert_int_equal(ito_images_from_states(&im, 1, 1, 1, 0, true, &x, NULL), ITO_OK);
        assert_int_equal(im.pixels[0], byte);
        ito_images_release(&im);
    }
}

static void channels_move_last_and_the_border_is_cropped(void **state) {
    enum { N = 2, C = 3, S = 6, CROP = 2 };
    double x[N * C * S * S];
    ito_images im;
    (void)state;
    for (int i = 0; i < N * C * S * S; i++) x[i] = i / 255.0; /* byte = index, up to 215 */
    assert_int_equal(ito_images_from_states(&im, N, C, S, CROP, false, x, NULL), ITO_OK);
    assert_int_equal(im.n, N);
    assert_int_equal(im.height, S - 2 * CROP);
    assert_int_equal(im.width, S - 2 * CROP);
    assert_int_equal(im.channels, C);
    for (int k = 0; k < N; k++)
        for (int i = 0; i < 2; i++)
            for (int j = 0; j < 2; j++)
                for (int c = 0; c < C; c++)
                    assert_int_equal(im.pixels[((k * 2 + i) * 2 + j) * C + c],
                                     ((k * C + c) * S + i + CROP) * S + j + CROP);
    ito_images_release(&im);
    assert_int_equal(ito_images_from_states(&im, N, C, S, 3, false, x, NULL), ITO_E_SHAPE);
    assert_null(im.pixels);
}

static void impossible_images_are_refused(void **state) {
    ito_images im;
    (void)state;
    assert_int_equal(ito_images_init(&im, 0, 1, 1, 1, NULL), ITO_E_SHAPE);
    assert_int_equal(ito_images_init(&im, 1, 1, 1, 2, NULL), ITO_E_SHAPE);
    assert_int_equal(ito_images_init(&im, 1, -1, 1, 1, NULL), ITO_E_SHAPE);
    assert_int_equal(ito_images_init(&im, INT64_MAX, INT64_MAX, 3, 3, NULL), ITO_E_NOMEM);
    assert_null(im.pixels);
}

/* 5 images of 2 x 3 in 2 columns, magnified twice, gap 1: a canvas of 14 x 13. */
static void a_grid_repeats_pixels_and_leaves_white_between(void **state) {
    ito_images im, grid;
    (void)state;
    fill(&im, 5, 2, 3, 3);
    assert_int_equal(ito_images_grid(&im, 2, 2, 1, &grid, NULL), ITO_OK);
    assert_int_equal(grid.n, 1);
    assert_int_equal(grid.height, 3 * 4 + 2);
    assert_int_equal(grid.width, 2 * 6 + 1);
    for (int64_t i = 0; i < grid.height; i++) {
        for (int64_t j = 0; j < grid.width; j++) {
            int64_t k = i / 5 * 2 + j / 7;
            bool white = i % 5 == 4 || j % 7 == 6 || k >= 5;
            for (int64_t c = 0; c < 3; c++) {
                uint8_t want = white ? 255 : im.pixels[((k * 2 + i % 5 / 2) * 3 + j % 7 / 2) * 3 + c];
                assert_int_equal(grid.pixels[(i * grid.width + j) * 3 + c], want);
            }
        }
    }
    ito_images_release(&grid);
    ito_images_release(&im);
}

static void a_grid_without_columns_is_nearly_square(void **state) {
    const int64_t counts[] = {1, 2, 4, 5, 64}, rows[] = {1, 1, 2, 2, 8}, columns[] = {1, 2, 2, 3, 8};
    (void)state;
    for (int k = 0; k < 5; k++) {
        ito_images im, grid;
        fill(&im, counts[k], 1, 1, 1);
        assert_int_equal(ito_images_grid(&im, 0, 1, 0, &grid, NULL), ITO_OK);
        assert_int_equal(grid.height, rows[k]);
        assert_int_equal(grid.width, columns[k]);
        ito_images_release(&grid);
        assert_int_equal(ito_images_grid(&im, 0, 0, 0, &grid, NULL), ITO_E_ARG);
        assert_int_equal(ito_images_grid(&im, -1, 1, 0, &grid, NULL), ITO_E_ARG);
        ito_images_release(&im);
    }
}

static void png_comes_back_as_written(void **state) {
    const char *path = scratch_path("image.png");
    (void)state;
    for (int64_t channels = 1; channels <= 3; channels += 2) {
        ito_images im, back;
        fill(&im, 1, 17, 31, channels);
        assert_int_equal(ito_png_write(path, im.pixels, 17, 31, channels, NULL), ITO_OK);
        assert_int_equal(ito_png_read(path, &back, NULL), ITO_OK);
        assert_int_equal(back.n, 1);
        assert_int_equal(back.height, 17);
        assert_int_equal(back.width, 31);
        assert_int_equal(back.channels, channels);
        assert_memory_equal(back.pixels, im.pixels, (size_t)(17 * 31 * channels));
        ito_images_release(&back);
        ito_images_release(&im);
    }
}

static void a_grid_is_written_as_png(void **state) {
    ito_images im, grid, back;
    (void)state;
    fill(&im, 7, 4, 5, 1);
    assert_int_equal(ito_images_grid(&im, 3, 2, 3, &grid, NULL), ITO_OK);
    assert_int_equal(ito_png_write_grid(scratch_path("grid.png"), &im, 3, 2, 3, NULL), ITO_OK);
    assert_int_equal(ito_png_read(scratch_path("grid.png"), &back, NULL), ITO_OK);
    assert_int_equal(back.height, grid.height);
    assert_int_equal(back.width, grid.width);
    assert_memory_equal(back.pixels, grid.pixels, (size_t)(grid.height * grid.width));
    ito_images_release(&back);
    ito_images_release(&grid);
    ito_images_release(&im);
}

/* A 4-bit palette image of 2 x 1: red, blue. Made by hand; zlib stream stored uncompressed. */
static const unsigned char palette_png[] = {
    0x89, 'P',  'N',  'G',  '\r', '\n', 0x1a, '\n', 0,    0,    0,    13,   'I',  'H',  'D',
    'R',  0,    0,    0,    2,    0,    0,    0,    1,    4,    3,    0,    0,    0,    0x06,
    0x0c, 0x62, 0xb9, 0,    0,    0,    6,    'P',  'L',  'T',  'E',  0xff, 0,    0,    0,
    0,    0xff, 0x6c, 0xa1, 0xfd, 0x8e, 0,    0,    0,    13,   'I',  'D',  'A',  'T',  0x78,
    0x01, 0x01, 0x02, 0x00, 0xfd, 0xff, 0x00, 0x01, 0x00, 0x03, 0x00, 0x02, 0xdb, 0xae, 0x1f,
    0xef, 0,    0,    0,    0,    'I',  'E',  'N',  'D',  0xae, 0x42, 0x60, 0x82};

static void a_palette_image_is_read_as_colours(void **state) {
    ito_images im;
    ito_error err = {0};
    (void)state;
    scratch_write(scratch_path("palette.png"), palette_png, sizeof palette_png);
    ito_status st = ito_png_read(scratch_path("palette.png"), &im, &err);
    if (st != ITO_OK) print_error("%s\n", err.message);
    assert_int_equal(st, ITO_OK);
    assert_int_equal(im.channels, 3);
    assert_memory_equal(im.pixels, "\xff\0\0\0\0\xff", 6);
    ito_images_release(&im);
}

/* But for the last four bytes, the end marker's checksum, which libspng does without. */
static void every_truncated_png_is_noticed(void **state) {
    const char *path = scratch_path("whole.png"), *cut = scratch_path("cut.png");
    ito_images im;
    size_t length = 0;
    (void)state;
    fill(&im, 1, 9, 11, 3);
    assert_int_equal(ito_png_write(path, im.pixels, 9, 11, 3, NULL), ITO_OK);
    ito_images_release(&im);
    unsigned char *file = scratch_read(path, &length);
    for (size_t n = 0; n < length - 4; n++) {
        ito_error err;
        scratch_write(cut, file, n);
        assert_int_equal(ito_png_read(cut, &im, &err), ITO_E_FORMAT);
        assert_non_null(strstr(err.message, cut));
        assert_null(im.pixels);
    }
    free(file);
}

/* All chunks of such a file are critical and under checksums: no changed bit goes unnoticed. */
static void every_flipped_bit_of_a_png_is_noticed(void **state) {
    const char *path = scratch_path("whole.png"), *flipped = scratch_path("flipped.png");
    ito_images im;
    size_t length = 0;
    int unnoticed = 0;
    (void)state;
    fill(&im, 1, 5, 4, 1);
    assert_int_equal(ito_png_write(path, im.pixels, 5, 4, 1, NULL), ITO_OK);
    ito_images_release(&im);
    unsigned char *file = scratch_read(path, &length);
    for (size_t i = 0; i < length; i++) {
        for (int bit = 0; bit < 8; bit++) {
            ito_error err;
            file[i] ^= (unsigned char)(1 << bit);
            scratch_write(flipped, file, length);
            unnoticed += ito_png_read(flipped, &im, &err) == ITO_OK;
            ito_images_release(&im);
            file[i] ^= (unsigned char)(1 << bit);
        }
    }
    printf("%d of %zu flipped bits unnoticed, bound 0\n", unnoticed, 8 * length);
    assert_int_equal(unnoticed, 0);
    free(file);
}

static void a_png_promising_absurd_sizes_is_refused(void **state) {
    /* Header chunks of 65535 x 65535 and of 2^31 - 1 squared, with right checksums. */
    static const unsigned char files[][33] = {
        {0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n', 0, 0, 0, 13, 'I',  'H',  'D',  'R', 0,
         0,    255, 255, 0,   0,    255,  255,  8,    2, 0, 0, 0,  0x39, 0x67, 0x4e, 0x07},
        {0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n', 0, 0, 0, 13, 'I',  'H',  'D',  'R', 127,
         255,  255, 255, 127, 255,  255,  255,  8,    2, 0, 0, 0,  0x9b, 0xab, 0x9c, 0x31}};
    (void)state;
    for (int k = 0; k < 2; k++) {
        ito_images im;
        ito_error err;
        scratch_write(scratch_path("absurd.png"), files[k], 33);
        assert_int_equal(ito_png_read(scratch_path("absurd.png"), &im, &err), ITO_E_FORMAT);
        printf("%s\n", err.message);
    }
}

static void an_animation_decodes_to_its_frames(void **state) {
    const char *path = scratch_path("animation.webp");
    size_t length = 0;
    (void)state;
    for (int64_t channels = 1; channels <= 3; channels += 2) {
        ito_images frames;
        WebPData data;
        WebPAnimInfo info;
        uint8_t *canvas = NULL;
        int timestamp = 0;
        fill(&frames, 4, 12, 20, channels);
        assert_int_equal(ito_webp_write(path, &frames, 80, 1000, NULL), ITO_OK);
        data.bytes = scratch_read(path, &length);
        data.size = length;
        WebPAnimDecoder *decoder = WebPAnimDecoderNew(&data, NULL);
        assert_int_equal(WebPAnimDecoderGetInfo(decoder, &info), 1);
        assert_int_equal(info.frame_count, 4);
        assert_int_equal(info.loop_count, 0);
        assert_int_equal(info.canvas_width, 20);
        assert_int_equal(info.canvas_height, 12);
        for (int k = 0; k < 4; k++) {
            assert_int_equal(WebPAnimDecoderGetNext(decoder, &canvas, &timestamp), 1);
            assert_int_equal(timestamp, k < 3 ? 80 * (k + 1) : 240 + 1000); /* when the frame ends */
            for (int i = 0; i < 240; i++)
                for (int c = 0; c < 3; c++)
                    assert_int_equal(canvas[4 * i + c],
                                     frames.pixels[(k * 240 + i) * channels + (channels == 3 ? c : 0)]);
        }
        WebPAnimDecoderDelete(decoder);
        free((void *)(uintptr_t)data.bytes);
        ito_images_release(&frames);
    }
}

static void impossible_animations_are_refused(void **state) {
    ito_images none = {0}, one;
    (void)state;
    fill(&one, 1, 2, 2, 1);
    assert_int_equal(ito_webp_write(scratch_path("no.webp"), &none, 80, 80, NULL), ITO_E_SHAPE);
    assert_int_equal(ito_webp_write(scratch_path("no.webp"), &one, 0, 80, NULL), ITO_E_ARG);
    assert_int_equal(ito_webp_write(scratch_path("no.webp"), &one, 80, -1, NULL), ITO_E_ARG);
    ito_images_release(&one);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(states_are_clamped_scaled_and_rounded),
        cmocka_unit_test(channels_move_last_and_the_border_is_cropped),
        cmocka_unit_test(impossible_images_are_refused),
        cmocka_unit_test(a_grid_repeats_pixels_and_leaves_white_between),
        cmocka_unit_test(a_grid_without_columns_is_nearly_square),
        cmocka_unit_test(png_comes_back_as_written),
        cmocka_unit_test(a_grid_is_written_as_png),
        cmocka_unit_test(a_palette_image_is_read_as_colours),
        cmocka_unit_test(every_truncated_png_is_noticed),
        cmocka_unit_test(every_flipped_bit_of_a_png_is_noticed),
        cmocka_unit_test(a_png_promising_absurd_sizes_is_refused),
        cmocka_unit_test(an_animation_decodes_to_its_frames),
        cmocka_unit_test(impossible_animations_are_refused),
    };
    return cmocka_run_group_tests_name("images", tests, scratch_make, scratch_remove);
}
