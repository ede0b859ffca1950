/* SPDX-License-Identifier: Apache-2.0 */
/* Averages on AVR: of 2x2 windows a row at a time, else the sum of one window. Codes with a sign are added as code + 128, without one.
 *
 * Cycles per input: load 2, without the sign 1, addition 2. */
#ifndef TRN_AVR_POOL_H
#define TRN_AVR_POOL_H

#include "trn/avr/kernel.h"
#include "trn/detail/window.h"

/* What trn_avr_pool_sum() is for: literal sizes, sums of 16 bits. */
TRN_KERNEL bool trn_avr_pool_sum_fits(trn_window_t s)
{
    return __builtin_constant_p(s.in_c) && __builtin_constant_p(s.in_w) && __builtin_constant_p(s.kernel_h) &&
           __builtin_constant_p(s.kernel_w) && trn_all_taps_inside(s) && s.kernel_h * s.kernel_w <= 128;
}

/* What trn_avr_average_row() is for. */
TRN_KERNEL bool trn_avr_average_row_fits(trn_window_t s)
{
    return trn_avr_pool_sum_fits(s) && __builtin_constant_p(s.stride_w) && __builtin_constant_p(s.out_w) && s.kernel_h == 2 &&
           s.kernel_w == 2 && s.in_c <= 64 && s.out_w <= 255;
}

/* The input n pixels on, and where there is no such displacement, the next one. */
#define TRN_AVR_ADD_PIXEL(n)                                                                                                  \
    ".if 3 * %[channels] <= 63\n\tldd %[v], Z+%[channels]*" n "\n\t"                                                          \
    ".else\n\tld %[v], Z\n\tsubi r30, lo8(-%[channels])\n\tsbci r31, hi8(-%[channels])\n\t.endif\n\t"                         \
    ".if %[sign]\n\tsubi %[v], 0x80\n\t.endif\n\tadd %A[sum], %[v]\n\tadc %B[sum], r1\n\t"
#define TRN_AVR_PIXELS_ON(n)                                                                                                  \
    ".if 3 * %[channels] <= 63\n\tsubi r30, lo8(-%[channels]*" n ")\n\tsbci r31, hi8(-%[channels]*" n ")\n\t.endif\n\t"

/* Sum of one channel of a window, of code + 128 if they have a sign. */
TRN_KERNEL uint16_t trn_avr_pool_sum(const int8_t *x, trn_window_t s, bool has_sign)
{
    uint16_t sum;
    uint8_t v, rows, turns;
    __asm__ volatile("clr %A[sum]\n\tclr %B[sum]\n\tldi %[rows], %[kernel_h]\n"
                     "1:\n\t"
                     ".rept %[kernel_w] & 3\n\t" TRN_AVR_ADD_PIXEL("0") TRN_AVR_PIXELS_ON("1") ".endr\n\t"
                     ".if %[kernel_w] >> 2\n\tldi %[turns], %[kernel_w] >> 2\n"
                     "2:\n\t" TRN_AVR_ADD_PIXEL("0") TRN_AVR_ADD_PIXEL("1") TRN_AVR_ADD_PIXEL("2") TRN_AVR_ADD_PIXEL("3")
                     TRN_AVR_PIXELS_ON("4") "dec %[turns]\n\tbrne 2b\n\t.endif\n\t"
                     "subi r30, lo8(-(%[row]))\n\tsbci r31, hi8(-(%[row]))\n\tdec %[rows]\n\tbrne 1b"
                     : "+z"(x), [sum] "=&r"(sum), [v] "=&d"(v), [rows] "=&d"(rows), [turns] "=&d"(turns)
                     : [channels] "n"(s.in_c), [kernel_h] "n"(s.kernel_h), [kernel_w] "n"(s.kernel_w),
                       [row] "n"((s.in_w - s.kernel_w) * s.in_c), [sign] "n"(has_sign)
                     : "memory");
    return sum;
}

#define TRN_AVR_ADD_CODE(load) \
    load "\n\t.if %[sign]\n\tsubi r20, 0x80\n\t.endif\n\tadd r18, r20\n\tadc r19, r1\n\t"

/* y[j, c] = floor(sum / 4 + 1/2) for a row of outputs; x: the upper of its two rows. */
TRN_KERNEL void trn_avr_average_row(const int8_t *x, int8_t *y, trn_window_t s, bool has_sign)
{
    __asm__ volatile("push r28\n\tpush r29\n\tmovw r28, r30\n\tsubi r28, lo8(-(%[row]))\n\tsbci r29, hi8(-(%[row]))\n\tldi r23, %[outputs]\n"
                     "1:\n\tldi r22, %[channels]\n"
                     "2:\n\tld r18, Z+\n\tclr r19\n\t.if %[sign]\n\tsubi r18, 0x80\n\t.endif\n\t"
                     TRN_AVR_ADD_CODE("ldd r20, Z+%[channels]-1") TRN_AVR_ADD_CODE("ld r20, Y+") TRN_AVR_ADD_CODE("ldd r20, Y+%[channels]-1")
                     "lsr r19\n\tror r18\n\tlsr r19\n\tror r18\n\tadc r18, r1\n\t"
                     ".if %[sign]\n\tsubi r18, 0x80\n\t.endif\n\tst X+, r18\n\tdec r22\n\tbrne 2b\n\t"
                     ".if %[skip]\n\tsubi r30, lo8(-(%[skip]))\n\tsbci r31, hi8(-(%[skip]))\n\t"
                     "subi r28, lo8(-(%[skip]))\n\tsbci r29, hi8(-(%[skip]))\n\t.endif\n\t"
                     "dec r23\n\tbrne 1b\n\tpop r29\n\tpop r28"
                     : "+z"(x), "+x"(y)
                     : [channels] "n"(s.in_c), [outputs] "n"(s.out_w), [row] "n"(s.in_w * s.in_c), [skip] "n"((s.stride_w - 1) * s.in_c),
                       [sign] "n"(has_sign)
                     : "r18", "r19", "r20", "r22", "r23", "memory");
}

#endif
