/* SPDX-License-Identifier: Apache-2.0 */
/* The inner loop of dense layers on AVR: up to four outputs over a run of inputs.
 *
 * MULS and MULSU leave the sign of the product in C, so `sbc t, t` extends it in one cycle; products of lifted weights have none. Cycles
 * per product, four rows, 24 bits: weight 3 (flash; 2 from SRAM), multiply 2, sign 1 or 0, add 3, a quarter of the input's 2: 9.5 or 8.5,
 * and 0.16 for the loop. */
#ifndef TRN_AVR_ROWS_H
#define TRN_AVR_ROWS_H

#include "trn/avr/kernel.h"

#define TRN_AVR_RUN_MAX 1023

/* One product, added to the three or four bytes of accumulator `row`. */
#define TRN_AVR_MAC_24(row, load, multiply)        \
    load " %[w], Z+\n\t" multiply                    \
         "add %A[" row "], r0\n\t"                  \
         "adc %B[" row "], r1\n\t"                  \
         "adc %C[" row "], %[t]\n\t"
#define TRN_AVR_MAC_32(row, load, multiply) TRN_AVR_MAC_24(row, load, multiply) "adc %D[" row "], %[t]\n\t"

#define TRN_AVR_MACS_1(width, load, multiply) TRN_AVR_MAC_##width("a0", load, multiply)
#define TRN_AVR_MACS_2(width, load, multiply) TRN_AVR_MACS_1(width, load, multiply) TRN_AVR_MAC_##width("a1", load, multiply)
#define TRN_AVR_MACS_3(width, load, multiply) TRN_AVR_MACS_2(width, load, multiply) TRN_AVR_MAC_##width("a2", load, multiply)
#define TRN_AVR_MACS_4(width, load, multiply) TRN_AVR_MACS_3(width, load, multiply) TRN_AVR_MAC_##width("a3", load, multiply)

/* From a gap stored times four to one in weights of 1, 2, 3 or 4 rows, added to Z. */
#define TRN_AVR_SKIP_ADD "add r30, %[w]\n\tadc r31, %[zero]\n\t"
#define TRN_AVR_SKIP_1 "lsr %[w]\n\tlsr %[w]\n\t" TRN_AVR_SKIP_ADD
#define TRN_AVR_SKIP_2 "lsr %[w]\n\t" TRN_AVR_SKIP_ADD
#define TRN_AVR_SKIP_3 "lsr %[w]\n\tlsr %[w]\n\t" TRN_AVR_SKIP_ADD TRN_AVR_SKIP_ADD TRN_AVR_SKIP_ADD
#define TRN_AVR_SKIP_4 TRN_AVR_SKIP_ADD

/* Whether a loop takes every input or the (gap, value) pairs of a list. */
#define TRN_AVR_INPUT_all(rows) "ld %[v], X+\n\t"
#define TRN_AVR_INPUT_raised(rows) TRN_AVR_INPUT_all(rows) "subi %[v], 0x80\n\t" /* codes with a sign, for lifted weights */
#define TRN_AVR_INPUT_listed(rows) "ld %[w], X+\n\t" TRN_AVR_SKIP_##rows "ld %[v], X+\n\t"

typedef int32_t trn_avr_sum_32_t;
typedef __int24 trn_avr_sum_24_t;

/* sums[r] += sum over the inputs of x w[r]. n: inputs, or pairs of the list, at most TRN_AVR_RUN_MAX. Returns where w ends. */
#define TRN_AVR_ROWS(name, rows, width, input, load, begin, multiply)                                                   \
    TRN_AVR_KERNEL const int8_t *name(const uint8_t *x, const int8_t *w, uint16_t n, int32_t *sums) \
    {                                                                                                                    \
        trn_avr_sum_##width##_t a0 = (trn_avr_sum_##width##_t)sums[0], a1 = 0, a2 = 0, a3 = 0;                           \
        if (rows > 1) {                                                                                                  \
            a1 = (trn_avr_sum_##width##_t)sums[1];                                                                       \
        }                                                                                                                \
        if (rows > 2) {                                                                                                  \
            a2 = (trn_avr_sum_##width##_t)sums[2];                                                                       \
        }                                                                                                                \
        if (rows > 3) {                                                                                                  \
            a3 = (trn_avr_sum_##width##_t)sums[3];                                                                       \
        }                                                                                                                \
        uint8_t turns = (uint8_t)(n >> 2), single = (uint8_t)(n & 3u);                                                   \
        uint8_t v, weight, t;                                                                                            \
        __asm__ volatile(begin "tst %[single]\n\t"                                                                             \
                         "breq 2f\n"                                                                                     \
                         "1:\n\t" TRN_AVR_INPUT_##input(rows) TRN_AVR_MACS_##rows(width, load, multiply)                 \
                         "dec %[single]\n\t"                                                                             \
                         "brne 1b\n"                                                                                     \
                         "2:\n\t"                                                                                        \
                         "tst %[turns]\n\t"                                                                              \
                         "brne 3f\n\t"                                                                                   \
                         "rjmp 4f\n"                                                                                     \
                         "3:\n\t"                                                                                        \
                         ".rept 4\n\t" TRN_AVR_INPUT_##input(rows) TRN_AVR_MACS_##rows(width, load, multiply)            \
                         ".endr\n\t"                                                                                     \
                         "dec %[turns]\n\t"                                                                              \
                         "breq 4f\n\t"                                                                                   \
                         "rjmp 3b\n"                                                                                     \
                         "4:\n\t"                                                                                        \
                         "clr r1"                                                                                        \
                         : [a0] "+r"(a0), [a1] "+r"(a1), [a2] "+r"(a2), [a3] "+r"(a3), "+x"(x), "+z"(w),                 \
                           [turns] "+r"(turns), [single] "+r"(single), [v] "=&a"(v),                  \
                           [w] "=&a"(weight), [t] "=&r"(t)                                                               \
                         : [zero] "r"((uint8_t)0)                                                                        \
                         : "r0", "memory");                                                                              \
        sums[0] = a0;                                                                                                    \
        if (rows > 1) {                                                                                                  \
            sums[1] = a1;                                                                                                \
        }                                                                                                                \
        if (rows > 2) {                                                                                                  \
            sums[2] = a2;                                                                                                \
        }                                                                                                                \
        if (rows > 3) {                                                                                                  \
            sums[3] = a3;                                                                                                \
        }                                                                                                                \
        return w;                                                                                                        \
    }

#if __AVR_ARCH__ == 103
#define TRN_AVR_LOAD_flash "ld" /* flash is mapped into the data space */
#else
#define TRN_AVR_LOAD_flash "lpm"
#endif
#define TRN_AVR_LOAD_ram "ld"
#define TRN_AVR_MULTIPLY_s "muls"
#define TRN_AVR_MULTIPLY_u "mulsu" /* signed weight, unsigned input */
#define TRN_AVR_TIMES_s "muls %[w], %[v]\n\tsbc %[t], %[t]\n\t"
#define TRN_AVR_TIMES_u "mulsu %[w], %[v]\n\tsbc %[t], %[t]\n\t"
#define TRN_AVR_TIMES_l "mul %[w], %[v]\n\t" /* lifted weight, unsigned input; t stays 0 */
#define TRN_AVR_BEGIN_s
#define TRN_AVR_BEGIN_u
#define TRN_AVR_BEGIN_l "clr %[t]\n\t"

#define TRN_AVR_ROWS_OF(rows, width, input, space, sign)                                                                    \
    TRN_AVR_ROWS(trn_avr_##rows##_##width##_##input##_##space##_##sign, rows, width, input, TRN_AVR_LOAD_##space,           \
                 TRN_AVR_BEGIN_##sign, TRN_AVR_TIMES_##sign)
#define TRN_AVR_ROWS_EACH(width, input, space, sign) \
    TRN_AVR_ROWS_OF(1, width, input, space, sign)    \
    TRN_AVR_ROWS_OF(2, width, input, space, sign)    \
    TRN_AVR_ROWS_OF(3, width, input, space, sign)    \
    TRN_AVR_ROWS_OF(4, width, input, space, sign)

#define TRN_AVR_ROWS_INPUTS(width, space, sign)       \
    TRN_AVR_ROWS_EACH(width, all, space, sign)        \
    TRN_AVR_ROWS_EACH(width, listed, space, sign)
TRN_AVR_ROWS_INPUTS(24, flash, s)
TRN_AVR_ROWS_INPUTS(24, flash, u)
TRN_AVR_ROWS_INPUTS(24, flash, l)
TRN_AVR_ROWS_INPUTS(24, ram, s)
TRN_AVR_ROWS_INPUTS(24, ram, u)
TRN_AVR_ROWS_INPUTS(32, flash, s)
TRN_AVR_ROWS_INPUTS(32, flash, u)
TRN_AVR_ROWS_INPUTS(32, flash, l)
TRN_AVR_ROWS_INPUTS(32, ram, s)
TRN_AVR_ROWS_INPUTS(32, ram, u)

TRN_AVR_ROWS_EACH(24, raised, flash, l)
TRN_AVR_ROWS_EACH(32, raised, flash, l)

/* The one of them for a literal kind and number of rows. */
#define TRN_AVR_BY_SIGN(rows, width, input, space)                                   \
    (kind.unsigned_input ? trn_avr_##rows##_##width##_##input##_##space##_u(x, w, now, sums) \
                         : trn_avr_##rows##_##width##_##input##_##space##_s(x, w, now, sums))
#define TRN_AVR_BY_SPACE(rows, width, input) \
    (kind.lifted  ? trn_avr_##rows##_##width##_##input##_flash_l(x, w, now, sums) \
     : kind.flash ? TRN_AVR_BY_SIGN(rows, width, input, flash)                    \
                  : TRN_AVR_BY_SIGN(rows, width, input, ram))
#define TRN_AVR_BY_WIDTH(rows, input) (kind.narrow ? TRN_AVR_BY_SPACE(rows, 24, input) : TRN_AVR_BY_SPACE(rows, 32, input))
#define TRN_AVR_RAISED(rows, input) \
    (kind.narrow ? trn_avr_##rows##_24_raised_flash_l(x, w, now, sums) : trn_avr_##rows##_32_raised_flash_l(x, w, now, sums))
#define TRN_AVR_BY_ROWS(by, input)         \
    (rows == 4   ? by(4, input)            \
     : rows == 3 ? by(3, input)            \
     : rows == 2 ? by(2, input)            \
                 : by(1, input))

TRN_KERNEL void trn_avr_rows(const uint8_t *x, const int8_t *w, trn_size_t n, trn_size_t rows, trn_pow2_kind_t kind, int32_t *sums)
{
    for (trn_size_t left = n; left > 0; left -= TRN_AVR_RUN_MAX) {
        const uint16_t now = (uint16_t)(left < TRN_AVR_RUN_MAX ? left : TRN_AVR_RUN_MAX);
        w = kind.lifted && !kind.unsigned_input ? TRN_AVR_BY_ROWS(TRN_AVR_RAISED, all) : TRN_AVR_BY_ROWS(TRN_AVR_BY_WIDTH, all);
        x += now;
    }
}

TRN_KERNEL void trn_avr_listed(const uint8_t *x, const int8_t *w, trn_size_t n, trn_size_t rows, trn_pow2_kind_t kind, int32_t *sums)
{
    for (trn_size_t left = n; left > 0; left -= TRN_AVR_RUN_MAX) {
        const uint16_t now = (uint16_t)(left < TRN_AVR_RUN_MAX ? left : TRN_AVR_RUN_MAX);
        w = TRN_AVR_BY_ROWS(TRN_AVR_BY_WIDTH, listed);
        x += 2u * now;
    }
}

#endif
