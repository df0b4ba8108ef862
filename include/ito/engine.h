/* SPDX-License-Identifier: Apache-2.0
 *
 * The engine: build a graph of shaped symbolic nodes, differentiate it, plan it, run it.
 *
 *   ito_graph *g;      ito_graph_create(&g, err);
 *   ito_node *x = ito_input(g, "x", ITO_SHAPE(8, 3, 32, 32));
 *   ito_node *w = ito_param(g, "conv.weight", ITO_SHAPE(16, 3, 3, 3), ito_init_fan_avg(1));
 *   ito_node *y = ito_sum(ito_square(ito_conv2d(x, w, NULL, ito_conv_same(3))));     y is a scalar
 *   ito_node *dw;      ito_gradients(y, NULL, 1, &w, &dw);          dw is an ordinary node: differentiate
 * again ito_plan *p;       ito_plan_create(g, 2, (ito_node *[]){y, dw}, &options, &p, err); ito_workspace
 * *ws; ito_workspace_create(p, &ws, err); ito_workspace_bind(ws, x, data, err) ...                        for
 * every input, parameter and output ito_plan_run(p, ws, err);                                       allocates
 * nothing
 *
 * Every tensor a caller binds is dense, row-major float (double in an ITO_F64 plan). Images are [N, C, H, W].
 * Functions that build nodes never fail on the spot: a bad op poisons its graph and returns a node that is
 * safe to build on; ito_plan_create reports the first bad op. Nodes belong to their graph and live as long as
 * it. A graph belongs to one thread; a plan is immutable and may be shared, each thread with its own
 * workspace.
 */
#ifndef ITO_ENGINE_H
#define ITO_ENGINE_H

#include <ito/random.h>
#include <ito/status.h>
#include <stdbool.h>
#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif
#if defined(__GNUC__)
#pragma GCC visibility push(default)
#endif

#define ITO_MAX_RANK 6

typedef struct ito_shape {
    int rank;
    int64_t dim[ITO_MAX_RANK];
} ito_shape;

/* ITO_SHAPE(2, 3) is the shape [2, 3]; ito_shape_scalar() is []. */
#define ITO_SHAPE(...) ((ito_shape){(int)(sizeof((int64_t[]){__VA_ARGS__}) / sizeof(int64_t)), {__VA_ARGS__}})
ito_shape ito_shape_scalar(void);
int64_t ito_shape_count(ito_shape shape); /* product of the dimensions; 1 for a scalar */
bool ito_shape_equal(ito_shape a, ito_shape b);

typedef struct ito_graph ito_graph;
typedef struct ito_node ito_node;

ito_status ito_graph_create(ito_graph **out, ito_error *err);
void ito_graph_free(ito_graph *g);
/* The first bad op's status and sentence, ITO_OK if there is none. Network code calls ito_graph_poison for
 * its own refusals, so that builders need no error path. */
ito_status ito_graph_status(const ito_graph *g, ito_error *err);
#if defined(__GNUC__)
__attribute__((format(printf, 3, 4)))
#endif
void ito_graph_poison(ito_graph *g, ito_status status, const char *format, ...);
/* Nodes made between two calls carry this label in error messages, descriptions and profiles
 * ("down.0.block.1"). */
void ito_graph_scope(ito_graph *g, const char *label);

ito_shape ito_node_shape(const ito_node *x);
const char *ito_node_name(const ito_node *x); /* of an input or parameter; "" otherwise */
ito_graph *ito_node_graph(const ito_node *x);

/* ---- leaves
 * ---------------------------------------------------------------------------------------------------- */

/* How ito_params_init draws a parameter. fan_avg: uniform with variance scale * 2 / (fan_in + fan_out), as
 * the published code's default_init; fan_in/fan_out from the shape: [O, I, k...] for weights. Scale 0 means
 * 1e-10. */
typedef enum ito_init_kind {
    ITO_INIT_ZEROS,
    ITO_INIT_ONES,
    ITO_INIT_FAN_AVG,
    ITO_INIT_NORMAL,
    ITO_INIT_UNIFORM,  /* on [-scale, scale] */
    ITO_INIT_NEAR_ONE, /* normal around 1 */
    ITO_INIT_NORM_ROWS /* rows [gamma | alpha | beta] of a conditional norm: the same, and zeros for beta */
} ito_init_kind;
typedef struct ito_init {
    ito_init_kind kind;
    double scale;
} ito_init;
ito_init ito_init_zeros(void);
ito_init ito_init_ones(void);
ito_init ito_init_fan_avg(double scale);
ito_init ito_init_normal(double std);
ito_init ito_init_uniform(double limit);
ito_init ito_init_near_one(double std);
ito_init ito_init_norm_rows(double std);

ito_node *ito_input(ito_graph *g, const char *name, ito_shape shape);
ito_node *ito_param(ito_graph *g, const char *name, ito_shape shape,
                    ito_init init); /* trainable; name is unique */
ito_node *ito_buffer(ito_graph *g, const char *name, ito_shape shape,
                     ito_init init); /* stored, never trained */
ito_node *ito_fill(ito_graph *g, double value, ito_shape shape);

int ito_graph_param_count(const ito_graph *g); /* parameters and buffers, in the order they were made */
ito_node *ito_graph_param(const ito_graph *g, int index);
ito_node *ito_graph_find(const ito_graph *g, const char *name); /* input, parameter or buffer; NULL if none */
bool ito_node_trainable(const ito_node *x);

/* ---- elementwise
 * ------------------------------------------------------------------------------------------------ */

/* Broadcasting as NumPy: shapes aligned at the right, dimensions equal or 1. */
ito_node *ito_add(ito_node *a, ito_node *b);
ito_node *ito_sub(ito_node *a, ito_node *b);
ito_node *ito_mul(ito_node *a, ito_node *b);
ito_node *ito_div(ito_node *a, ito_node *b);
ito_node *ito_scale(ito_node *x, double a);            /* a x */
ito_node *ito_affine(ito_node *x, double a, double b); /* a x + b */
ito_node *ito_neg(ito_node *x);
ito_node *ito_square(ito_node *x);
ito_node *ito_exp(ito_node *x);
ito_node *ito_log(ito_node *x);
ito_node *ito_sqrt(ito_node *x);
ito_node *ito_sin(ito_node *x);
ito_node *ito_cos(ito_node *x);
ito_node *ito_sigmoid(ito_node *x);
ito_node *ito_tanh(ito_node *x);
ito_node *ito_silu(ito_node *x); /* x sigmoid(x) */
ito_node *ito_relu(ito_node *x);
ito_node *ito_elu(ito_node *x);  /* x > 0 ? x : e^x - 1 */
ito_node *ito_step(ito_node *x); /* x > 0 ? 1 : 0; its derivative is 0 */

/* ---- reductions and shape
 * --------------------------------------------------------------------------------------- */

ito_node *ito_sum(ito_node *x);  /* over everything, to a scalar */
ito_node *ito_mean(ito_node *x); /* likewise */
/* Sums over the dimensions where `shape` has 1 (or lacks them on the left): the adjoint of ito_broadcast. */
ito_node *ito_sum_to(ito_node *x, ito_shape shape);
ito_node *ito_mean_to(ito_node *x, ito_shape shape);
ito_node *ito_broadcast(ito_node *x, ito_shape shape);
ito_node *ito_reshape(ito_node *x, ito_shape shape);
ito_node *ito_permute(ito_node *x, const int *order);                    /* y.dim[i] = x.dim[order[i]] */
ito_node *ito_slice(ito_node *x, int axis, int64_t begin, int64_t end);  /* [begin, end) */
ito_node *ito_pad(ito_node *x, int axis, int64_t before, int64_t after); /* with zeros */
ito_node *ito_concat(int count, ito_node *const *parts, int axis);

/* ---- matrices, convolutions, images
 * ----------------------------------------------------------------------------- */

/* [..., M, K] x [..., K, N] -> [..., M, N]; transpose_a / transpose_b say that the operand is stored [..., K,
 * M] /
 * [..., N, K]. Leading dimensions are equal, or absent in one operand, which is then shared. */
ito_node *ito_matmul(ito_node *a, ito_node *b, bool transpose_a, bool transpose_b);

/* x [N, C, H, W], w [O, C, kh, kw], bias [O] or NULL -> [N, O, H', W']. */
typedef struct ito_conv {
    int stride, pad, dilation;
} ito_conv;
ito_conv ito_conv_same(int kernel); /* stride 1, dilation 1, pad (kernel - 1) / 2 */
ito_node *ito_conv2d(ito_node *x, ito_node *w, ito_node *bias, ito_conv conv);

ito_node *ito_upsample_nearest(ito_node *x, int factor); /* [N, C, H, W] -> [N, C, fH, fW] */
ito_node *ito_average_pool(ito_node *x, int factor);     /* mean of f x f blocks; H and W divide by f */
/* The largest of the window x window pixels around each, inside the image; window is odd. Of equal ones the
 * first in reading order counts, for the gradient too. */
ito_node *ito_max_pool(ito_node *x, int window);
/* Upsample by `up` with zeros, pad, filter with the separable taps (outer product, ntaps <= 8), keep every
 * `down`-th: upfirdn2d of StyleGAN2, except that the taps are not flipped. pad_before/pad_after on both axes,
 * after upsampling; may be negative (crop). */
typedef struct ito_fir {
    int up, down, pad_before, pad_after, ntaps;
    double taps[8];
} ito_fir;
ito_node *ito_upfirdn(ito_node *x, ito_fir fir);

/* (x - mean) / sqrt(var + eps) over each group of C / groups channels (variance by 1/n), times gamma [C] plus
 * beta [C] (both may be NULL). Wu & He 2018. groups = C is instance norm. */
ito_node *ito_group_norm(ito_node *x, ito_node *gamma, ito_node *beta, int groups, double eps);
ito_node *ito_softmax(ito_node *x); /* over the last axis */
/* Attention over the pixels of images q, k, v [N, C, H, W], in heads of `width` channels (a divisor of C). Of
 * a head, with pixels i, j:  y[c, i] = sum_j p_ij v[c, j],  p_ij = softmax_j(scale sum_c q[c, i] k[c, j]).
 * Vaswani et al. 2017. The matrix p is never stored, nor kept for the gradient. */
ito_node *ito_attention(ito_node *q, ito_node *k, ito_node *v, int64_t width, double scale);
/* rows of table [V, D] picked by index [n] (numbers, rounded to the nearest, clamped to 0..V-1) -> [n, D]. */
ito_node *ito_embedding(ito_node *table, ito_node *index);
/* Zeroes each element with probability rate, scales the rest by 1 / (1 - rate). The mask comes from
 * ito_workspace_random and the node's own place in the graph: the same in forward and backward. Row k of the
 * leading dimension uses the stream of sample first_sample + k. */
ito_node *ito_dropout(ito_node *x, double rate);

/* ---- differentiate
 * ---------------------------------------------------------------------------------------------- */

/* grads[i] = d sum(y * seed) / d wrt[i]; seed NULL means ones (y is usually a scalar). An input y does not
 * depend on has a gradient of zeros. wrt are leaves, or inner nodes that no builder folded into a later op (a
 * scaling inside a sum, a norm before SiLU): asking for such a one poisons the graph. */
void ito_gradients(ito_node *y, ito_node *seed, int n, ito_node *const *wrt, ito_node **grads);

/* ---- plan and run
 * ----------------------------------------------------------------------------------------------- */

/* How a plan stores and multiplies; leaves and outputs are float in all but ITO_F64.
 *   F32    everything in float
 *   F64    the plain C reference kernels in double: for checks
 *   BF16   images between steps, and the operands of convolutions and matrix products, are bfloat16 (8 bits
 * of mantissa); sums, statistics of norms, whatever is no image, and gradients of parameters stay float. Half
 * the memory traffic; relative error some 1e-2 of the largest output. Needs AVX-512. */
typedef enum ito_precision { ITO_F32, ITO_F64, ITO_BF16, ITO_PRECISION_COUNT } ito_precision;
const char *ito_precision_name(ito_precision precision); /* "f32", "f64", "bf16" */
typedef enum ito_isa { ITO_ISA_AUTO, ITO_ISA_PLAIN, ITO_ISA_AVX2, ITO_ISA_AVX512, ITO_ISA_COUNT } ito_isa;
const char *ito_isa_name(ito_isa isa);
ito_isa ito_isa_detect(void); /* the best this processor runs */

/* Which implementation of each convolution was the fastest on this machine. A plan made with a tuning looks
 * its convolutions up by processor, version of oneDNN, threads, precision and shape, and times those that are
 * missing: forward and both gradients, our own Winograd kernel and oneDNN's implementations, in the layouts
 * of the plan and in others with the conversions that they need. That takes as long as a few runs of the
 * plan, once; the table outlives the program as a text:
 *
 *   ito_tuning_create(&t, err);
 *   if (ito_file_read(path, ITO_TUNING_BYTES, &text, NULL, NULL) == ITO_OK) ito_tuning_add(t, text, NULL);
 *   options.tuning = t;
 *   ito_plan_create(...);
 *   if (ito_tuning_measured(t) > 0) ito_file_write(path, text = ito_tuning_text(t), strlen(text), err);
 *
 * Timing never makes a plan fail: where memory runs out, or the machine is too busy to tell, the plan goes by
 * rule. Implementations round differently, so results depend on the table, to rounding; plans without one,
 * and `exact` plans, which ignore it, give the same bits in every process of a machine. A table belongs to
 * one thread at a time. */
typedef struct ito_tuning ito_tuning;
ito_status ito_tuning_create(ito_tuning **out, ito_error *err); /* empty */
void ito_tuning_free(ito_tuning *t);
/* Adds the entries of a text, those of other machines included, but for those that are there already. FORMAT:
 * it is no such text, or damaged; nothing was added. */
ito_status ito_tuning_add(ito_tuning *t, const char *text, ito_error *err);
#define ITO_TUNING_BYTES ((size_t)1 << 20) /* no text is longer */
/* false: plans look up and time nothing, for work that is shorter than the timing. true is the default. */
void ito_tuning_measure(ito_tuning *t, bool measure);
char *ito_tuning_text(const ito_tuning *t);       /* free(); NULL when memory ran out */
int64_t ito_tuning_measured(const ito_tuning *t); /* convolutions that plans timed since it was created */

typedef struct ito_plan_options {
    ito_precision precision; /* ITO_F64 needs `reference`; ITO_BF16 excludes it */
    ito_isa isa;             /* AUTO: the best available; lower ones for tests */
    bool reference;          /* plain C kernels only, no oneDNN, no fusion: the specification */
    bool exact;              /* no Winograd: convolutions by direct summation */
    bool frozen;             /* parameters do not change between runs: pack them once */
    bool profile;            /* measure every step (ito_workspace_profile) */
    bool sizes_only;         /* for ito_plan_bytes, _flops and _describe: makes no code; cannot be run */
    int threads;             /* 0: as OpenMP decides */
    ito_tuning *tuning; /* chooses convolutions by time; NULL: by rule. Borrowed while the plan is made */
} ito_plan_options;
ito_plan_options ito_plan_default(void);

typedef struct ito_plan ito_plan;
typedef struct ito_workspace ito_workspace;

ito_status ito_plan_create(ito_graph *g, int n_outputs, ito_node *const *outputs,
                           const ito_plan_options *options, ito_plan **out, ito_error *err);
void ito_plan_free(ito_plan *p);
size_t ito_plan_bytes(const ito_plan *p); /* of one workspace: arena, packed weights, scratch */
double ito_plan_flops(const ito_plan *p); /* multiply-adds of convolutions and matmuls, times 2, per run */
/* A text table: node, shape, layout, kernel, bytes. Free with free(); NULL when memory ran out. */
char *ito_plan_describe(const ito_plan *p);

/* Plan and workspace borrow the graph: free workspace, plan, graph in that order. ARG: the plan is of
 * sizes_only. */
ito_status ito_workspace_create(const ito_plan *p, ito_workspace **out, ito_error *err);
void ito_workspace_free(ito_workspace *ws);
/* Binds a leaf (read) or an output (written) to the caller's memory, which is borrowed until rebound. Every
 * leaf and output must be bound before a run; outputs must not overlap anything else. ARG: the node is no
 * leaf or output of this plan. */
ito_status ito_workspace_bind(ito_workspace *ws, const ito_node *node, void *data, ito_error *err);
/* Names the random draws of the next run: dropout masks use (seed, step, first_sample + row). */
void ito_workspace_random(ito_workspace *ws, uint64_t seed, uint32_t step, int64_t first_sample);
/* Tells a frozen plan that parameter values changed: they are packed again at the next run. */
void ito_workspace_touch(ito_workspace *ws);
/* Errors: ARG names the first unbound leaf. */
ito_status ito_plan_run(const ito_plan *p, ito_workspace *ws, ito_error *err);

typedef struct ito_profile_row {
    const char *kind; /* op and kernel: "conv2d ito_winograd", "conv2d jit_1x1:avx512_core" */
    int64_t calls;
    double seconds, flops, bytes;
} ito_profile_row;
/* Per kind of step, summed over the runs so far, slowest first; *count rows in storage owned by the
 * workspace. */
const ito_profile_row *ito_workspace_profile(ito_workspace *ws, int *count);

/* The convolution-only limit of one run of the plan: every convolution and convolution gradient in it, alone,
 * by the fastest implementation, ours or one of oneDNN's with the layouts that it likes best. Measured now;
 * takes seconds to minutes. */
ito_status ito_conv_limit(const ito_plan *p, double *seconds, ito_error *err);

/* ---- parameters: one block of named float tensors, in graph order
 * ------------------------------------------------- */

typedef struct ito_params ito_params;
ito_status ito_params_create(const ito_graph *g, ito_params **out, ito_error *err); /* zeros */
/* What ito_params_create would make: numbers, buffers included, and bytes. Allocates nothing. */
int64_t ito_graph_params_numbers(const ito_graph *g);
size_t ito_graph_params_bytes(const ito_graph *g);
ito_status ito_params_clone(const ito_params *p, ito_params **out, ito_error *err);
void ito_params_free(ito_params *p);
void ito_params_init(ito_params *p, uint64_t seed); /* by each parameter's ito_init */
int ito_params_count(const ito_params *p);
const char *ito_params_name(const ito_params *p, int i);
ito_shape ito_params_shape(const ito_params *p, int i);
bool ito_params_trainable(const ito_params *p, int i);
float *ito_params_data(ito_params *p, int i);
int ito_params_find(const ito_params *p, const char *name); /* -1 if none */
/* The whole block, every tensor at a 64-byte boundary, gaps zero: what an optimizer walks. */
float *ito_params_block(ito_params *p, int64_t *floats);
int64_t ito_params_trainable_count(const ito_params *p); /* numbers, without gaps and buffers */
/* Binds every parameter and buffer of the graph by name and shape. */
ito_status ito_workspace_bind_params(ito_workspace *ws, const ito_graph *g, ito_params *p, ito_error *err);
/* Binds grads[i], the gradient node of the graph's i-th parameter (NULL entries are skipped), to p's storage.
 */
ito_status ito_workspace_bind_grads(ito_workspace *ws, const ito_graph *g, ito_node *const *grads,
                                    ito_params *p, ito_error *err);

#if defined(__GNUC__)
#pragma GCC visibility pop
#endif
#ifdef __cplusplus
}
#endif
#endif
