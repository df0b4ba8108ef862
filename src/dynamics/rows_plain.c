/* SPDX-License-Identifier: Apache-2.0
 *
 * Passes over values by the instructions that every processor of the family has.
 */
#define TABLE ito__rows_plain
#include "dynamics/rows_lanes.h"
