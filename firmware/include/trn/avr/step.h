/* SPDX-License-Identifier: Apache-2.0 */
/* The inner loops of 8-bit training on AVR: one row's step and one input's error. */
#ifndef TRN_AVR_STEP_H
#define TRN_AVR_STEP_H

#include "trn/avr/kernel.h"

/* Product of the 16-bit step and an input, into three bytes; C of MULSU is its sign. The instructions take registers 16 to 23. */
#define TRN_AVR_STEP_s         \
    "mulsu %[x], %A[q]\n\t"    \
    "sbc %[high], %[high]\n\t" \
    "movw %A[low], r0\n\t"     \
    "muls %[x], %B[q]\n\t"
#define TRN_AVR_STEP_u      \
    "clr %[high]\n\t"       \
    "mul %[x], %A[q]\n\t"   \
    "movw %A[low], r0\n\t"  \
    "mulsu %B[q], %[x]\n\t"

/* w[k stride] <- clamp(w + floor((q x[k] + ((u + 2^8 noise[k]) mod 2^16)) / 2^16), -127, 127) for the k with x[k] != 0. 27 cycles per
 * step, 9 around it. */
#define TRN_AVR_MOVE_ROW(sign)                                                                                                \
    TRN_AVR_KERNEL void trn_avr_move_row_##sign(const uint8_t *x, const uint8_t *noise, int8_t *w, \
                                                                             uint8_t stride, uint16_t n, int16_t q, uint16_t u) \
    {                                                                                                                         \
        uint8_t v, high, r;                                                                                                   \
        uint16_t low;                                                                                                         \
        __asm__ volatile("1:\n\t"                                                                                             \
                         "ld %[x], X+\n\t"                                                                                    \
                         "ld %[r], Y+\n\t"                                                                                    \
                         "tst %[x]\n\t"                                                                                       \
                         "breq 4f\n\t" TRN_AVR_STEP_##sign "add %B[low], r0\n\t"                                              \
                         "adc %[high], r1\n\t"                                                                                \
                         "add %[r], %B[u]\n\t"                                                                                \
                         "add %A[low], %A[u]\n\t"                                                                             \
                         "adc %B[low], %[r]\n\t"                                                                              \
                         "ld %[x], Z\n\t"                                                                                     \
                         "adc %[x], %[high]\n\t" /* the carry of the random bits and the step at once */                     \
                         "brvs 2f\n\t"                                                                                        \
                         "cpi %[x], 0x80\n\t"                                                                                 \
                         "brne 3f\n"                                                                                          \
                         "2:\n\t"                                                                                             \
                         "ldi %[x], 0x7f\n\t"                                                                                 \
                         "sbrc %[high], 7\n\t"                                                                                \
                         "ldi %[x], 0x81\n"                                                                                   \
                         "3:\n\t"                                                                                             \
                         "st Z, %[x]\n"                                                                                       \
                         "4:\n\t"                                                                                             \
                         "clr r1\n\t"                                                                                         \
                         "add r30, %[stride]\n\t"                                                                             \
                         "adc r31, r1\n\t"                                                                                    \
                         "sbiw %[n], 1\n\t"                                                                                   \
                         "brne 1b"                                                                                            \
                         : "+x"(x), "+y"(noise), "+z"(w), [n] "+w"(n), [x] "=&a"(v), [high] "=&r"(high), [r] "=&r"(r), [low] "=&r"(low)    \
                         : [q] "a"(q), [u] "r"(u), [stride] "r"(stride)                                   \
                         : "r0", "memory");                                                                                   \
    }
TRN_AVR_MOVE_ROW(s)
TRN_AVR_MOVE_ROW(u)

/* sum + w[0] e[0] + ... + w[rows-1] e[rows-1]. 24 cycles per product. */
TRN_AVR_KERNEL int32_t trn_avr_column(const int8_t *w, const int16_t *e, uint8_t rows, int32_t sum)
{
    uint8_t v, low, high, t;
    __asm__ volatile("1:\n\t"
                     "ld %[v], Z+\n\t"
                     "ld %[low], X+\n\t"
                     "ld %[high], X+\n\t"
                     "mulsu %[v], %[low]\n\t"
                     "sbc %[t], %[t]\n\t"
                     "add %A[sum], r0\n\t"
                     "adc %B[sum], r1\n\t"
                     "adc %C[sum], %[t]\n\t"
                     "adc %D[sum], %[t]\n\t"
                     "muls %[v], %[high]\n\t"
                     "sbc %[t], %[t]\n\t"
                     "add %B[sum], r0\n\t"
                     "adc %C[sum], r1\n\t"
                     "adc %D[sum], %[t]\n\t"
                     "dec %[rows]\n\t"
                     "brne 1b\n\t"
                     "clr r1"
                     : [sum] "+r"(sum), "+z"(w), "+x"(e), [rows] "+r"(rows), [v] "=&a"(v), [low] "=&a"(low), [high] "=&a"(high),
                       [t] "=&r"(t)
                     :
                     : "r0", "memory");
    return sum;
}

#endif
