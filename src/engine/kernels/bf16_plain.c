/* SPDX-License-Identifier: Apache-2.0
 *
 * The fast kernels on bfloat16 images for the instructions that every processor of the family has.
 */
#define BFLOAT16
#define TABLE ito__bf16_plain
#include "engine/kernels/fast.h"
