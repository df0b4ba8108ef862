/* SPDX-License-Identifier: Apache-2.0
 *
 * Memory foretold by ito_trainer_bytes and ito_network_score_bytes against the blocks that are then
 * allocated. The linker sends the library's allocations through the counters here. Small blocks (nodes,
 * steps, labels) are no part of what is foretold, so only those of 320 kB and more count; the network is
 * chosen so that weights, workspaces and batches are above that.
 */
#include "fixture.h"

#include <malloc.h>

enum { LARGE = 320 * 1024, BATCH = 32 };

void *__real_ito__alloc(size_t count, size_t size);
void *__real_ito__calloc(size_t count, size_t size);
void __real_ito__free(void *p);
void *__wrap_ito__alloc(size_t count, size_t size);
void *__wrap_ito__calloc(size_t count, size_t size);
void __wrap_ito__free(void *p);

static size_t live, most; /* bytes of large blocks */

static void *counted(void *p, size_t bytes) {
    if (!p || bytes < LARGE) return p;
    live += bytes;
    if (live > most) most = live;
    return p;
}

void *__wrap_ito__alloc(size_t count, size_t size) {
    return counted(__real_ito__alloc(count, size), count * size);
}

void *__wrap_ito__calloc(size_t count, size_t size) {
    return counted(__real_ito__calloc(count, size), count * size);
}

/* Blocks that leave count at their allocated size, a few bytes more than was asked for; the tests free only
 * after they have looked. */
void __wrap_ito__free(void *p) {
    size_t bytes = p ? malloc_usable_size(p) : 0;
    if (bytes >= LARGE) live -= bytes < live ? bytes : live;
    __real_ito__free(p);
}

static ito_recipe recipe_of(int64_t batch) {
    static const char *const settings[] = {"data.image_size=32", "data.channels=3", "network.nf=64",
                                           "network.ch_mult=[1, 2]", "network.num_res_blocks=1"};
    ito_recipe r = ito_recipe_default();
    ito_error err = {0};
    for (size_t i = 0; i < sizeof settings / sizeof *settings; i++)
        require(ito_recipe_set(&r, settings[i], &err), &err);
    r.training.batch_size = batch;
    return r;
}

static void compare(const char *what, size_t foretold, size_t allocated) {
    double off = (double)allocated / (double)foretold - 1;
    printf("%s: %zu bytes foretold, %zu allocated, off by %.2g %%, bound 1 %%\n", what, foretold, allocated,
           100 * off);
    assert_true(fabs(off) < 0.01);
}

static void a_trainer_takes_what_was_foretold(void **state) {
    (void)state;
    for (int64_t part = 0; part <= BATCH / 2; part += BATCH / 2) {
        ito_recipe r = recipe_of(BATCH);
        ito_error err = {0};
        ito_trainer *t = NULL;
        ito_trainer_options o = ito_trainer_default();
        size_t bytes = 0;
        o.micro_batch = part;
        live = most = 0;
        require(ito_trainer_bytes(&r, &o, &bytes, &err), &err);
        assert_int_equal(most, 0); /* foretelling allocates nothing of it */
        require(ito_trainer_create(&r, NULL, &o, &t, &err), &err);
        compare(part ? "training in two parts" : "training", bytes, live);
        ito_trainer_free(t);
    }
}

static void a_score_takes_what_was_foretold(void **state) {
    (void)state;
    ito_recipe r = recipe_of(BATCH);
    ito_error err = {0};
    ito_params *params = NULL;
    require(ito_recipe_params(&r, &params, &err), &err);
    for (int vjp = 0; vjp < 2; vjp++) {
        ito_network_score *s = NULL;
        ito_network_score_options o = ito_network_score_default();
        size_t bytes = 0;
        o.batch = BATCH;
        o.with_vjp = vjp;
        live = most = 0;
        require(ito_network_score_bytes(&r.network, &o, &bytes, &err), &err);
        assert_int_equal(most, 0);
        require(ito_network_score_create(&r.network, &r.sde, params, &o, &s, &err), &err);
        compare(vjp ? "score and vjp" : "score", bytes, live);
        ito_network_score_free(s);
    }
    ito_params_free(params);
}

static void refusals_are_those_of_creation(void **state) {
    (void)state;
    ito_recipe r = recipe_of(BATCH);
    ito_error err = {0};
    size_t bytes = 7;
    ito_trainer_options t = ito_trainer_default();
    t.micro_batch = 5;
    assert_int_equal(ito_trainer_bytes(&r, &t, &bytes, &err), ITO_E_SHAPE);
    ito_network_score_options o = ito_network_score_default();
    o.batch = 0;
    assert_int_equal(ito_network_score_bytes(&r.network, &o, &bytes, &err), ITO_E_ARG);
    assert_int_equal(bytes, 7);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_trainer_takes_what_was_foretold),
        cmocka_unit_test(a_score_takes_what_was_foretold),
        cmocka_unit_test(refusals_are_those_of_creation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
