/* SPDX-License-Identifier: Apache-2.0 */
/* Numbers of the int8_pow2 arithmetic: 8-bit codes with power-of-two scales, shifts instead of multiplications.
 *
 * docs/numerics-pow2.md lays the arithmetic down; every function here gives the same bits on every target, also where int has
 * 16 bits. Weights of dense and convolution layers lie in blocks of four outputs, input by input (TRN_POW2_ROWS). */
#ifndef TRN_POW2_BASE_H
#define TRN_POW2_BASE_H

#include <string.h>

#include "trn/base.h"

/* Outputs that share one pass over the inputs: weights [block][input][output of the block], the last block with what is left. */
#define TRN_POW2_ROWS 4

/* Largest magnitude of an error: 32767 * 2^-13, just below 4. */
#define TRN_POW2_ERROR_MAX 32767

/* Biases saturate here, so that sums of up to 260 products stay within 24 bits. */
#define TRN_POW2_BIAS_MAX (INT32_C(1) << 22)

/* Constants that stay in flash. Where flash is a memory of its own (AVR but those that map it into the data space) the pointer
 * has to say so. */
#if defined(__AVR__) && __AVR_ARCH__ != 103
#define TRN_FLASH const __flash
#else
#define TRN_FLASH const
#endif

TRN_KERNEL int8_t trn_pow2_weight(const int8_t *w, bool flash)
{
    return flash ? *(TRN_FLASH int8_t *)(uintptr_t)w : *w;
}

TRN_KERNEL int32_t trn_pow2_bias(const int32_t *b, bool flash)
{
    return flash ? *(TRN_FLASH int32_t *)(uintptr_t)b : *b;
}

/* What a layer's sums become: y = clamp((sum + half) >> shift, lo, hi). */
typedef struct {
    uint8_t shift; /* 0 .. 30 */
    int8_t lo, hi; /* -127, 127; relu: 0, 127; relu6: 0, at most 6 */
} trn_pow2_range_t;

/* floor(v / 2^shift + 1/2), in whole bytes where it can: avr-gcc shifts bit by bit. */
TRN_KERNEL int32_t trn_pow2_round(int32_t v, uint8_t shift)
{
    if (shift == 0u) {
        return v;
    }
    v = (v >> (shift - 1u)) + 1;
    return v >> 1;
}

TRN_KERNEL int8_t trn_pow2_store(int32_t sum, trn_pow2_range_t range)
{
    const int32_t q = trn_pow2_round(sum, range.shift);
    return q < range.lo ? range.lo : q > range.hi ? range.hi : (int8_t)q;
}

TRN_KERNEL int16_t trn_pow2_error(int32_t v)
{
    return v < -TRN_POW2_ERROR_MAX ? (int16_t)-TRN_POW2_ERROR_MAX
           : v > TRN_POW2_ERROR_MAX ? (int16_t)TRN_POW2_ERROR_MAX : (int16_t)v;
}

/* floor(v 2^fraction + 1/2), clamped to +-2^24; v a finite float. From its bits: exact, and quick without an FPU. */
TRN_KERNEL int32_t trn_pow2_fixed(float v, uint8_t fraction)
{
    uint32_t bits;
    memcpy(&bits, &v, sizeof bits);
    const int16_t exponent = (int16_t)((bits >> 23) & 0xffu);
    const int16_t shift = (int16_t)(150 - exponent - fraction);
    if (exponent == 0 || shift > 30) {
        return 0;
    }
    int32_t q = (int32_t)((bits & UINT32_C(0x7fffff)) | UINT32_C(0x800000));
    q = (bits >> 31) != 0u ? -q : q;
    if (shift > 0) {
        return (q + (INT32_C(1) << (shift - 1))) >> shift;
    }
    return shift == 0 ? q : q < 0 ? -(INT32_C(1) << 24) : INT32_C(1) << 24;
}

/* Outputs in the block that starts at output o. */
TRN_KERNEL trn_size_t trn_pow2_rows(trn_size_t o, trn_size_t n_out)
{
    return n_out - o < TRN_POW2_ROWS ? n_out - o : TRN_POW2_ROWS;
}

#endif
