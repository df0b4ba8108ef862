/* SPDX-License-Identifier: Apache-2.0
 *
 * Counting memory, and the largest batch that fits.
 */
#include "memory.h"
#include "network.h"

#include <ito/networks.h>
#include <math.h>

/* Arrays of [n, dim] as the library's samplers allocate them, each for its most demanding method: pc x, mean,
 * score, noise and four of a multistep predictor; Runge-Kutta two states and a place of arrival, seven
 * stages. */
enum { OF_CALLER = 1, OF_PC = 8, OF_RUNGE_KUTTA = 10, OF_ADAPTIVE = 10 };

int64_t cli_doubles_of_flow(void) {
    return OF_CALLER + OF_RUNGE_KUTTA + 2; /* the state that travels, and a score to denoise it */
}

int64_t cli_doubles_of_sampler(ito_sampler_kind kind) {
    if (kind == ITO_SAMPLER_PC) return OF_CALLER + OF_PC;
    return kind == ITO_SAMPLER_ADAPTIVE ? OF_CALLER + OF_ADAPTIVE : cli_doubles_of_flow();
}

int64_t cli_doubles_of_likelihood(int64_t probes) {
    return OF_CALLER + OF_RUNGE_KUTTA + 5 + probes; /* augmented state, x, dx, v, vjp; every probe */
}

static double of_states(const cli_load *load, int64_t batch) {
    const ito_data_config *d = &load->recipe->data;
    return (double)sizeof(double) * (double)load->doubles * (double)batch *
           (double)(d->channels * d->image_size * d->image_size);
}

ito_status cli_memory_needed(const cli_load *load, int64_t parts, int64_t batch, double *bytes,
                             ito_error *err) {
    ito_network_score_options o = ito_network_score_default();
    cli_network_size size;
    size_t score = 0;
    o.batch = parts;
    o.plan = load->plan;
    o.with_vjp = load->with_vjp;
    ito_status st = cli_network_measure(load->recipe, &size, err);
    if (st == ITO_OK) st = ito_network_score_bytes(&load->recipe->network, &o, &score, err);
    if (st == ITO_OK)
        *bytes = CLI_PROGRAM_BYTES + load->held + size.bytes + (double)score + of_states(load, batch);
    return st;
}

/* The most samples n <= most that fit, 0 if none: all `batch` of them under way and n in the network, or
 * (batch 0) n both. *least is what one takes. */
static ito_status largest(const cli_load *load, double limit, int64_t batch, int64_t most, int64_t *n,
                          double *least, ito_error *err) {
    double all = 0;
    ito_status st = cli_memory_needed(load, most, batch ? batch : most, &all, err);
    *n = most;
    *least = all;
    if (st != ITO_OK || all <= limit) return st;
    *n = 0;
    if (most > 1) st = cli_memory_needed(load, 1, batch ? batch : 1, least, err);
    if (st != ITO_OK || most == 1 || *least > limit) return st;
    /* Nearly linear: a line through both ends says where to look. */
    const double each = (all - *least) / (double)(most - 1);
    int64_t guess = 1 + (int64_t)((limit - *least) / each);
    if (guess > most - 1) guess = most - 1;
    for (double bytes = *least; guess > 1; guess -= 1 + guess / 16) {
        if ((st = cli_memory_needed(load, guess, batch ? batch : guess, &bytes, err)) != ITO_OK) return st;
        if (bytes <= limit) break;
    }
    *n = guess;
    return ITO_OK;
}

static ito_status fit(const cli_load *load, double limit, int64_t *parts, int64_t *batch, double *least,
                      ito_error *err) {
    int64_t n = 0;
    ito_status st = largest(load, limit, *batch, *batch, &n, least, err);
    if (st == ITO_OK && n == 0) {
        st = largest(load, limit, 0, *batch, &n, least, err);
        if (n > 0) *batch = n;
    }
    if (st != ITO_OK || n == 0) return st;
    const int64_t runs = (*batch + n - 1) / n;
    *parts = (*batch + runs - 1) / runs; /* even parts: the last one is padded */
    return ITO_OK;
}

ito_status cli_memory_fit(const cli_load *load, int64_t limit, int64_t *parts, int64_t *batch,
                          ito_error *err) {
    double least = 0;
    char given[32];
    *parts = *batch;
    if (limit <= 0) return ITO_OK;
    *parts = 0;
    ito_status st = fit(load, (double)limit, parts, batch, &least, err);
    if (st != ITO_OK || *parts > 0) return st;
    return ito_error_set(
        err, ITO_E_NOMEM,
        "--memory-limit: is %s, and one image at a time takes %.0fM: give at least that much",
        cli_human((double)limit, "B", given), ceil(least / 1e6));
}
