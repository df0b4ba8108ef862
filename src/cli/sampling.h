/* SPDX-License-Identifier: Apache-2.0
 *
 * Which sampler with which settings: names of ito/sampler.h, the recipe's section sampling, and options over
 * both.
 */
#ifndef ITO_CLI_SAMPLING_H
#define ITO_CLI_SAMPLING_H

#include "cli.h"

#include <ito/sampler.h>

/* Options of a verb that samples. NULL, negative or false: not given. */
typedef struct cli_sampling {
    const char *sampler, *predictor, *corrector, *grid, *method;
    int64_t steps, corrector_steps;
    double snr, eta, churn, churn_min, churn_max, churn_noise;
    double rtol, atol, eps, temperature;
    bool probability_flow, batch_norms, no_denoise;
} cli_sampling;

cli_sampling cli_sampling_none(void);

/* ARG when an option does not belong to the sampler that --sampler names; without --sampler nothing is known
 * yet, and cli_sampling_choose tells. */
ito_status cli_sampling_check(const cli_sampling *o, ito_error *err);

/* The settings behind a name: of a kind, those of the recipe; of any other name, its own method, grid, steps
 * and snr, with the recipe's eps, batch_norms and noise_removal. Names in *out may be borrowed from the
 * recipe. */
ito_status cli_sampler_of(const ito_recipe *recipe, const char *name, ito_sampler *out, ito_error *err);

/* cli_sampler_of, of --sampler or else of the recipe's sampling.sampler, and the options over it. */
ito_status cli_sampling_choose(const cli_sampling *o, const ito_recipe *recipe, ito_sampler *out,
                               ito_error *err);

#endif
