/* SPDX-License-Identifier: Apache-2.0
 *
 * A stroke font drawn for ito's figures: printable ASCII as polylines on a coarse lattice.
 */
#ifndef ITO_FORMATS_FONT_H
#define ITO_FORMATS_FONT_H

/* A glyph's strokes: points of two letters, a space lifts the pen. The first letter is x, '0' for 0 and so on
 * (':' is 10); the second is y, 'd' on the baseline, 'k' the height of x, 'n' of capitals, 'a' the descender.
 */
typedef struct ito__glyph {
    const char *strokes;
    int width;
} ito__glyph;

#define ITO__BASELINE  'd'
#define ITO__GLYPH_GAP 2.6 /* lattice units between glyphs */

/* '?' for what is not printable ASCII. */
ito__glyph ito__glyph_of(char letter);

#endif
