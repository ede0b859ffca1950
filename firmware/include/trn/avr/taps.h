/* SPDX-License-Identifier: Apache-2.0 */
/* The taps of a window on AVR, up to four outputs in one call: the sums stay in registers from the bias to the last tap. For what the
 * statements of trn/avr/conv2d.h and depthwise.h do not take: sums of 32 bits, shapes of run time, rows in pieces, taps outside that count.
 *
 * Cycles per product, four outputs, 24 bits, weights in flash: 9.5 and a quarter of the loop's 1 to 3 where outputs share the input
 * (trn/avr/rows.h), 11 and a quarter of 8, which lead to the next tap, where each has its own. A row of taps costs some 25 more, a
 * call some 150. */
#ifndef TRN_AVR_TAPS_H
#define TRN_AVR_TAPS_H

#include <stddef.h>

#include "trn/avr/rows.h"

/* The kernels read and write trn_pow2_taps_t through Y: places of its members. */
_Static_assert(offsetof(trn_pow2_taps_t, start) == 16 && offsetof(trn_pow2_taps_t, x) == 18 && offsetof(trn_pow2_taps_t, w) == 20, "Y+16");
_Static_assert(offsetof(trn_pow2_taps_t, x_row) == 22 && offsetof(trn_pow2_taps_t, w_row) == 24, "Y+22");
_Static_assert(offsetof(trn_pow2_taps_t, x_tap) == 26 && offsetof(trn_pow2_taps_t, w_tap) == 28, "Y+26");
_Static_assert(offsetof(trn_pow2_taps_t, rows) == 30 && offsetof(trn_pow2_taps_t, single) == 31 && offsetof(trn_pow2_taps_t, turns) == 32, "Y+30");

#define TRN_AVR_ALL_ROWS(rows, bytes, ...) \
    ".set trn_r, 2\n\t.set trn_o, 0\n\t.rept " #rows "\n\t" __VA_ARGS__ ".set trn_r, trn_r + " #bytes "\n\t.set trn_o, trn_o + 4\n\t.endr\n\t"
#define TRN_AVR_START(rows, bytes, load)                                                                             \
    TRN_AVR_ALL_ROWS(rows, bytes, load " trn_r, Z+\n\t" load " trn_r + 1, Z+\n\t" load " trn_r + 2, Z+\n\t"          \
                                  ".if " #bytes " == 4\n\t" load " trn_r + 3, Z+\n\t.else\n\tadiw r30, 1\n\t.endif\n\t")
#define TRN_AVR_STORE(rows, bytes)                                                                                      \
    TRN_AVR_ALL_ROWS(rows, bytes, "std Y+trn_o, trn_r\n\tstd Y+trn_o+1, trn_r + 1\n\tstd Y+trn_o+2, trn_r + 2\n\t"      \
                                  ".if " #bytes " == 4\n\tstd Y+trn_o+3, trn_r + 3\n\t.else\n\t"                        \
                                  "mov r20, trn_r + 2\n\tlsl r20\n\tsbc r20, r20\n\tstd Y+trn_o+3, r20\n\t.endif\n\t")
/* r18: input, r19: weight, r20: sign of the product. */
#define TRN_AVR_PRODUCTS(rows, bytes, input, load, multiply)                                                                       \
    TRN_AVR_ALL_ROWS(rows, bytes, input load " r19, Z+\n\t" multiply " r19, r18\n\tsbc r20, r20\n\tadd trn_r, r0\n\t"              \
                                  "adc trn_r + 1, r1\n\tadc trn_r + 2, r20\n\t.if " #bytes " == 4\n\tadc trn_r + 3, r20\n\t.endif\n\t")

/* Outputs that read the same inputs: a convolution. */
#define TRN_AVR_ROW_one(rows, bytes, load, multiply)                                                 \
    "ldd r22, Y+31\n\ttst r22\n\tbreq 3f\n"                                                          \
    "2:\n\tld r18, X+\n\t" TRN_AVR_PRODUCTS(rows, bytes, "", load, multiply) "dec r22\n\tbrne 2b\n"  \
    "3:\n\tldd r23, Y+32\n\ttst r23\n\tbrne 4f\n\trjmp 5f\n"                                         \
    "4:\n\t.rept 4\n\tld r18, X+\n\t" TRN_AVR_PRODUCTS(rows, bytes, "", load, multiply) ".endr\n\t"  \
    "dec r23\n\tbreq 5f\n\trjmp 4b\n"
/* Outputs that read an input each, or all the same one, `tap` by tap: a depthwise convolution. */
#define TRN_AVR_ROW_TAPS(products)                                                                    \
    "ldd r22, Y+31\n\tldd r23, Y+26\n\tldd r25, Y+28\n"                                               \
    "2:\n\t" products "clr r20\n\tadd r26, r23\n\tadc r27, r20\n\tadd r30, r25\n\tadc r31, r20\n\t"   \
    "dec r22\n\tbrne 2b\n"
#define TRN_AVR_ROW_own(rows, bytes, load, multiply) \
    TRN_AVR_ROW_TAPS(TRN_AVR_PRODUCTS(rows, bytes, "ld r18, X+\n\t", load, multiply))
#define TRN_AVR_ROW_same(rows, bytes, load, multiply) \
    TRN_AVR_ROW_TAPS("ld r18, X\n\t" TRN_AVR_PRODUCTS(rows, bytes, "", load, multiply))

#define TRN_AVR_TAPS(name, rows, bytes, input, start, load, multiply, ...)                                                      \
    TRN_AVR_KERNEL void name(trn_pow2_taps_t *at)                                                                                \
    {                                                                                                                           \
        __asm__ volatile("ldd r30, Y+16\n\tldd r31, Y+17\n\t" TRN_AVR_START(rows, bytes, start)                                 \
                         "ldd r26, Y+18\n\tldd r27, Y+19\n\tldd r30, Y+20\n\tldd r31, Y+21\n\t"                                 \
                         "ldd r24, Y+30\n\ttst r24\n\tbrne 1f\n\trjmp 6f\n"                                                     \
                         "1:\n\t" TRN_AVR_ROW_##input(rows, bytes, load, multiply)                                              \
                         "5:\n\tdec r24\n\tbreq 6f\n\t"                                                                         \
                         "ldd r20, Y+22\n\tadd r26, r20\n\tldd r20, Y+23\n\tadc r27, r20\n\t"                                   \
                         "ldd r20, Y+24\n\tadd r30, r20\n\tldd r20, Y+25\n\tadc r31, r20\n\trjmp 1b\n"                          \
                         "6:\n\t" TRN_AVR_STORE(rows, bytes) "clr r1"                                                           \
                         :                                                                                                      \
                         : "y"(at)                                                                                              \
                         : __VA_ARGS__, "r0", "r18", "r19", "r20", "r22", "r23", "r24", "r25", "r26", "r27", "r30", "r31", "memory"); \
    }

/* Registers of the sums, from r2 on. */
#define TRN_AVR_TAKEN_3 "r2", "r3", "r4"
#define TRN_AVR_TAKEN_4 TRN_AVR_TAKEN_3, "r5"
#define TRN_AVR_TAKEN_6 TRN_AVR_TAKEN_4, "r6", "r7"
#define TRN_AVR_TAKEN_8 TRN_AVR_TAKEN_6, "r8", "r9"
#define TRN_AVR_TAKEN_9 TRN_AVR_TAKEN_8, "r10"
#define TRN_AVR_TAKEN_12 TRN_AVR_TAKEN_9, "r11", "r12", "r13"
#define TRN_AVR_TAKEN_16 TRN_AVR_TAKEN_12, "r14", "r15", "r16", "r17"

#define TRN_AVR_TAPS_OF(outputs, width, bytes, taken, input, from, start, space, sign)                                   \
    TRN_AVR_TAPS(trn_avr_taps_##outputs##_##width##_##input##_##from##_##space##_##sign, outputs, bytes, input, start,   \
                 TRN_AVR_LOAD_##space, TRN_AVR_MULTIPLY_##sign, TRN_AVR_TAKEN_##taken)
#define TRN_AVR_TAPS_EACH(input, from, start, space, sign) \
    TRN_AVR_TAPS_OF(1, 24, 3, 3, input, from, start, space, sign) \
    TRN_AVR_TAPS_OF(2, 24, 3, 6, input, from, start, space, sign) \
    TRN_AVR_TAPS_OF(3, 24, 3, 9, input, from, start, space, sign) \
    TRN_AVR_TAPS_OF(4, 24, 3, 12, input, from, start, space, sign) \
    TRN_AVR_TAPS_OF(1, 32, 4, 4, input, from, start, space, sign) \
    TRN_AVR_TAPS_OF(2, 32, 4, 8, input, from, start, space, sign) \
    TRN_AVR_TAPS_OF(3, 32, 4, 12, input, from, start, space, sign) \
    TRN_AVR_TAPS_OF(4, 32, 4, 16, input, from, start, space, sign)

#define TRN_AVR_TAPS_SIGNS(input, from, start, space) TRN_AVR_TAPS_EACH(input, from, start, space, s) TRN_AVR_TAPS_EACH(input, from, start, space, u)
#define TRN_AVR_TAPS_INPUTS(from, start, space) \
    TRN_AVR_TAPS_SIGNS(one, from, start, space) TRN_AVR_TAPS_SIGNS(own, from, start, space) TRN_AVR_TAPS_SIGNS(same, from, start, space)
TRN_AVR_TAPS_INPUTS(bias, TRN_AVR_LOAD_flash, flash)
TRN_AVR_TAPS_INPUTS(bias, "ld", ram)
#if __AVR_ARCH__ != 103
TRN_AVR_TAPS_INPUTS(sums, "ld", flash) /* where flash is mapped, or weights are in RAM, biases are read as sums are */
#endif

/* The one of them for a literal kind and number of outputs. */
#define TRN_AVR_TAPS_BY_SIGN(outputs, width, input, from, space)                                      \
    (kind.unsigned_input ? trn_avr_taps_##outputs##_##width##_##input##_##from##_##space##_u(at)      \
                         : trn_avr_taps_##outputs##_##width##_##input##_##from##_##space##_s(at))
#if __AVR_ARCH__ != 103
#define TRN_AVR_TAPS_BY_SPACE(outputs, width, input)                                           \
    (!kind.flash ? TRN_AVR_TAPS_BY_SIGN(outputs, width, input, bias, ram)                      \
     : go_on     ? TRN_AVR_TAPS_BY_SIGN(outputs, width, input, sums, flash)                    \
                 : TRN_AVR_TAPS_BY_SIGN(outputs, width, input, bias, flash))
#else
#define TRN_AVR_TAPS_BY_SPACE(outputs, width, input)                           \
    (kind.flash ? TRN_AVR_TAPS_BY_SIGN(outputs, width, input, bias, flash)     \
                : TRN_AVR_TAPS_BY_SIGN(outputs, width, input, bias, ram))
#endif
#define TRN_AVR_TAPS_BY_WIDTH(outputs, input) \
    (kind.narrow ? TRN_AVR_TAPS_BY_SPACE(outputs, 24, input) : TRN_AVR_TAPS_BY_SPACE(outputs, 32, input))
#define TRN_AVR_TAPS_BY_INPUT(outputs)                                    \
    (input == TRN_POW2_ONE   ? TRN_AVR_TAPS_BY_WIDTH(outputs, one)        \
     : input == TRN_POW2_OWN ? TRN_AVR_TAPS_BY_WIDTH(outputs, own)        \
                             : TRN_AVR_TAPS_BY_WIDTH(outputs, same))

/* at->sums[r] = start[r] + sum over the taps, literal outputs, input, kind. go_on: the start lies in RAM, else with the weights. */
TRN_KERNEL void trn_avr_taps(trn_pow2_taps_t *at, trn_size_t outputs, trn_pow2_inputs_t input, trn_pow2_kind_t kind, bool go_on)
{
    (void)go_on;
    outputs == 4   ? TRN_AVR_TAPS_BY_INPUT(4)
    : outputs == 3 ? TRN_AVR_TAPS_BY_INPUT(3)
    : outputs == 2 ? TRN_AVR_TAPS_BY_INPUT(2)
                   : TRN_AVR_TAPS_BY_INPUT(1);
}

#endif
