/* SPDX-License-Identifier: Apache-2.0 */
/* Neighbouring positions of a convolution on AVR: all their outputs, from the biases to the codes, in one asm statement of the layer's own.
 * Dense layers are one position, depthwise convolutions read an input for each output.
 *
 * Cycles per product, four outputs, 24 bits, weights in flash: 9.5, 8.5 if they are lifted (trn/avr/rows.h), 12 in a depthwise convolution.
 * Per output: 11 for the bias, 22 for its code by a shift and its store, or 59 by a factor, a quarter of some 45 for the block and of 6 for
 * each row of taps. A window of 9 or 16 products is as dear as its products, so each layer has its own statement, its sizes immediate. */
#ifndef TRN_AVR_CONV2D_H
#define TRN_AVR_CONV2D_H

#include "trn/avr/sink.h"
#include "trn/avr/taps.h"

/* Read through Y. */
typedef struct {
    const uint8_t *x;    /* +0: the first input; of the next position once one is done */
    int8_t *y;           /* +2 */
    const int8_t *w;     /* +4: the first block's weight of the first tap */
    const int32_t *b;    /* +6 */
    int16_t x_row;       /* +8: from behind the last input of a row to the next row */
    int16_t w_row;       /* +10: the same of weights, where taps are missing to the side */
    uint8_t rows;        /* +12 */
    uint8_t n;           /* +13: inputs in a row, where taps are missing to the side; else 0 */
    uint8_t positions;   /* +14 */
    int32_t lift;        /* +15: to take off the biases where weights are lifted */
} trn_avr_run_t;
_Static_assert(offsetof(trn_avr_run_t, x_row) == 8 && offsetof(trn_avr_run_t, rows) == 12 && offsetof(trn_avr_run_t, lift) == 15, "Y+8");

/* Layers it is for, depthwise ones of one output a channel, too: literal sizes, sums and factors of 24 bits, a few hundred inputs in a row; no
 * position without a tap. */
TRN_KERNEL bool trn_avr_conv2d_fits(trn_window_t s, trn_pow2_sink_t to, trn_pow2_kind_t kind)
{
    return __builtin_constant_p(s.in_c) && __builtin_constant_p(s.kernel_w) && __builtin_constant_p(s.stride_w) &&
           __builtin_constant_p(s.out_c) && kind.flash && kind.narrow && trn_avr_sinks(to) && s.kernel_w * s.in_c <= 255 && s.kernel_h <= 255 &&
           s.out_c < 1024 && s.out_w <= 255 && s.pad_top < s.kernel_h && s.pad_left < s.kernel_w &&
           (s.out_h - 1) * s.stride_h - s.pad_top < s.in_h && (s.out_w - 1) * s.stride_w - s.pad_left < s.in_w;
}

#define TRN_AVR_OUTPUTS(...) ".set trn_r, 2\n\t.rept %[outputs]\n\t" __VA_ARGS__ ".set trn_r, trn_r + 3\n\t.endr\n\t"
#define TRN_AVR_INPUT "ld r18, X+\n\t.if %[lifted] && %[mulsu] == 0\n\tsubi r18, 0x80\n\t.endif\n\t"
/* r18: input, one for all outputs or each its own, r19: weight, r20: sign of the product; none if the weight is lifted. */
#define TRN_AVR_TAP                                                                                                          \
    ".if %[own] == 0\n\t" TRN_AVR_INPUT ".endif\n\t"                                                                       \
    TRN_AVR_OUTPUTS(".if %[own]\n\t" TRN_AVR_INPUT ".endif\n\t" TRN_AVR_LOAD_flash " r19, Z+\n\t"                         \
                    ".if %[lifted]\n\tmul r19, r18\n\t.elseif %[mulsu]\n\tmulsu r19, r18\n\t.else\n\tmuls r19, r18\n\t.endif\n\t" \
                    ".if %[lifted] == 0\n\tsbc r20, r20\n\t.endif\n\tadd trn_r, r0\n\tadc trn_r + 1, r1\n\tadc trn_r + 2, r20\n\t")  \
    ".if %[own]\n\tsubi r26, lo8(-(%[gap]))\n\tsbci r27, hi8(-(%[gap]))\n\tsubi r30, lo8(-(%[gap]))\n\tsbci r31, hi8(-(%[gap]))\n\t.endif\n\t"

/* outputs: 1 to 4, of each of `blocks` blocks; skip: from behind them to the outputs of the next position; own: a depthwise convolution, whose
 * outputs read a channel each. All but `at` literal.
 *
 * r14: the block's weights, r16: its biases, r22: x_row, r24: rows to go, r25: blocks to go, T: taps are missing to the side. */
TRN_KERNEL void trn_avr_conv2d_run(trn_avr_run_t *at, trn_size_t outputs, trn_size_t blocks, trn_size_t skip, bool own, trn_window_t s,
                                   trn_pow2_sink_t to, trn_pow2_kind_t kind)
{
    __asm__ volatile(
        "push r28\n\tpush r29\n\tmovw r28, r30\n\t"
        "clt\n\tldd r18, Y+13\n\ttst r18\n\tbreq 10f\n\tset\n"
        "10:\n\t"
        "ldd r14, Y+4\n\tldd r15, Y+5\n\tldd r16, Y+6\n\tldd r17, Y+7\n\tldi r25, %[blocks]\n"
        "11:\n\t"
        "movw r30, r16\n\t"
        TRN_AVR_OUTPUTS(TRN_AVR_LOAD_flash " trn_r, Z+\n\t" TRN_AVR_LOAD_flash " trn_r + 1, Z+\n\t" TRN_AVR_LOAD_flash " trn_r + 2, Z+\n\t"
                                           "adiw r30, 1\n\t")
        "movw r16, r30\n\tmovw r30, r14\n\t"
        ".if %[lifted]\n\tldd r18, Y+15\n\tldd r19, Y+16\n\tldd r20, Y+17\n\t"
        TRN_AVR_OUTPUTS("sub trn_r, r18\n\tsbc trn_r + 1, r19\n\tsbc trn_r + 2, r20\n\t") "clr r20\n\t.endif\n\t"
        "ldd r26, Y+0\n\tldd r27, Y+1\n\tldd r22, Y+8\n\tldd r23, Y+9\n\tldd r24, Y+12\n\trjmp 14f\n"
        "12:\n\tldd r21, Y+13\n"
        "13:\n\t" TRN_AVR_TAP "dec r21\n\tbrne 13b\n\t"
        "ldd r21, Y+10\n\tadd r30, r21\n\tldd r21, Y+11\n\tadc r31, r21\n\trjmp 17f\n"
        "14:\n\tbrts 12b\n\t"
        ".if %[n] <= 8\n\t.rept %[n]\n\t" TRN_AVR_TAP ".endr\n\t.else\n\t"
        ".rept %[n] %% %[unrolled]\n\t" TRN_AVR_TAP ".endr\n\tldi r21, %[n] / %[unrolled]\n"
        "15:\n\t.rept %[unrolled]\n\t" TRN_AVR_TAP ".endr\n\tdec r21\n\tbreq 17f\n\trjmp 15b\n\t.endif\n"
        "17:\n\tadd r26, r22\n\tadc r27, r23\n\tdec r24\n\tbreq 18f\n\trjmp 14b\n"
        "18:\n\tldd r26, Y+2\n\tldd r27, Y+3\n\t"
        TRN_AVR_OUTPUTS(TRN_AVR_SINK("trn_r", "trn_r + 1", "trn_r + 2", "r19", "r24", "r18", "r20", "r30", "r31") "st X+, r19\n\t")
        "dec r25\n\tbreq 19f\n\t"
        "std Y+2, r26\n\tstd Y+3, r27\n\t"
        ".if %[own]\n\tldd r18, Y+0\n\tldd r19, Y+1\n\tsubi r18, lo8(-%[outputs])\n\tsbci r19, hi8(-%[outputs])\n\t"
        "std Y+0, r18\n\tstd Y+1, r19\n\t.endif\n\t"
        "ldi r18, lo8(%[block])\n\tldi r19, hi8(%[block])\n\tadd r14, r18\n\tadc r15, r19\n\trjmp 11b\n"
        "19:\n\t"
        "ldd r18, Y+14\n\tdec r18\n\tbreq 20f\n\tstd Y+14, r18\n\t"
        ".if %[skip]\n\tsubi r26, lo8(-(%[skip]))\n\tsbci r27, hi8(-(%[skip]))\n\t.endif\n\tstd Y+2, r26\n\tstd Y+3, r27\n\t"
        "ldd r26, Y+0\n\tldd r27, Y+1\n\tsubi r26, lo8(-(%[step]))\n\tsbci r27, hi8(-(%[step]))\n\tstd Y+0, r26\n\tstd Y+1, r27\n\t"
        "rjmp 10b\n"
        "20:\n\tclr r1\n\tpop r29\n\tpop r28\n\t" TRN_AVR_LONG
        : "+z"(at)
        : [outputs] "n"(outputs), [blocks] "n"(blocks), [skip] "n"(skip), [own] "n"(own), [n] "n"(s.kernel_w * (own ? 1 : s.in_c)),
          [unrolled] "n"(s.kernel_w * s.in_c % 8 == 0 ? 8 : 4), [gap] "n"(s.out_c - outputs),
          [block] "n"(outputs * (own ? 1 : s.kernel_h * s.kernel_w * s.in_c)),
          [step] "n"(s.stride_w * s.in_c - (own ? outputs * (blocks - 1) : 0)), [mulsu] "n"(kind.unsigned_input), [lifted] "n"(kind.lifted),
          TRN_AVR_SINK_OPERANDS(to)
        : TRN_AVR_TAKEN_16, "r18", "r19", "r20", "r21", "r22", "r23", "r24", "r25", "r26", "r27", "r0", "memory");
}

/* The outputs of `now` positions, which have the same taps: all of a row (vs.count == kernel_w), or one position's. x: the row under the first
 * tap. own: of a depthwise convolution, an output for each channel. */
TRN_KERNEL void trn_avr_conv2d(const int8_t *x, const int8_t *w, const int32_t *b, int8_t *y, bool own, trn_window_t s, trn_run_t us,
                               trn_run_t vs, trn_size_t now, trn_pow2_sink_t to, trn_pow2_kind_t kind)
{
    const trn_size_t blocks = s.out_c / TRN_POW2_ROWS, rest = s.out_c % TRN_POW2_ROWS, whole = s.out_c - rest;
    const trn_size_t terms = own ? 1 : s.in_c; /* inputs of an output in a tap */
    const trn_size_t tap = us.first * s.kernel_w + vs.first;
    trn_avr_run_t at;
    for (trn_size_t part = blocks > 0 ? 0 : 1; part < (rest > 0 ? 2 : 1); part++) {
        const trn_size_t first = part == 0 ? 0 : whole, outputs = part == 0 ? TRN_POW2_ROWS : rest;
        const trn_size_t each = own ? s.out_c : terms * outputs; /* weights from tap to tap */
        at.x = (const uint8_t *)x + vs.at * s.in_c + (own ? first : 0);
        at.y = y + first;
        at.w = w + first * (own ? 1 : s.kernel_h * s.kernel_w * terms) + tap * each;
        at.b = b + first;
        at.x_row = (int16_t)((s.in_w - vs.count) * s.in_c);
        at.w_row = (int16_t)((s.kernel_w - vs.count) * each);
        at.rows = (uint8_t)us.count;
        at.n = (uint8_t)(vs.count == s.kernel_w ? 0 : vs.count * terms);
        at.positions = (uint8_t)now;
        if (part == 0) {
            trn_avr_conv2d_run(&at, TRN_POW2_ROWS, blocks, rest, own, s, to, kind);
        } else {
            trn_avr_conv2d_run(&at, rest > 0 ? rest : 1, 1, whole, own, s, to, kind);
        }
    }
}

/* Dense layers that are such a position: their inputs are one row of taps. */
TRN_KERNEL bool trn_avr_dense_fits(trn_size_t n_in, trn_size_t n_out, trn_pow2_sink_t to, trn_pow2_kind_t kind)
{
    return __builtin_constant_p(n_in) && __builtin_constant_p(n_out) && kind.flash && kind.narrow && trn_avr_sinks(to) &&
           n_in <= TRN_AVR_RUN_MAX && n_out < 1024;
}

TRN_KERNEL void trn_avr_dense(const int8_t *x, const int8_t *w, const int32_t *b, int8_t *y, trn_size_t n_in, trn_size_t n_out, int32_t lift,
                              trn_pow2_sink_t to, trn_pow2_kind_t kind)
{
    const trn_size_t blocks = n_out / TRN_POW2_ROWS, rest = n_out % TRN_POW2_ROWS;
    const trn_window_t s = {1, 1, (int16_t)n_in, 1, 1, (int16_t)n_out, 1, 1, 1, 1, 0, 0};
    trn_avr_run_t at = {(const uint8_t *)x, y, w, b, 0, 0, 1, 0, 1, lift};
    if (blocks > 0) {
        trn_avr_conv2d_run(&at, TRN_POW2_ROWS, blocks, 0, false, s, to, kind);
    }
    if (rest > 0) {
        at.y = y + n_out - rest;
        at.w = w + (n_out - rest) * n_in;
        at.b = b + n_out - rest;
        trn_avr_conv2d_run(&at, rest, 1, 0, false, s, to, kind);
    }
}

#endif
