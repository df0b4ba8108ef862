/* SPDX-License-Identifier: Apache-2.0
 *
 * Points as data: rows of a file, or draws of a mixture. dataset.c makes a training stream of them.
 */
#ifndef ITO_DATA_POINTS_H
#define ITO_DATA_POINTS_H

#include <ito/data.h>

typedef struct ito__points ito__points;

/* Of a config for which ito_data_is_points. */
ito_status ito__points_open(const ito_data_config *config, const char *split, ito__points **out,
                            ito_error *err);
void ito__points_close(ito__points *p);
int64_t ito__points_size(const ito__points *p);
/* Draws without end: there is no epoch, and no order to shuffle. */
bool ito__points_endless(const ito__points *p);
/* x [n, channels]: points first .. first + n - 1. The seed is that of draws. */
ito_status ito__points_read(const ito__points *p, uint64_t seed, int64_t first, int64_t n, double *x,
                            ito_error *err);

#endif
