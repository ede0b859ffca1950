/* SPDX-License-Identifier: Apache-2.0 */
/* What a sum of 24 bits becomes on AVR (trn_pow2_sink), as lines of an asm statement: no call, no copy, the layer's numbers immediate. */
#ifndef TRN_AVR_SINK_H
#define TRN_AVR_SINK_H

#include "trn/pow2/sink.h"

/* What the lines can do: whole-byte shifts by multiplication, factors of 24 bits. */
TRN_KERNEL bool trn_avr_sinks(trn_pow2_sink_t to)
{
    return to.by_factor ? to.near != 0u : to.range.shift >= 9u && to.range.shift <= 16u;
}

/* By factor, sum + 2^23 is multiplied, which has no sign. This takes off what that adds, rounds and adds the zero point; of the product
 * the two lower bytes are gone. Negated, as SUBI and SBCI want it. */
TRN_KERNEL uint32_t trn_avr_sink_rest(trn_pow2_sink_t to, uint32_t factor)
{
    return (factor << 7) - 0x8000u - ((uint32_t)to.zero << 16);
}

/* Operands of the statement. */
#define TRN_AVR_SINK_OPERANDS(to)                                                                                              \
    [by_factor] "n"((to).by_factor), [by_2] "n"(1 << ((16 - (to).range.shift) & 7)), [lo] "n"((to).by_factor ? (to).lo : (to).range.lo), \
        [hi] "n"((to).by_factor ? (to).hi : (to).range.hi), [left] "n"(((to).near - 1) & 7),                                   \
        [factor] "n"((uint32_t)(to).scale.multiplier >> (((to).near - 1) & 7)),                                                \
        [rest] "n"(trn_avr_sink_rest(to, (uint32_t)(to).scale.multiplier >> (((to).near - 1) & 7)))

/* high:q = floor(sum / 2^shift + 1/2), as sum * 2^(16 - shift) without its two lower bytes. a, b, c: the sum, lost; q, m: of r16 to r23;
 * high: r1. Bits of two products never meet, so nothing is carried between them. 16 cycles. */
#define TRN_AVR_SINK_BY_SHIFT(a, b, c, q, m, zero)                                         \
    "ldi " m ", %[by_2]\n\tclr " zero "\n\t"                                               \
    "mul " a ", " m "\n\tmov " a ", r1\n\t"                                                \
    "mul " b ", " m "\n\tor " a ", r0\n\tmov " b ", r1\n\t"                                \
    "mov " q ", " c "\n\tmulsu " q ", " m "\n\tmov " q ", " b "\n\tor " q ", r0\n\t"       \
    "lsl " a "\n\tadc " q ", " zero "\n\tadc r1, " zero "\n\t"

/* high:q = zero point + floor(sum * factor / 2^(32 - left) + 1/2), byte by byte of the factor. a, b, c: the sum, lost; low, middle: a pair for
 * MOVW; all but a, b, c: of r16 to r31. 53 cycles, three more for each bit to the left. */
#define TRN_AVR_SINK_BY_FACTOR(a, b, c, q, high, m, zero, low, middle)                                                     \
    ".rept %[left]\n\tlsl " a "\n\trol " b "\n\trol " c "\n\t.endr\n\t"                                                    \
    "ldi " m ", 0x80\n\teor " c ", " m "\n\tclr " zero "\n\t"                                                              \
    "ldi " m ", lo8(%[factor])\n\t"                                                                                        \
    "mul " a ", " m "\n\tmov " high ", r1\n\tmul " c ", " m "\n\tmovw " low ", r0\n\t"                                     \
    "mul " b ", " m "\n\tadd " high ", r0\n\tadc " low ", r1\n\tadc " middle ", " zero "\n\t"                              \
    "ldi " m ", hi8(%[factor])\n\tclr " q "\n\t"                                                                           \
    "mul " a ", " m "\n\tadd " high ", r0\n\tadc " low ", r1\n\tadc " middle ", " zero "\n\tadc " q ", " zero "\n\t"       \
    "mul " b ", " m "\n\tadd " low ", r0\n\tadc " middle ", r1\n\tadc " q ", " zero "\n\t"                                 \
    "mul " c ", " m "\n\tadd " middle ", r0\n\tadc " q ", r1\n\t"                                                          \
    "ldi " m ", hlo8(%[factor])\n\tclr " high "\n\t"                                                                       \
    "subi " low ", lo8(%[rest])\n\tsbci " middle ", hi8(%[rest])\n\tsbci " q ", hlo8(%[rest])\n\tsbci " high ", hhi8(%[rest])\n\t" \
    "mul " a ", " m "\n\tadd " low ", r0\n\tadc " middle ", r1\n\tadc " q ", " zero "\n\tadc " high ", " zero "\n\t"       \
    "mul " b ", " m "\n\tadd " middle ", r0\n\tadc " q ", r1\n\tadc " high ", " zero "\n\t"                                \
    "mul " c ", " m "\n\tadd " q ", r0\n\tadc " high ", r1\n\t"

/* q = clamp(high:q, lo, hi). zero holds 0, t is lost. Mostly 4 cycles where lo is 0, else 9. */
#define TRN_AVR_SINK_CLAMP(q, high, zero, t)                                                                       \
    "cpi " q ", %[hi]\n\tcpc " high ", " zero "\n\t"                                                               \
    ".if %[lo]\n\t"                                                                                                \
    "brlt 91f\n\tldi " q ", %[hi]\n91:\n\t"                                                                        \
    "cpi " q ", lo8(%[lo])\n\tldi " t ", hi8(%[lo])\n\tcpc " high ", " t "\n\tbrge 92f\n\tldi " q ", lo8(%[lo])\n\t" \
    ".else\n\t"                                                                                                    \
    "brlo 92f\n\tldi " q ", %[hi]\n\tsbrc " high ", 7\n\tclr " q "\n\t"                                            \
    ".endif\n92:\n\t"

/* q: what to store. */
#define TRN_AVR_SINK(a, b, c, q, high, m, zero, low, middle)                                          \
    ".if %[by_factor]\n\t"                                                                            \
    TRN_AVR_SINK_BY_FACTOR(a, b, c, q, high, m, zero, low, middle)                                    \
    TRN_AVR_SINK_CLAMP(q, high, zero, m)                                                              \
    ".else\n\t"                                                                                       \
    TRN_AVR_SINK_BY_SHIFT(a, b, c, q, m, zero)                                                        \
    TRN_AVR_SINK_CLAMP(q, "r1", zero, m)                                                              \
    ".endif\n\t"

/* The compiler counts the lines of a statement to see how far its own jumps lead over it; what .rept repeats it does not see. */
#define TRN_AVR_LINES_8 "\n\n\n\n\n\n\n\n"
#define TRN_AVR_LINES_32 TRN_AVR_LINES_8 TRN_AVR_LINES_8 TRN_AVR_LINES_8 TRN_AVR_LINES_8
#define TRN_AVR_LINES_128 TRN_AVR_LINES_32 TRN_AVR_LINES_32 TRN_AVR_LINES_32 TRN_AVR_LINES_32
#define TRN_AVR_LONG TRN_AVR_LINES_128 TRN_AVR_LINES_128 "\t"

#endif
