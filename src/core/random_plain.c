/* SPDX-License-Identifier: Apache-2.0
 *
 * Random numbers by the instructions that every processor of the family has.
 */
#define TABLE ito__random_plain
#include "core/random_fast.h"
