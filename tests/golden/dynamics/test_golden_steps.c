/* SPDX-License-Identifier: Apache-2.0
 *
 * Single updates of every predictor and corrector, with the recorded noise, at seven points of the 1000-step
 * grid. Bound 1e-12 of the largest value of each sample.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "dynamics/pc.h"
#include "golden_file.h"
#include <string.h>

enum { times = 7, batch = 4, dim = 48, state_size = batch * dim, tensor_size = times * state_size };

static const double bound = 1e-12;

/* Hands out recorded normals in their order. */
typedef struct recording {
    const double *z;
} recording;

static void replay(void *self, ito_purpose purpose, uint32_t step, int64_t n, int64_t d, double *out) {
    recording *r = self;
    (void)step;
    if (purpose == ITO_RNG_PRIOR) return;
    memcpy(out, r->z, (size_t)(n * d) * sizeof *out);
    r->z += n * d;
}

/* Applies a method `sweeps` times at each recorded time; draws [times, draws, batch, dim]. */
static void apply(golden_file *g, const ito_pc_options *options, bool predict, int64_t draws, double *x,
                  double *x_mean) {
    const double *t = golden_get(g, "t"), *x_in = golden_get(g, "x_in"), *z = golden_get(g, "z");
    const ito_score score = mixture_score(&g->mix);
    recording r;
    ito__pc pc;
    ito_error err = {0};
    if (ito__pc_open(&pc, &g->mix.sde, &score, options, (ito__noise){&r, replay}, batch, &err) != ITO_OK)
        fail_msg("%s", err.message);
    for (int64_t i = 0; i < times; i++) {
        r.z = z + i * draws * state_size;
        pc.t = t[i];
        memcpy(pc.x, x_in + i * state_size, state_size * sizeof *x);
        for (pc.sweep = 0; pc.sweep < options->corrector_steps; pc.sweep++) {
            const ito__method *method = predict ? pc.predictor : pc.corrector;
            assert_int_equal(method->step(&pc, &err), ITO_OK);
        }
        memcpy(x + i * state_size, pc.x, state_size * sizeof *x);
        memcpy(x_mean + i * state_size, pc.x_mean, state_size * sizeof *x);
    }
    ito__pc_close(&pc);
}

static void compare(const golden_file *g, const char *method, const double *x, const double *x_mean) {
    char name[64];
    const char *const part[] = {"x", "x_mean"};
    for (int p = 0; p < 2; p++) {
        strcpy(name, method);
        strcat(name, p == 0 ? ".x" : ".x_mean");
        golden_compare(g, name, times * batch, tensor_size, p == 0 ? x : x_mean,
                       golden_get(g, "%s.%s", method, part[p]), bound);
    }
}

static void predictors_match(void **state) {
    (void)state;
    const struct {
        const char *recorded, *name;
        bool ode;
    } methods[] = {{"em", "euler_maruyama", false},
                   {"rd", "reverse_diffusion", false},
                   {"anc", "ancestral", false},
                   {"em_pf", "euler_maruyama", true},
                   {"rd_pf", "reverse_diffusion", true}};
    static double x[tensor_size], x_mean[tensor_size];
    for (int kind = 0; kind < ITO_SDE_NETWORK_COUNT; kind++) {
        golden_file g;
        golden_open("predictors", (ito_sde_kind)kind, &g);
        for (size_t m = 0; m < sizeof methods / sizeof methods[0]; m++) {
            if (kind == ITO_SDE_SUBVP && strcmp(methods[m].recorded, "anc") == 0) continue;
            ito_pc_options options = ito_pc_default(&g.mix.sde);
            options.predictor = methods[m].name;
            options.probability_flow = methods[m].ode;
            apply(&g, &options, true, 1, x, x_mean);
            compare(&g, methods[m].recorded, x, x_mean);
        }
        golden_close(&g);
    }
}

static void correctors_match(void **state) {
    (void)state;
    const struct {
        const char *recorded, *name;
        int64_t sweeps;
    } methods[] = {{"langevin.n1", "langevin", 1},
                   {"langevin.n2", "langevin", 2},
                   {"ald.n1", "ald", 1},
                   {"ald.n2", "ald", 2}};
    static double x[tensor_size], x_mean[tensor_size];
    for (int kind = 0; kind < ITO_SDE_NETWORK_COUNT; kind++) {
        golden_file g;
        golden_open("correctors", (ito_sde_kind)kind, &g);
        for (size_t m = 0; m < sizeof methods / sizeof methods[0]; m++) {
            ito_pc_options options = ito_pc_default(&g.mix.sde);
            options.corrector = methods[m].name;
            options.corrector_steps = methods[m].sweeps;
            options.snr = golden_get(&g, "snr")[0];
            options.batch_norms = true;
            apply(&g, &options, false, 2, x, x_mean);
            compare(&g, methods[m].recorded, x, x_mean);
        }
        golden_close(&g);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(predictors_match),
        cmocka_unit_test(correctors_match),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
