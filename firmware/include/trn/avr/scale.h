/* SPDX-License-Identifier: Apache-2.0 */
/* A sum times a factor on AVR, by its 8-bit multiplier. */
#ifndef TRN_AVR_SCALE_H
#define TRN_AVR_SCALE_H

#include "trn/base.h"

/* (a * m + 2^31) >> 32, |a| < 2^23, m < 2^24; the caller knows that the result fits. Nine products, 64 cycles with the return.
 *
 * a comes in r25:r22, m in r21:r18, the result goes in r25:r24. Of the product bytes 1 to 5 are kept, in r21, r27:r26, r31:r30: byte 0 carries
 * nothing on; r25 is zero. In registers of its own choice the compiler would save some. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wreturn-type" /* the assembly returns */
static __attribute__((naked, noinline, noclone, unused)) int16_t trn_avr_scale(int32_t a __attribute__((unused)),
                                                                               uint32_t m __attribute__((unused)))
{
    __asm__ volatile("clr r25\n\t"
                     "mul r22, r18\n\t"
                     "mov r21, r1\n\t"
                     "mul r23, r19\n\t"
                     "movw r26, r0\n\t"
                     "mul r24, r20\n\t"
                     "movw r30, r0\n\t"
                     "mul r22, r19\n\t"
                     "add r21, r0\n\t"
                     "adc r26, r1\n\t"
                     "adc r27, r25\n\t"
                     "adc r30, r25\n\t"
                     "adc r31, r25\n\t"
                     "mul r23, r18\n\t"
                     "add r21, r0\n\t"
                     "adc r26, r1\n\t"
                     "adc r27, r25\n\t"
                     "adc r30, r25\n\t"
                     "adc r31, r25\n\t"
                     "mul r22, r20\n\t"
                     "add r26, r0\n\t"
                     "adc r27, r1\n\t"
                     "adc r30, r25\n\t"
                     "adc r31, r25\n\t"
                     "mul r24, r18\n\t"
                     "add r26, r0\n\t"
                     "adc r27, r1\n\t"
                     "adc r30, r25\n\t"
                     "adc r31, r25\n\t"
                     "mul r23, r20\n\t"
                     "add r27, r0\n\t"
                     "adc r30, r1\n\t"
                     "adc r31, r25\n\t"
                     "mul r24, r19\n\t"
                     "add r27, r0\n\t"
                     "adc r30, r1\n\t"
                     "adc r31, r25\n\t"
                     "sbrs r24, 7\n\t" /* a negative a was taken for a + 2^24 */
                     "rjmp 1f\n\t"
                     "sub r27, r18\n\t"
                     "sbc r30, r19\n\t"
                     "sbc r31, r20\n"
                     "1:\n\t"
                     "lsl r27\n\t" /* half up */
                     "adc r30, r25\n\t"
                     "adc r31, r25\n\t"
                     "movw r24, r30\n\t"
                     "clr r1\n\t"
                     "ret");
}
#pragma GCC diagnostic pop

#endif
