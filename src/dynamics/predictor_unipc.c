/* SPDX-License-Identifier: Apache-2.0
 *
 * UniPC-3: the corrector UniC for the step that ended here, then the predictor UniP for the next, of one
 * score call together.
 *
 *     D_0 = data prediction at (x, t)
 *     x += UniC-p of the last step, with D_0          p = min(i, 3)
 *     x = UniP-p of the next                          p = min(i + 1, 3)
 *
 * The last step of a run stays uncorrected, as published: the run makes no call after it.
 * Source: [UniPC], UniC-p and UniP-p for data prediction, with the published orders p = 1, 2, 3, 3, ...
 * The steps are of order 4; the first, of local order 3 after its correction, limits the run to order 3
 * unless D hardly moves near the prior. Departure: the two systems with one unknown are solved too, where the
 * paper allows to set 1/2 instead; so B(h) cancels everywhere.
 */
#include "dynamics/multistep.h"

ito_status ito__predictor_unipc(ito__pc *pc, ito_error *err) {
    enum { order = 3 };
    const ito_status st = ito__multistep_observe(pc, err);
    if (st != ITO_OK) return st;
    if (pc->i > 0) ito__multistep_correct(pc, pc->i < order ? (int)pc->i : order);
    ito__multistep_predict(pc, pc->i + 1 < order ? (int)pc->i + 1 : order);
    return ITO_OK;
}
