/* SPDX-License-Identifier: Apache-2.0 */
/* A sum times a factor on AVR, by its 8-bit multiplier. */
#ifndef TRN_AVR_SCALE_H
#define TRN_AVR_SCALE_H

#include "trn/avr/kernel.h"


/* (a * m + 2^31) >> 32, |a| < 2^23; the caller knows that the result fits. Nine products, 57 cycles. */
TRN_AVR_KERNEL int16_t trn_avr_scale(__int24 a, __uint24 m)
{
    uint8_t p1, zero;
    uint16_t p2, p4; /* bytes 2, 3 and 4, 5 of the product; byte 0 carries nothing on */
    __asm__("clr %[zero]\n\t"
            "mul %A[a], %A[m]\n\t"
            "mov %[p1], r1\n\t"
            "mul %B[a], %B[m]\n\t"
            "movw %A[p2], r0\n\t"
            "mul %C[a], %C[m]\n\t"
            "movw %A[p4], r0\n\t"
            "mul %A[a], %B[m]\n\t"
            "add %[p1], r0\n\t"
            "adc %A[p2], r1\n\t"
            "adc %B[p2], %[zero]\n\t"
            "adc %A[p4], %[zero]\n\t"
            "adc %B[p4], %[zero]\n\t"
            "mul %B[a], %A[m]\n\t"
            "add %[p1], r0\n\t"
            "adc %A[p2], r1\n\t"
            "adc %B[p2], %[zero]\n\t"
            "adc %A[p4], %[zero]\n\t"
            "adc %B[p4], %[zero]\n\t"
            "mul %A[a], %C[m]\n\t"
            "add %A[p2], r0\n\t"
            "adc %B[p2], r1\n\t"
            "adc %A[p4], %[zero]\n\t"
            "adc %B[p4], %[zero]\n\t"
            "mul %C[a], %A[m]\n\t"
            "add %A[p2], r0\n\t"
            "adc %B[p2], r1\n\t"
            "adc %A[p4], %[zero]\n\t"
            "adc %B[p4], %[zero]\n\t"
            "mul %B[a], %C[m]\n\t"
            "add %B[p2], r0\n\t"
            "adc %A[p4], r1\n\t"
            "adc %B[p4], %[zero]\n\t"
            "mul %C[a], %B[m]\n\t"
            "add %B[p2], r0\n\t"
            "adc %A[p4], r1\n\t"
            "adc %B[p4], %[zero]\n\t"
            "sbrs %C[a], 7\n\t" /* a negative a was taken for a + 2^24 */
            "rjmp 1f\n\t"
            "sub %B[p2], %A[m]\n\t"
            "sbc %A[p4], %B[m]\n\t"
            "sbc %B[p4], %C[m]\n"
            "1:\n\t"
            "lsl %B[p2]\n\t" /* half up */
            "adc %A[p4], %[zero]\n\t"
            "adc %B[p4], %[zero]\n\t"
            "clr r1"
            : [p1] "=&r"(p1), [zero] "=&r"(zero), [p2] "=&r"(p2), [p4] "=&r"(p4)
            : [a] "r"(a), [m] "r"(m)
            : "r0");
    return (int16_t)p4;
}

#endif
