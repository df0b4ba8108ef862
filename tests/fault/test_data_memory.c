/* SPDX-License-Identifier: Apache-2.0
 *
 * Memory that runs out anywhere while a data set of any form is opened, gives a batch and is closed.
 */
#include "unit/data/small_sets.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include "support/failing_memory.h"
#include <cmocka.h>

static ito_status attempt(void *subject, ito_error *err) {
    const ito_data_config *config = subject;
    static float x[4 * IMAGE];
    ito_dataset *d = (ito_dataset *)1;
    ito_status st = ito_dataset_open(config, "train", &d, err);
    if (st != ITO_OK) {
        assert_null(d);
        return st;
    }
    st = ito_dataset_batch(d, 1, 0, 4, x, err);
    ito_dataset_close(d);
    return st;
}

static void every_form_survives_every_failure(void **state) {
    static const struct {
        const char *dataset, *name;
        int64_t image_size;
    } cases[] = {{"cifar10", "cifar", SIDE},
                 {"cifar10", "cifar", 24},
                 {"npz", "set.npz", SIDE},
                 {"folder", "pngs", 24}};
    (void)state;
    small_cifar("cifar");
    small_npz("set.npz");
    small_pngs("pngs");
    for (size_t k = 0; k < sizeof cases / sizeof cases[0]; k++) {
        ito_data_config config = small_config(cases[k].dataset, cases[k].name);
        config.image_size = cases[k].image_size;
        config.class_folders = true;
        int64_t total = walk_failed_allocations(attempt, &config);
        printf("%s of %d pixels: each of %d allocations failed once\n", cases[k].dataset,
               (int)cases[k].image_size, (int)total);
        assert_true(total > 5);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_form_survives_every_failure)};
    return cmocka_run_group_tests_name("data_memory", tests, scratch_make, scratch_remove);
}
