/* SPDX-License-Identifier: Apache-2.0 */
/* A row of outputs of a 3x3 depthwise convolution on AVR, channel by channel: the nine weights and the bias stay in registers over the row.
 *
 * Cycles per product: input 2, weight 0 or 1, multiplication 2, sign 1, addition 3: 8.7. Per output: 27 to start, to walk the rows of taps and to
 * store, 20 for its code by a shift or 57 by a factor; per channel and row some 95 to load. One asm statement of the layer's own. */
#ifndef TRN_AVR_DEPTHWISE_H
#define TRN_AVR_DEPTHWISE_H

#include "trn/avr/sink.h"
#include "trn/avr/taps.h"

/* Read through Y; x, w, b move on from channel to channel. */
typedef struct {
    const uint8_t *x; /* +0: under the first tap of the first output, be it outside */
    int8_t *y;        /* +2 */
    const int8_t *w;  /* +4: of the first row of taps inside */
    const int32_t *b; /* +6 */
    int16_t row[2];   /* +8: from a row of inputs to the next */
    uint8_t rows;     /* +12: of taps inside: 2 or 3 */
    uint8_t channels; /* +13 */
} trn_avr_pixels_t;
_Static_assert(offsetof(trn_avr_pixels_t, row) == 8 && offsetof(trn_avr_pixels_t, rows) == 12 && offsetof(trn_avr_pixels_t, channels) == 13,
               "Y+8");

/* Columns of taps of the last output that lie outside. */
#define TRN_AVR_RIGHT(s) (((s).out_w - 1) * (s).stride_w - (s).pad_left + 3 - (s).in_w)

/* Layers it is for: literal sizes, an output for each channel, at most a row and a column of taps outside, sums and factors of 24 bits. */
TRN_KERNEL bool trn_avr_depthwise_fits(trn_window_t s, trn_pow2_sink_t to, trn_pow2_kind_t kind)
{
    const trn_size_t below = (s.out_h - 1) * s.stride_h - s.pad_top + 3 - s.in_h;
    return __builtin_constant_p(s.in_c) && __builtin_constant_p(s.in_w) && __builtin_constant_p(s.out_w) && __builtin_constant_p(s.stride_w) &&
           __builtin_constant_p(s.pad_left) && kind.flash && kind.narrow && trn_avr_sinks(to) && s.kernel_h == 3 && s.kernel_w == 3 &&
           s.in_c == s.out_c && 2 * s.in_c <= 63 && s.in_h >= 2 && s.in_w >= 2 && s.out_w <= 255 && s.pad_top <= 1 && s.pad_left <= 1 &&
           below <= 1 && TRN_AVR_RIGHT(s) <= 1 && !(s.out_w == 1 && s.pad_left == 1 && TRN_AVR_RIGHT(s) == 1);
}

/* One product: an input of column `column`, a weight, which MULS and MULSU want in r16 to r23. */
#define TRN_AVR_PRODUCT(column, copy, weight)                                                        \
    "ldd r22, Z+%[channels]*" column "\n\t" copy                                                     \
    ".if %[mulsu]\n\tmulsu " weight ", r22\n\t.else\n\tmuls " weight ", r22\n\t.endif\n\t"           \
    "sbc r20, r20\n\tadd r2, r0\n\tadc r3, r1\n\tadc r4, r20\n\t"
#define TRN_AVR_COPIED(column, weight) TRN_AVR_PRODUCT(column, "mov r20, " weight "\n\t", "r20")
/* Of one row of taps each. */
#define TRN_AVR_FIRST_all TRN_AVR_PRODUCT("0", "", "r16") TRN_AVR_PRODUCT("1", "", "r17") TRN_AVR_PRODUCT("2", "", "r18")
#define TRN_AVR_FIRST_left TRN_AVR_PRODUCT("1", "", "r17") TRN_AVR_PRODUCT("2", "", "r18")
#define TRN_AVR_FIRST_right TRN_AVR_PRODUCT("0", "", "r16") TRN_AVR_PRODUCT("1", "", "r17")
#define TRN_AVR_NEXT_all(w0, w1, w2) TRN_AVR_COPIED("0", w0) TRN_AVR_COPIED("1", w1) TRN_AVR_COPIED("2", w2)
#define TRN_AVR_NEXT_left(w0, w1, w2) TRN_AVR_COPIED("1", w1) TRN_AVR_COPIED("2", w2)
#define TRN_AVR_NEXT_right(w0, w1, w2) TRN_AVR_COPIED("0", w0) TRN_AVR_COPIED("1", w1)
/* The sum of one output, in r2 to r4. T: three rows. */
#define TRN_AVR_WINDOW(columns)                                                                      \
    "movw r2, r12\n\tmov r4, r11\n\t" TRN_AVR_FIRST_##columns                                        \
    "add r30, r14\n\tadc r31, r15\n\t" TRN_AVR_NEXT_##columns("r5", "r6", "r7")                      \
    "brtc 21f\n\t"                                                                                   \
    "add r30, r24\n\tadc r31, r25\n\t" TRN_AVR_NEXT_##columns("r8", "r9", "r10")                     \
    "sub r30, r24\n\tsbc r31, r25\n"                                                                 \
    "21:\n\tsub r30, r14\n\tsbc r31, r15\n\t"
#define TRN_AVR_WEIGHT(to) TRN_AVR_LOAD_flash " " to ", Z+\n\tsubi r30, lo8(-(%[channels]-1))\n\tsbci r31, hi8(-(%[channels]-1))\n\t"
/* Z from Y+low, and there the next channel's place, n bytes on. */
#define TRN_AVR_TAKE(low, high, n)                                                                   \
    "ldd r30, Y+" low "\n\tldd r31, Y+" high "\n\tmovw r22, r30\n\t"                                 \
    "subi r22, -" n "\n\tsbci r23, 255\n\tstd Y+" low ", r22\n\tstd Y+" high ", r23\n\t"

/* r16 to r18 and r5 to r10: weights, r12, r13, r11: bias, r14 and r24: to the next row, r23: outputs to go, X: y, Z: x. */
TRN_KERNEL void trn_avr_pixels(trn_avr_pixels_t *at, trn_window_t s, trn_pow2_sink_t to, trn_pow2_kind_t kind)
{
    __asm__ volatile(
        "push r28\n\tpush r29\n\tmovw r28, r30\n\tldd r18, Y+12\n\tbst r18, 0\n\tldd r26, Y+2\n\tldd r27, Y+3\n\t"
        "ldd r14, Y+8\n\tldd r15, Y+9\n\tldd r24, Y+10\n\tldd r25, Y+11\n"
        "10:\n\t" TRN_AVR_TAKE("4", "5", "1")
        TRN_AVR_WEIGHT("r16") TRN_AVR_WEIGHT("r17") TRN_AVR_WEIGHT("r18") TRN_AVR_WEIGHT("r5") TRN_AVR_WEIGHT("r6") TRN_AVR_WEIGHT("r7")
        "brtc 11f\n\t" TRN_AVR_WEIGHT("r8") TRN_AVR_WEIGHT("r9") TRN_AVR_WEIGHT("r10")
        "11:\n\t" TRN_AVR_TAKE("6", "7", "4")
        TRN_AVR_LOAD_flash " r12, Z+\n\t" TRN_AVR_LOAD_flash " r13, Z+\n\t" TRN_AVR_LOAD_flash " r11, Z+\n\t"
        TRN_AVR_TAKE("0", "1", "1") "ldi r23, %[outputs]\n\t"
        ".if %[by_factor]\n\tpush r28\n\tpush r29\n\t.endif\n\t"
        ".if %[left_out]\n\trjmp 13f\n\t.elseif %[right_out] && %[outputs] == 1\n\trjmp 14f\n\t.endif\n"
        "12:\n\t" TRN_AVR_WINDOW(all) ".if %[left_out] || %[right_out]\n\trjmp 15f\n\t.endif\n\t"
        ".if %[left_out]\n13:\n\t" TRN_AVR_WINDOW(left) ".if %[right_out]\n\trjmp 15f\n\t.endif\n\t.endif\n\t"
        ".if %[right_out]\n14:\n\t" TRN_AVR_WINDOW(right) ".endif\n"
        "15:\n\t" TRN_AVR_SINK("r2", "r3", "r4", "r21", "r19", "r20", "r22", "r28", "r29")
        "st X, r21\n\tsubi r26, lo8(-%[channels])\n\tsbci r27, hi8(-%[channels])\n\t"
        "subi r30, lo8(-%[step])\n\tsbci r31, hi8(-%[step])\n\t"
        "dec r23\n\tbrne 16f\n\trjmp 17f\n"
        "16:\n\t.if %[right_out]\n\tcpi r23, 1\n\tbrne 18f\n\trjmp 14b\n18:\n\t.endif\n\trjmp 12b\n"
        "17:\n\t.if %[by_factor]\n\tpop r29\n\tpop r28\n\t.endif\n\t"
        "subi r26, lo8(%[channels]*%[outputs]-1)\n\tsbci r27, hi8(%[channels]*%[outputs]-1)\n\t"
        "ldd r22, Y+13\n\tdec r22\n\tbreq 19f\n\tstd Y+13, r22\n\trjmp 10b\n"
        "19:\n\tclr r1\n\tpop r29\n\tpop r28\n\t" TRN_AVR_LONG
        : "+z"(at)
        : [channels] "n"(s.in_c), [outputs] "n"(s.out_w), [step] "n"(s.stride_w * s.in_c), [left_out] "n"(s.pad_left),
          [right_out] "n"(TRN_AVR_RIGHT(s) == 1), [mulsu] "n"(kind.unsigned_input), TRN_AVR_SINK_OPERANDS(to)
        : TRN_AVR_TAKEN_12, "r14", "r15", "r16", "r17", "r18", "r19", "r20", "r21", "r22", "r23", "r24", "r25", "r26", "r27", "r0", "memory");
}

/* Outputs in a row: all of them where a code of 0 is the number 0, else those with all taps. x: the rows under the taps inside. */
TRN_KERNEL void trn_avr_depthwise(const int8_t *const *x, const int8_t *w, const int32_t *b, int8_t *y, trn_window_t s, trn_size_t rows,
                                  trn_pow2_sink_t to, trn_pow2_kind_t kind)
{
    const trn_run_t middle = trn_outputs_with_all_taps(s.in_w, s.out_w, s.kernel_w, s.stride_w, s.pad_left);
    const trn_size_t first = to.x_zero == 0u ? 0 : middle.first;
    trn_window_t part = s;
    if (to.x_zero != 0u) {
        part.in_w = (int16_t)((middle.count - 1) * s.stride_w + s.kernel_w);
        part.out_w = (int16_t)middle.count;
        part.pad_left = 0;
    }
    if (part.out_w > 0) {
        trn_avr_pixels_t at = {.x = (const uint8_t *)x[0] + (first * s.stride_w - s.pad_left) * s.in_c,
                               .y = y + first * s.out_c,
                               .w = w,
                               .b = b,
                               .row = {(int16_t)(x[1] - x[0]), (int16_t)(rows > 2 ? x[2] - x[1] : 0)},
                               .rows = (uint8_t)rows,
                               .channels = (uint8_t)s.in_c};
        trn_avr_pixels(&at, part, to, kind);
    }
}

#endif
