/* SPDX-License-Identifier: Apache-2.0
 *
 * Files: safetensors, .npz, .npy, CSV, PNG, JPEG (in), WebP, IDX(.gz), published .pth checkpoints.
 *
 * Writers write beside the final name, fsync, and rename: a final name never holds a half-written file.
 * Readers check every size by arithmetic before they allocate or read; a damaged file is FORMAT with a
 * sentence, never a crash.
 */
#ifndef ITO_FORMATS_H
#define ITO_FORMATS_H

#include <ito/status.h>
#include <stdbool.h>
#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif
#if defined(__GNUC__)
#pragma GCC visibility push(default)
#endif

/* ---- safetensors: 8-byte little-endian header length, JSON header, raw little-endian data
 * ------------------------- */

typedef enum ito_dtype {
    ITO_DTYPE_F64,
    ITO_DTYPE_F32,
    ITO_DTYPE_F16,
    ITO_DTYPE_BF16,
    ITO_DTYPE_I64,
    ITO_DTYPE_I32,
    ITO_DTYPE_U8,
    ITO_DTYPE_COUNT
} ito_dtype;
size_t ito_dtype_size(ito_dtype dtype);
const char *ito_dtype_name(ito_dtype dtype); /* "F32" */

#define ITO_TENSOR_MAX_RANK 8

/* One tensor of a file. Plain value; name and data are borrowed from whoever owns it. */
typedef struct ito_tensor {
    const char *name;
    ito_dtype dtype;
    int rank;
    int64_t dim[ITO_TENSOR_MAX_RANK];
    int64_t count;    /* product of dim */
    const void *data; /* row-major, little-endian, at least 1-byte aligned: use ito_tensor_read_* */
} ito_tensor;

typedef struct ito_metadata { /* one string pair of __metadata__ */
    const char *key, *value;
} ito_metadata;

/* A file of named tensors, mapped read-only: opening costs the header, not the data. */
typedef struct ito_tensor_file ito_tensor_file;
ito_status ito_safetensors_open(const char *path, ito_tensor_file **out, ito_error *err);
/* A published PyTorch checkpoint, zip or legacy form: tensors "model/<name>" (live), "ema/<name>" (the
 * unnamed EMA list, matched to the trainable parameters in order, checked by count and shape; what is not
 * trained appears there too, with its live value), "adam_m/<name>", "adam_v/<name>" (where the file has
 * them), and metadata "step", "ema_num_updates", "ema_decay", "adam_step", "adam_lr"; "module." is dropped
 * from names. A dictionary of tensors alone gives "model/<name>". Executes nothing: knows the pickle opcodes
 * and the few globals that tensors need, and refuses others by name (UNSUPPORTED). */
ito_status ito_pth_open(const char *path, ito_tensor_file **out, ito_error *err);
void ito_tensor_file_close(ito_tensor_file *f);
/* Compares the data of t, a tensor of f, with the checksum that the file has for them (.pth in zip form),
 * once for all tensors of a storage; opening does not, since that would read everything. FORMAT names the
 * tensor. */
ito_status ito_tensor_file_check(ito_tensor_file *f, const ito_tensor *t, ito_error *err);
int ito_tensor_file_count(const ito_tensor_file *f);
const ito_tensor *ito_tensor_file_at(const ito_tensor_file *f, int i);
const ito_tensor *ito_tensor_file_find(const ito_tensor_file *f, const char *name); /* NULL if none */
const char *ito_tensor_file_metadata(const ito_tensor_file *f, const char *key);    /* NULL if none */
int ito_tensor_file_metadata_count(const ito_tensor_file *f);
ito_metadata ito_tensor_file_metadata_at(const ito_tensor_file *f, int i);
/* Converts any dtype to float / double; `out` has t->count entries. */
void ito_tensor_read_f32(const ito_tensor *t, float *out);
void ito_tensor_read_f64(const ito_tensor *t, double *out);

/* Writes tensors in the given order. data of each is row-major of its dtype. */
ito_status ito_safetensors_write(const char *path, int n, const ito_tensor *tensors, int n_metadata,
                                 const ito_metadata *metadata, ito_error *err);
/* Copies tensors of an open file under the names and dtypes of targets, whose data are not used: F32 or BF16.
 * sources[i] is a tensor of `from` of as many elements; NULL gives zeros. Streams, so that memory does not
 * depend on sizes; compares checksums; reads all back and compares it before the file gets its name.
 * progress hears of bytes, of which each counts twice: written and read back. Errors: NUMERIC names a number
 * that is not finite; FORMAT, IO. */
ito_status ito_safetensors_copy(const char *path, ito_tensor_file *from, int n, const ito_tensor *targets,
                                const ito_tensor *const *sources, int n_metadata,
                                const ito_metadata *metadata, ito_progress progress, ito_error *err);
/* float <-> bfloat16, round to nearest even; NaN stays NaN. */
void ito_bf16_from_f32(int64_t n, const float *x, uint16_t *out);
void ito_f32_from_bf16(int64_t n, const uint16_t *x, float *out);

/* ---- .npz: arrays of .npy (version 1.0) in a zip
 * -------------------------------------------------------------------- */

/* dtype U8, I32, I64, F32 or F64. */
ito_status ito_npz_write(const char *path, int n, const ito_tensor *arrays, ito_error *err);
ito_status ito_npz_open(const char *path, ito_tensor_file **out, ito_error *err);
/* One array as .npy, of the same dtypes. Its name is not stored. */
ito_status ito_npy_write(const char *path, const ito_tensor *array, ito_error *err);
/* A file of that one array, which is given the name. */
ito_status ito_npy_open(const char *path, const char *name, ito_tensor_file **out, ito_error *err);

/* ---- CSV
 * ------------------------------------------------------------------------------------------------------------
 */

/* A line with the names, then one for each row of x [n, columns]; 17 digits, which read back to the same
 * bits. */
ito_status ito_csv_write(const char *path, int64_t n, int columns, const char *const *names, const double *x,
                         ito_error *err);
/* Decimal numbers with commas between, a row a line; a first line of names is passed over. x [n, columns] is
 * the caller's (free()). FORMAT names the line that is no such row. */
ito_status ito_csv_read(const char *path, int64_t *n, int64_t *columns, double **x, ito_error *err);

/* ---- images
 * ----------------------------------------------------------------------------------------------------------
 */

/* 8-bit images, [n, height, width, channels], channels 1 or 3, row-major. */
typedef struct ito_images {
    int64_t n, height, width, channels;
    uint8_t *pixels; /* owned: ito_images_release */
} ito_images;
ito_status ito_images_init(ito_images *im, int64_t n, int64_t height, int64_t width, int64_t channels,
                           ito_error *err);
void ito_images_release(ito_images *im);
/* States [n, C, H, W] in [-1, 1] (centered) or [0, 1] -> bytes: clamp, scale to 0..255, round to nearest.
 * crop removes that many pixels on every side (padding added by the data set). */
ito_status ito_images_from_states(ito_images *im, int64_t n, int64_t channels, int64_t size, int64_t crop,
                                  bool centered, const double *x, ito_error *err);
ito_status ito_png_write(const char *path, const uint8_t *pixels, int64_t height, int64_t width,
                         int64_t channels, ito_error *err);
ito_status ito_png_read(const char *path, ito_images *out,
                        ito_error *err); /* n = 1; 1 or 3 channels, 8 bits */
/* A PNG, JPEG or WebP, whatever its name: grey with 1 channel, colour with 3 (WebP always); transparency is
 * dropped. A JPEG of four inks and an animation are UNSUPPORTED. */
ito_status ito_image_read(const char *path, ito_images *out, ito_error *err);
/* A grid of `columns` (0: the square root of n, rounded up), `zoom` x magnified by repetition, `gap` pixels
 * of white between. */
ito_status ito_png_write_grid(const char *path, const ito_images *im, int64_t columns, int zoom, int gap,
                              ito_error *err);
/* The grid as an image of its own, for animation frames. */
ito_status ito_images_grid(const ito_images *im, int64_t columns, int zoom, int gap, ito_images *out,
                           ito_error *err);
/* Animated WebP, frames [n, H, W, C] shown frame_ms each, the last last_ms, endlessly looping, lossless. */
ito_status ito_webp_write(const char *path, const ito_images *frames, int frame_ms, int last_ms,
                          ito_error *err);

/* ---- line plots (loss curves, bench figures): a small plain chart with axes, ticks, labels, legend
 * ------------------- */

typedef struct ito_series {
    const char *label;
    int64_t n;
    const double *x, *y;
} ito_series;
typedef struct ito_plot {
    const char *title, *x_label, *y_label;
    bool log_x, log_y;
    int n;
    const ito_series *series;
    /* The rest may stay 0. */
    const char *band_label; /* of a grey band across the chart, from band_low to band_high */
    double band_low, band_high;
    double y_low, y_high; /* the range shown; y_low = y_high: that of the points */
    bool legend_beside;   /* right of the chart instead of in a corner: for many curves */
} ito_plot;
ito_status ito_plot_write(const char *path, const ito_plot *plot, ito_error *err);
/* n charts below one another in one picture. */
ito_status ito_plots_write(const char *path, int n, const ito_plot *plots, ito_error *err);

/* ---- scatter plots: points of the plane, perhaps over a density
 * ----------------------------------------------------------------- */

typedef struct ito_scatter {
    const char *title; /* above the square; NULL: none */
    double half;       /* both axes run from -half to half, in equal scale */
    int64_t n;
    const double *x;       /* [n, 2]; points outside, or not finite, are not drawn */
    int64_t side;          /* cells of the density on either axis; 0: none */
    const double *density; /* [side, side] at the cells' centres, rows from below to above, any unit */
} ito_scatter;
/* A picture of size x size pixels, [1, size, size, 3]. From 400 pixels on the grid has its numbers. Release
 * *out. */
ito_status ito_scatter_draw(const ito_scatter *s, int size, ito_images *out, ito_error *err);

/* ---- IDX (the MNIST family), gzip or plain
 * ---------------------------------------------------------------------------- */

/* Reads an IDX file of unsigned bytes. dims[0..rank-1], rank <= 3; bytes owned by the caller (free()). */
ito_status ito_idx_read(const char *path, int *rank, int64_t dims[3], uint8_t **bytes, ito_error *err);

/* ---- text files
 * ----------------------------------------------------------------------------------------------------------
 */

/* The whole file, NUL-terminated, at most max bytes; free(). */
ito_status ito_file_read(const char *path, size_t max, char **text, size_t *length, ito_error *err);
/* Beside, fsync, rename. */
ito_status ito_file_write(const char *path, const void *data, size_t length, ito_error *err);
/* mkdir -p. */
ito_status ito_directory_make(const char *path, ito_error *err);

#if defined(__GNUC__)
#pragma GCC visibility pop
#endif
#ifdef __cplusplus
}
#endif
#endif
