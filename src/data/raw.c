/* SPDX-License-Identifier: Apache-2.0
 *
 * Stored images: their labels and their memory.
 */
#include "data/raw.h"

#include "core/memory.h"

ito_status ito__raw_label(ito__raw *r, const uint8_t *bytes, int64_t classes, ito_error *err) {
    r->labels = ito__alloc((size_t)r->n, sizeof *r->labels);
    if (r->labels == NULL)
        return ito_error_set(err, ITO_E_NOMEM, "data: no memory for %lld labels: close other programs",
                             (long long)r->n);
    for (int64_t i = 0; i < r->n; i++) r->labels[i] = bytes[i];
    r->classes = classes;
    return ITO_OK;
}

void ito__raw_release(ito__raw *r) {
    ito__file_list_release(&r->files);
    ito_tensor_file_close(r->file);
    ito__free(r->pixels);
    ito__free(r->labels);
    *r = (ito__raw){0};
}
