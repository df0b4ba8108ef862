/* SPDX-License-Identifier: Apache-2.0
 *
 * Scores of mixtures by the instructions that every processor of the family has.
 */
#define SCORES ito__mixture_scores_plain
#include "dynamics/mixture_lanes.h"
