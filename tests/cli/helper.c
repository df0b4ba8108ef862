/* SPDX-License-Identifier: Apache-2.0
 *
 * What the command-line stories need beyond a shell:
 *     cli_helper idx FOLDER N             Fashion-MNIST's four files with N images of random bytes
 *     cli_helper cifar FOLDER N           CIFAR-10's six files with N images each of random bytes
 *     cli_helper pictures FOLDER N        N small PNG and JPEG in FOLDER/train and FOLDER/test, in folders a
 * and b cli_helper input FILE N C S [CLASS]   a .safetensors with x [N,C,S,S], labels [N], and classes [N]
 *     cli_helper difference A.npz B.npz   prints the largest difference of their `images`
 *     cli_helper mean A.npz B.npz         prints their mean difference, in millionths of a grey level
 *     cli_helper far A.npz B.npz ARRAY    prints the largest difference of as many rows as both arrays have
 *     cli_helper grey A.npz               prints how many per cent of its pixels are neither black nor white
 *     cli_helper close A TENSOR B TENSOR BOUND   exit 0 when A's tensor is that close to B's, relative to the
 *                                         largest of B's; prints the distance
 *     cli_helper ring A.npz               prints, for `points`, how many per cent lie within 4 deviations of
 * the nearest of gmm:8gaussians, and how many per cent its rarest one has cli_helper picture A.png prints
 * width and height of a picture that reads back cli_helper poison IN OUT            copies a checkpoint with
 * NaN for all its live weights cli_helper same A B                 exit 0 when two .safetensors hold the same
 * tensors, bit for bit
 */
#include "support/jpeg.h"

#include <ito/formats.h>
#include <ito/random.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int fail(const char *what) {
    fprintf(stderr, "cli_helper: %s\n", what);
    return 1;
}

/* ---- idx */

static void put_big_endian(uint8_t *to, int64_t value) {
    for (int i = 0; i < 4; i++) to[i] = (uint8_t)(value >> (24 - 8 * i));
}

static ito_status write_idx(const char *folder, const char *name, int rank, const int64_t *dims,
                            uint32_t top) {
    char path[4096];
    size_t count = 1, header = 4 + 4 * (size_t)rank;
    for (int i = 0; i < rank; i++) count *= (size_t)dims[i];
    uint8_t *bytes = calloc(header + count, 1);
    uint32_t *bits = calloc(count, sizeof *bits);
    ito_status st = ITO_E_NOMEM;
    if (bytes && bits) {
        bytes[2] = 8; /* unsigned bytes */
        bytes[3] = (uint8_t)rank;
        for (int i = 0; i < rank; i++) put_big_endian(bytes + 4 + 4 * i, dims[i]);
        ito_random_bits((ito_stream){.seed = 1, .purpose = ITO_RNG_USER}, 0, (int64_t)count, bits);
        for (size_t i = 0; i < count; i++) bytes[header + i] = (uint8_t)(bits[i] % top);
        snprintf(path, sizeof path, "%s/%s", folder, name);
        st = ito_file_write(path, bytes, header + count, NULL);
    }
    free(bits);
    free(bytes);
    return st;
}

static int make_idx(const char *folder, int64_t n) {
    int64_t dims[] = {n, 28, 28};
    ito_status st = write_idx(folder, "train-images-idx3-ubyte", 3, dims, 256);
    if (st == ITO_OK) st = write_idx(folder, "train-labels-idx1-ubyte", 1, dims, 10);
    if (st == ITO_OK) st = write_idx(folder, "t10k-images-idx3-ubyte", 3, dims, 256);
    if (st == ITO_OK) st = write_idx(folder, "t10k-labels-idx1-ubyte", 1, dims, 10);
    return st == ITO_OK ? 0 : fail("cannot write the data");
}

/* ---- other data sets */

static void fill(uint8_t *bytes, int64_t n, int64_t sample, uint32_t top) {
    uint32_t *bits = calloc((size_t)n, sizeof *bits);
    if (!bits) abort();
    ito_random_bits((ito_stream){.seed = 3, .purpose = ITO_RNG_USER, .sample = sample}, 0, n, bits);
    for (int64_t i = 0; i < n; i++) bytes[i] = (uint8_t)(bits[i] % top);
    free(bits);
}

static int make_cifar(const char *folder, int64_t n) {
    enum { RECORD = 3073, FILES = 6 };
    char path[4096];
    uint8_t *bytes = malloc((size_t)n * RECORD);
    ito_status st = bytes ? ITO_OK : ITO_E_NOMEM;
    for (int k = 0; k < FILES && st == ITO_OK; k++) {
        fill(bytes, n * RECORD, k, 256);
        for (int64_t i = 0; i < n; i++) bytes[i * RECORD] %= 10;
        if (k == FILES - 1)
            snprintf(path, sizeof path, "%s/test_batch.bin", folder);
        else
            snprintf(path, sizeof path, "%s/data_batch_%d.bin", folder, k + 1);
        st = ito_file_write(path, bytes, (size_t)n * RECORD, NULL);
    }
    free(bytes);
    return st == ITO_OK ? 0 : fail("cannot write the data");
}

static int make_pictures(const char *folder, int64_t n) {
    enum { LARGEST = 48 };
    uint8_t pixels[3 * LARGEST * LARGEST];
    char path[4096];
    ito_status st = ITO_OK;
    for (int64_t k = 0; k < 4; k++) {
        snprintf(path, sizeof path, "%s/%s/%c", folder, k < 2 ? "train" : "test", k % 2 ? 'b' : 'a');
        if (st == ITO_OK) st = ito_directory_make(path, NULL);
    }
    for (int64_t k = 0; k < 2 * n && st == ITO_OK; k++) {
        int height = 32 + (int)(k % 3) * 8, width = LARGEST - (int)(k % 2) * 6;
        fill(pixels, 3 * height * width, k, 256);
        snprintf(path, sizeof path, "%s/%s/%c/%03d.%s", folder, k < n ? "train" : "test", k % 2 ? 'b' : 'a',
                 (int)k, k % 4 < 2 ? "png" : "jpg");
        if (k % 4 < 2)
            st = ito_png_write(path, pixels, height, width, 3, NULL);
        else
            jpeg_write(path, pixels, height, width, 3, 90);
    }
    return st == ITO_OK ? 0 : fail("cannot write the data");
}

/* ---- tensors */

/* class: of all rows, -2 for a file without classes. */
static int make_input(const char *path, int64_t n, int64_t channels, int64_t size, int64_t class) {
    ito_tensor t[3] = {{.name = "x", .dtype = ITO_DTYPE_F32, .rank = 4, .dim = {n, channels, size, size}},
                       {.name = "labels", .dtype = ITO_DTYPE_F32, .rank = 1, .dim = {n}, .count = n},
                       {.name = "classes", .dtype = ITO_DTYPE_F32, .rank = 1, .dim = {n}, .count = n}};
    t[0].count = n * channels * size * size;
    double *normal = calloc((size_t)t[0].count, sizeof *normal);
    float *x = calloc((size_t)(t[0].count + 2 * n), sizeof *x);
    const int count = class < -1 ? 2 : 3;
    int status = 1;
    if (normal && x) {
        ito_random_normal((ito_stream){.seed = 2, .purpose = ITO_RNG_USER}, 0, t[0].count, normal);
        for (int64_t i = 0; i < t[0].count; i++) x[i] = (float)normal[i];
        for (int64_t k = 0; k < n; k++) {
            x[t[0].count + k] = (float)(100 * (k + 1));
            x[t[0].count + n + k] = (float)class;
        }
        t[0].data = x;
        t[1].data = x + t[0].count;
        t[2].data = x + t[0].count + n;
        const size_t length = strlen(path);
        const bool npz = length > 4 && strcmp(path + length - 4, ".npz") == 0;
        const ito_status st =
            npz ? ito_npz_write(path, count, t, NULL) : ito_safetensors_write(path, count, t, 0, NULL, NULL);
        status = st == ITO_OK ? 0 : fail("cannot write the input");
    }
    free(x);
    free(normal);
    return status;
}

static int print_difference(const char *a, const char *b, bool mean) {
    ito_tensor_file *files[2] = {NULL, NULL};
    int status = 1, largest = 0;
    double sum = 0;
    if (ito_npz_open(a, &files[0], NULL) != ITO_OK || ito_npz_open(b, &files[1], NULL) != ITO_OK) goto done;
    const ito_tensor *x = ito_tensor_file_find(files[0], "images"),
                     *y = ito_tensor_file_find(files[1], "images");
    if (!x || !y || x->count != y->count || x->dtype != ITO_DTYPE_U8 || y->dtype != ITO_DTYPE_U8) goto done;
    if (x->rank != 4 || memcmp(x->dim, y->dim, 4 * sizeof x->dim[0]) != 0) goto done;
    const uint8_t *p = x->data, *q = y->data;
    for (int64_t i = 0; i < x->count; i++) {
        int difference = p[i] > q[i] ? p[i] - q[i] : q[i] - p[i];
        if (difference > largest) largest = difference;
        sum += difference;
    }
    printf("%d\n", mean ? (int)(1e6 * sum / (double)x->count) : largest);
    status = 0;
done:
    ito_tensor_file_close(files[0]);
    ito_tensor_file_close(files[1]);
    return status ? fail("no comparable images") : 0;
}

static int print_far(const char *a, const char *b, const char *name) {
    ito_tensor_file *files[2] = {NULL, NULL};
    double *x = NULL, *y = NULL, far = 0;
    int status = 1;
    if (ito_npz_open(a, &files[0], NULL) != ITO_OK || ito_npz_open(b, &files[1], NULL) != ITO_OK) goto done;
    const ito_tensor *p = ito_tensor_file_find(files[0], name), *q = ito_tensor_file_find(files[1], name);
    if (!p || !q || p->count == 0 || q->count == 0) goto done;
    if (p->count / p->dim[0] != q->count / q->dim[0]) goto done;
    x = calloc((size_t)p->count, sizeof *x);
    y = calloc((size_t)q->count, sizeof *y);
    if (!x || !y) goto done;
    ito_tensor_read_f64(p, x);
    ito_tensor_read_f64(q, y);
    for (int64_t i = 0; i < p->count && i < q->count; i++) far = fmax(far, fabs(x[i] - y[i]));
    printf("%.2e\n", far);
    status = 0;
done:
    free(y);
    free(x);
    ito_tensor_file_close(files[0]);
    ito_tensor_file_close(files[1]);
    return status ? fail("no comparable arrays") : 0;
}

static int print_grey(const char *path) {
    ito_tensor_file *f = NULL;
    if (ito_npz_open(path, &f, NULL) != ITO_OK) return fail("no images");
    const ito_tensor *x = ito_tensor_file_find(f, "images");
    int64_t grey = 0;
    if (x && x->dtype == ITO_DTYPE_U8 && x->count > 0) {
        const uint8_t *p = x->data;
        for (int64_t i = 0; i < x->count; i++) grey += p[i] > 0 && p[i] < 255;
        printf("%lld\n", (long long)(100 * grey / x->count));
    }
    ito_tensor_file_close(f);
    return 0;
}

static int print_ring(const char *path) {
    enum { ARMS = 8 };
    const double pi = 3.14159265358979323846, radius = 2, reach = 4 * 0.2;
    ito_tensor_file *f = NULL;
    if (ito_npz_open(path, &f, NULL) != ITO_OK) return fail("no points");
    const ito_tensor *t = ito_tensor_file_find(f, "points");
    int64_t near = 0, each[ARMS] = {0}, rarest = INT64_MAX;
    double *x = t ? calloc((size_t)t->count, sizeof *x) : NULL;
    const bool good = x && t->rank == 2 && t->dim[1] == 2 && t->dtype == ITO_DTYPE_F64;
    if (good) {
        ito_tensor_read_f64(t, x);
        for (int64_t k = 0; k < t->dim[0]; k++) {
            const int arm = (int)lround(atan2(x[2 * k + 1], x[2 * k]) * ARMS / (2 * pi)) & (ARMS - 1);
            const double angle = 2 * pi * arm / ARMS;
            each[arm]++;
            near += hypot(x[2 * k] - radius * cos(angle), x[2 * k + 1] - radius * sin(angle)) < reach;
        }
        for (int arm = 0; arm < ARMS; arm++) rarest = each[arm] < rarest ? each[arm] : rarest;
        printf("%lld %lld\n", (long long)(100 * near / t->dim[0]), (long long)(100 * rarest / t->dim[0]));
    }
    free(x);
    ito_tensor_file_close(f);
    return good ? 0 : fail("no points of the plane");
}

static int print_picture(const char *path) {
    ito_images im = {0};
    if (ito_png_read(path, &im, NULL) != ITO_OK) return fail("no picture");
    printf("%lld %lld\n", (long long)im.width, (long long)im.height);
    ito_images_release(&im);
    return 0;
}

static bool equal_tensors(const ito_tensor *x, const ito_tensor *y) {
    if (!x || !y || x->dtype != y->dtype || x->count != y->count) return false;
    return memcmp(x->data, y->data, (size_t)x->count * ito_dtype_size(x->dtype)) == 0;
}

static int compare_tensors(const char *a, const char *b) {
    ito_tensor_file *files[2] = {NULL, NULL};
    int status = 1;
    if (ito_safetensors_open(a, &files[0], NULL) == ITO_OK &&
        ito_safetensors_open(b, &files[1], NULL) == ITO_OK) {
        int count = ito_tensor_file_count(files[0]);
        status = count == 0 || count != ito_tensor_file_count(files[1]);
        for (int i = 0; i < count && status == 0; i++) {
            const ito_tensor *x = ito_tensor_file_at(files[0], i);
            status = !equal_tensors(x, ito_tensor_file_find(files[1], x->name));
        }
    }
    ito_tensor_file_close(files[0]);
    ito_tensor_file_close(files[1]);
    return status;
}

static int print_distance(char *const *words) {
    ito_tensor_file *files[2] = {NULL, NULL};
    float *x = NULL, *y = NULL;
    double far = 0, largest = 0;
    int status = 1;
    if (ito_safetensors_open(words[0], &files[0], NULL) != ITO_OK) goto done;
    if (ito_safetensors_open(words[2], &files[1], NULL) != ITO_OK) goto done;
    const ito_tensor *a = ito_tensor_file_find(files[0], words[1]),
                     *b = ito_tensor_file_find(files[1], words[3]);
    if (!a || !b || a->count != b->count) goto done;
    x = calloc((size_t)a->count + 1, sizeof *x);
    y = calloc((size_t)a->count + 1, sizeof *y);
    if (!x || !y) goto done;
    ito_tensor_read_f32(a, x);
    ito_tensor_read_f32(b, y);
    for (int64_t i = 0; i < a->count; i++) {
        far = fmax(far, fabs((double)x[i] - (double)y[i]));
        largest = fmax(largest, fabs((double)y[i]));
    }
    printf("%.1e\n", far / largest);
    status = !(far <= atof(words[4]) * largest);
done:
    free(y);
    free(x);
    ito_tensor_file_close(files[0]);
    ito_tensor_file_close(files[1]);
    return status;
}

static int poison(const char *from, const char *to) {
    ito_tensor_file *f = NULL;
    if (ito_safetensors_open(from, &f, NULL) != ITO_OK) return fail("cannot read the checkpoint");
    int n = ito_tensor_file_count(f), n_metadata = ito_tensor_file_metadata_count(f), status = 1;
    ito_tensor *t = calloc((size_t)n + 1, sizeof *t);
    ito_metadata *m = calloc((size_t)n_metadata + 1, sizeof *m);
    int64_t largest = 1;
    for (int i = 0; i < n; i++) {
        int64_t bytes =
            ito_tensor_file_at(f, i)->count * (int64_t)ito_dtype_size(ito_tensor_file_at(f, i)->dtype);
        if (bytes > largest) largest = bytes;
    }
    void *nan = malloc((size_t)largest);
    if (t && m && nan) {
        memset(nan, 0xff, (size_t)largest); /* all bits set is a NaN in every float format */
        for (int i = 0; i < n_metadata; i++) m[i] = ito_tensor_file_metadata_at(f, i);
        for (int i = 0; i < n; i++) {
            t[i] = *ito_tensor_file_at(f, i);
            if (strncmp(t[i].name, "live/", 5) == 0) t[i].data = nan;
        }
        status = ito_safetensors_write(to, n, t, n_metadata, m, NULL) == ITO_OK ? 0 : fail("cannot write");
    }
    free(nan);
    free(m);
    free(t);
    ito_tensor_file_close(f);
    return status;
}

int main(int argc, char **argv) {
    if (argc == 4 && strcmp(argv[1], "idx") == 0) return make_idx(argv[2], atoll(argv[3]));
    if (argc == 4 && strcmp(argv[1], "cifar") == 0) return make_cifar(argv[2], atoll(argv[3]));
    if (argc == 4 && strcmp(argv[1], "pictures") == 0) return make_pictures(argv[2], atoll(argv[3]));
    if ((argc == 6 || argc == 7) && strcmp(argv[1], "input") == 0)
        return make_input(argv[2], atoll(argv[3]), atoll(argv[4]), atoll(argv[5]),
                          argc == 7 ? atoll(argv[6]) : -2);
    if (argc == 4 && strcmp(argv[1], "difference") == 0) return print_difference(argv[2], argv[3], false);
    if (argc == 4 && strcmp(argv[1], "mean") == 0) return print_difference(argv[2], argv[3], true);
    if (argc == 5 && strcmp(argv[1], "far") == 0) return print_far(argv[2], argv[3], argv[4]);
    if (argc == 7 && strcmp(argv[1], "close") == 0) return print_distance(argv + 2);
    if (argc == 3 && strcmp(argv[1], "grey") == 0) return print_grey(argv[2]);
    if (argc == 3 && strcmp(argv[1], "ring") == 0) return print_ring(argv[2]);
    if (argc == 3 && strcmp(argv[1], "picture") == 0) return print_picture(argv[2]);
    if (argc == 4 && strcmp(argv[1], "poison") == 0) return poison(argv[2], argv[3]);
    if (argc == 4 && strcmp(argv[1], "same") == 0) return compare_tensors(argv[2], argv[3]);
    return fail("unknown call");
}
