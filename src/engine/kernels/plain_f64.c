/* SPDX-License-Identifier: Apache-2.0
 *
 * The plain kernels in double.
 */
#define REAL  double
#define TABLE ito__plain_f64
#include "engine/kernels/plain.h"
