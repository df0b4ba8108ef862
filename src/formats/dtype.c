/* SPDX-License-Identifier: Apache-2.0
 *
 * Element types of stored tensors, and their conversion to the types we compute in.
 *
 * bfloat16 is the upper half of a float; float16 has 5 exponent and 10 fraction bits. Stored data may lie at
 * any address, so elements are read through memcpy, which compiles to a plain load.
 */
#include <assert.h>
#include <ito/formats.h>
#include <math.h>
#include <string.h>

#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "stored tensors are little-endian and are used in place: a big-endian port must swap bytes here"
#endif

static const struct {
    const char *name;
    size_t size;
} dtypes[] = {
    [ITO_DTYPE_F64] = {"F64", 8},   [ITO_DTYPE_F32] = {"F32", 4}, [ITO_DTYPE_F16] = {"F16", 2},
    [ITO_DTYPE_BF16] = {"BF16", 2}, [ITO_DTYPE_I64] = {"I64", 8}, [ITO_DTYPE_I32] = {"I32", 4},
    [ITO_DTYPE_U8] = {"U8", 1},
};
static_assert(sizeof dtypes / sizeof dtypes[0] == ITO_DTYPE_COUNT, "a dtype lacks its row");

size_t ito_dtype_size(ito_dtype dtype) {
    return dtypes[dtype].size;
}

const char *ito_dtype_name(ito_dtype dtype) {
    return dtypes[dtype].name;
}

static uint16_t bf16_of(float x) {
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    /* Rounding could carry a NaN's fraction away and leave an infinity: set its quiet bit instead. */
    if ((bits & 0x7fffffff) > 0x7f800000) return (uint16_t)(bits >> 16 | 0x40);
    return (uint16_t)((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

static float of_bf16(uint16_t half) {
    uint32_t bits = (uint32_t)half << 16;
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

static float of_f16(uint16_t half) {
    int exponent = half >> 10 & 31, fraction = half & 1023;
    float magnitude;
    if (exponent == 31)
        magnitude = fraction == 0 ? INFINITY : NAN;
    else if (exponent == 0)
        magnitude = ldexpf((float)fraction, -24);
    else
        magnitude = ldexpf((float)(fraction + 1024), exponent - 25);
    return half & 0x8000 ? -magnitude : magnitude;
}

void ito_bf16_from_f32(int64_t n, const float *x, uint16_t *out) {
    for (int64_t i = 0; i < n; i++) out[i] = bf16_of(x[i]);
}

void ito_f32_from_bf16(int64_t n, const uint16_t *x, float *out) {
    for (int64_t i = 0; i < n; i++) out[i] = of_bf16(x[i]);
}

/* One loop over the elements of a tensor: loads `stored` from wherever it lies and writes `value` of it. */
#define CONVERT(stored_type, value)                                                                          \
    for (int64_t i = 0; i < t->count; i++) {                                                                 \
        stored_type stored;                                                                                  \
        memcpy(&stored, bytes + (size_t)i * sizeof stored, sizeof stored);                                   \
        out[i] = (value);                                                                                    \
    }

void ito_tensor_read_f32(const ito_tensor *t, float *out) {
    const unsigned char *bytes = t->data;
    switch (t->dtype) {
    case ITO_DTYPE_F64: CONVERT(double, (float)stored) break;
    case ITO_DTYPE_F32: CONVERT(float, stored) break;
    case ITO_DTYPE_F16: CONVERT(uint16_t, of_f16(stored)) break;
    case ITO_DTYPE_BF16: CONVERT(uint16_t, of_bf16(stored)) break;
    case ITO_DTYPE_I64: CONVERT(int64_t, (float)stored) break;
    case ITO_DTYPE_I32: CONVERT(int32_t, (float)stored) break;
    case ITO_DTYPE_U8: CONVERT(uint8_t, (float)stored) break;
    case ITO_DTYPE_COUNT: break;
    }
}

void ito_tensor_read_f64(const ito_tensor *t, double *out) {
    const unsigned char *bytes = t->data;
    switch (t->dtype) {
    case ITO_DTYPE_F64: CONVERT(double, stored) break;
    case ITO_DTYPE_F32: CONVERT(float, (double)stored) break;
    case ITO_DTYPE_F16: CONVERT(uint16_t, (double)of_f16(stored)) break;
    case ITO_DTYPE_BF16: CONVERT(uint16_t, (double)of_bf16(stored)) break;
    case ITO_DTYPE_I64: CONVERT(int64_t, (double)stored) break;
    case ITO_DTYPE_I32: CONVERT(int32_t, (double)stored) break;
    case ITO_DTYPE_U8: CONVERT(uint8_t, (double)stored) break;
    case ITO_DTYPE_COUNT: break;
    }
}
