/* SPDX-License-Identifier: Apache-2.0
 *
 * The table of embedded Runge-Kutta pairs. --help, messages and the order tests walk it.
 */
#include "dynamics/check.h"
#include "dynamics/ode.h"

#include <stddef.h>

static const ito__tableau tableaus[] = {
    /* Dormand and Prince, A family of embedded Runge-Kutta formulae, J. Comp. Appl. Math. 6 (1980), RK5(4)7M.
     * Dense output: Hairer, Norsett and Wanner (1993), II.6. */
    {.name = "dormand_prince",
     .summary = "Dormand-Prince 5(4), six evaluations per step; SciPy's RK45 (Dormand and Prince 1980).",
     .order = 5,
     .error_order = 4,
     .stages = 7,
     .c = {0, 1.0 / 5, 3.0 / 10, 4.0 / 5, 8.0 / 9, 1, 1},
     .a = {{0},
           {1.0 / 5},
           {3.0 / 40, 9.0 / 40},
           {44.0 / 45, -56.0 / 15, 32.0 / 9},
           {19372.0 / 6561, -25360.0 / 2187, 64448.0 / 6561, -212.0 / 729},
           {9017.0 / 3168, -355.0 / 33, 46732.0 / 5247, 49.0 / 176, -5103.0 / 18656},
           {35.0 / 384, 0, 500.0 / 1113, 125.0 / 192, -2187.0 / 6784, 11.0 / 84}},
     .e = {-71.0 / 57600, 0, 71.0 / 16695, -71.0 / 1920, 17253.0 / 339200, -22.0 / 525, 1.0 / 40},
     .dense = {-12715105075.0 / 11282082432, 0, 87487479700.0 / 32700410799, -10690763975.0 / 1880347072,
               701980252875.0 / 199316789632, -1453857185.0 / 822651844, 69997945.0 / 29380423}},
    /* Bogacki and Shampine, A 3(2) pair of Runge-Kutta formulas, Appl. Math. Lett. 2 (1989). */
    {.name = "bogacki_shampine",
     .summary = "Bogacki-Shampine 3(2), three evaluations per step; SciPy's RK23 (Bogacki and Shampine "
                "1989).",
     .order = 3,
     .error_order = 2,
     .stages = 4,
     .c = {0, 1.0 / 2, 3.0 / 4, 1},
     .a = {{0}, {1.0 / 2}, {0, 3.0 / 4}, {2.0 / 9, 1.0 / 3, 4.0 / 9}},
     .e = {5.0 / 72, -1.0 / 12, -1.0 / 9, 1.0 / 8}},
};

enum { tableau_count = sizeof tableaus / sizeof tableaus[0] };

const ito__tableau *ito__tableau_at(int index) {
    return index >= 0 && index < tableau_count ? &tableaus[index] : NULL;
}

const char *ito_ode_method_name(int index) {
    const ito__tableau *m = ito__tableau_at(index);
    return m != NULL ? m->name : NULL;
}

ito_status ito__tableau_find(const char *name, const ito__tableau **out, ito_error *err) {
    int index;
    const ito_status st = ito__find_name("method", name, ito_ode_method_name, &index, err);
    if (st == ITO_OK) *out = &tableaus[index];
    return st;
}

const char *ito_ode_method_summary(int index) {
    const ito__tableau *m = ito__tableau_at(index);
    return m != NULL ? m->summary : NULL;
}
