/* SPDX-License-Identifier: Apache-2.0
 *
 * Status names and error sentences. Nothing here allocates, so out-of-memory can be reported like the rest.
 */
#include <ito/status.h>

#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

static const char *const status_names[ITO_STATUS_COUNT] = {[ITO_OK] = "ok",
#define STATUS_NAME(suffix, name, remedy) [ITO_E_##suffix] = name,
                                                           ITO_STATUS_LIST(STATUS_NAME)
#undef STATUS_NAME
};

const char *ito_status_name(ito_status status) {
    /* The cast also catches negative values, which a caller may get from an int. */
    if ((unsigned)status >= ITO_STATUS_COUNT) return "unknown";
    return status_names[status];
}

ito_status ito_error_set(ito_error *err, ito_status status, const char *format, ...) {
    if (err != NULL) {
        va_list arguments;
        va_start(arguments, format);
        err->status = status;
        vsnprintf(err->message, sizeof err->message, format, arguments);
        va_end(arguments);
    }
    return status;
}
