/* SPDX-License-Identifier: Apache-2.0
 *
 * The library's four memory functions, counted, one of them failing at a time.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include "core/memory.h"
#include "support/failing_memory.h"
#include <cmocka.h>
#include <string.h>

static struct {
    int64_t fail_at, calls; /* the call that fails, 0 for none, and calls so far */
    int64_t alive;          /* blocks not freed */
} fault;

void *__real_ito__alloc(size_t count, size_t size);
void *__real_ito__calloc(size_t count, size_t size);
char *__real_ito__strdup(const char *s);
void __real_ito__free(void *p);
void *__wrap_ito__alloc(size_t count, size_t size);
void *__wrap_ito__calloc(size_t count, size_t size);
char *__wrap_ito__strdup(const char *s);
void __wrap_ito__free(void *p);

static bool fails(void) {
    return ++fault.calls == fault.fail_at;
}

static void *counted(void *p) {
    fault.alive += p != NULL;
    return p;
}

void *__wrap_ito__alloc(size_t count, size_t size) {
    return fails() ? NULL : counted(__real_ito__alloc(count, size));
}

void *__wrap_ito__calloc(size_t count, size_t size) {
    return fails() ? NULL : counted(__real_ito__calloc(count, size));
}

char *__wrap_ito__strdup(const char *s) {
    return fails() ? NULL : counted(__real_ito__strdup(s));
}

void __wrap_ito__free(void *p) {
    fault.alive -= p != NULL;
    __real_ito__free(p);
}

int64_t allocations_so_far(void) {
    return fault.calls;
}

int64_t count_allocations(memory_attempt run, void *subject) {
    ito_error err = {0};
    const int64_t before = fault.calls;
    if (run(subject, &err) != ITO_OK) fail_msg("%s", err.message);
    return fault.calls - before;
}

int64_t walk_failed_allocations(memory_attempt run, void *subject) {
    const int64_t total = count_allocations(run, subject), alive = fault.alive;
    for (int64_t n = 1; n <= total; n++) {
        ito_error err = {0};
        fault.fail_at = fault.calls + n;
        const ito_status st = run(subject, &err);
        fault.fail_at = 0;
        if (fault.alive != alive)
            fail_msg("allocation %lld: %lld blocks are left", (long long)n, (long long)(fault.alive - alive));
        if (st == ITO_OK) continue; /* a fallback needed no memory; its result is checked by the caller */
        if (st != ITO_E_NOMEM)
            fail_msg("allocation %lld: %s: %s", (long long)n, ito_status_name(st), err.message);
        assert_true(strlen(err.message) > 0);
        assert_int_equal(err.status, ITO_E_NOMEM);
    }
    return total;
}
