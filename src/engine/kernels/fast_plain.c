/* SPDX-License-Identifier: Apache-2.0
 *
 * The fast kernels for the instructions that every processor of the family has.
 */
#define TABLE ito__fast_plain
#include "engine/kernels/fast.h"
