/* SPDX-License-Identifier: Apache-2.0
 *
 * Which convolutions our own Winograd kernel takes, and their lowering. It reads weights as they are stored,
 * so nothing is packed: neither memory for a frozen plan nor time in a training step.
 */
#include "engine/dnnl.h"

/* Fewer tiles do not pay for transforming the kernels, measured against direct sums, which are twice as fast
 * in bfloat16. */
enum { LEAST_TILES = 4, LEAST_TILES_BF16 = 8 };

/* What tiles make beyond the image is lost, most where dilation cuts a small image up: for four pixels of the
 * image they may make so many, measured likewise. */
enum { MADE_FOR_FOUR = 8, MADE_FOR_FOUR_BF16 = 5 };

/* Processors that multiply bfloat16 tiles in hardware do it faster than Winograd multiplies floats. */
static bool has_tiles_of_bf16(void) {
#if defined(__x86_64__)
    dnnl_cpu_isa_t isa = dnnl_get_effective_cpu_isa();
    return (isa & dnnl_cpu_isa_avx512_core_amx) == dnnl_cpu_isa_avx512_core_amx;
#else
    return false;
#endif
}

bool ito__winograd_fits(const ito_plan *p, const ito_node *n) {
    const ito__conv_shapes s = ito__conv_of(n);
    const ito_conv c = s.conv;
    if (p->block < 16 && p->fast == ito__fast_avx512) return false; /* a register is wider than a block */
    const bool three = s.kernel.dim[2] == 3 && s.kernel.dim[3] == 3;
    return !p->options.exact && !p->options.reference && p->image[n->op] && three && c.stride == 1 &&
           c.pad == c.dilation && c.dilation <= ITO__WINOGRAD_DILATION && ito__is_image(p, s.image) &&
           ito__is_image(p, s.result) && s.image.dim[1] % ITO__WINOGRAD_CHANNELS == 0 &&
           s.result.dim[1] % ITO__WINOGRAD_CHANNELS == 0;
}

bool ito__winograd_pays(const ito_plan *p, const ito_node *n) {
    const bool narrow = p->options.precision == ITO_BF16;
    if (!ito__winograd_fits(p, n) || (narrow && has_tiles_of_bf16())) return false;
    const ito__winograd w = ito__winograd_of(n);
    const int64_t wanted = w.images * w.height * w.width;
    const int64_t made = w.tiles * ITO__WINOGRAD_OUTPUT * ITO__WINOGRAD_OUTPUT;
    return w.tiles >= (narrow ? LEAST_TILES_BF16 : LEAST_TILES) &&
           4 * made <= (narrow ? MADE_FOR_FOUR_BF16 : MADE_FOR_FOUR) * wanted;
}

void ito__lower_winograd(ito__lowering *l, const ito_node *n) {
    static const char *const kinds[ITO__OP_COUNT] = {[ITO__OP_CONV2D] = "conv2d ito_winograd",
                                                     [ITO__OP_CONV2D_GRAD_X] = "conv2d_grad_x ito_winograd",
                                                     [ITO__OP_CONV2D_GRAD_W] = "conv2d_grad_w ito_winograd"};
    ito_plan *p = l->plan;
    const ito__conv_shapes s = ito__conv_of(n);
    int in[3];
    if (n->op == ITO__OP_CONV2D_GRAD_W) ito__recompute(l, s.x);
    for (int i = 0; i < n->n_in; i++)
        in[i] = ito__operand(l, n->in[i], n->in[i] == s.w || n->in[i] == s.bias ? 1 : p->block);
    const int out = ito__result(l, n, n == s.w ? 1 : p->block);
    const int scratch = ito__scratch(l, ito__kernel_scratch(n, p->threads), false);
    if (out < 0 || l->status != ITO_OK) return;
    ito__step *step = ito__add_step(l, n, n->n_in, in, out);
    step->kernel = p->image[n->op];
    step->block = p->block;
    step->scratch = scratch;
    step->kind = kinds[n->op];
    step->flops = ito__conv_flops(&s);
    p->flops += step->constant ? 0 : step->flops;
}
