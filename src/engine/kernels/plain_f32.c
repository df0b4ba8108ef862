/* SPDX-License-Identifier: Apache-2.0
 *
 * The plain kernels in float.
 */
#define REAL  float
#define TABLE ito__plain_f32
#include "engine/kernels/plain.h"
