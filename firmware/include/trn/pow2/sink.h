/* SPDX-License-Identifier: Apache-2.0 */
/* What sums become: int8 codes by a shift (int8_pow2), or uint8 codes by a factor (the frozen layers of uint8 on AVR). */
#ifndef TRN_POW2_SINK_H
#define TRN_POW2_SINK_H

#include "trn/int8/base.h"
#include "trn/pow2/base.h"
#if TRN_AVR_ASM
#include "trn/avr/scale.h"
#endif

/* Always a literal. */
typedef struct {
    bool by_factor;
    trn_pow2_range_t range; /* by shift */
    trn_i8_scale_t scale;   /* by factor: y = clamp(zero + sum * scale, lo, hi) */
    uint8_t near;           /* 1 + s, scale.shift being 0, if 24 bits hold the multiplier / 2^s, exactly, and the sum * 2^s, and 16 bits the
                               result; 0: not proven */
    uint8_t zero, lo, hi;
    uint8_t x_zero; /* of the input: what its zero point adds is in the biases, as if no tap lay outside */
} trn_pow2_sink_t;

#define TRN_BY_SHIFT(range) ((trn_pow2_sink_t){false, range, {0, 0}, 0, 0, 0, 0, 0})

TRN_KERNEL int8_t trn_pow2_sink_by_factor(int32_t sum, trn_pow2_sink_t to)
{
#if TRN_AVR_ASM
    if (to.near != 0u) {
        const uint8_t shift = (uint8_t)(to.near - 1u);
        const int16_t q = (int16_t)(trn_avr_scale(sum << shift, (uint32_t)(to.scale.multiplier >> shift)) + to.zero);
        return (int8_t)(uint8_t)(q < to.lo ? to.lo : q > to.hi ? to.hi : q);
    }
#endif
    return (int8_t)(uint8_t)trn_i8_clamp(trn_i8_requantise(sum, to.scale, to.zero), to.lo, to.hi);
}

/* The same code as trn_pow2_store() of a sum of 24 bits, from its upper two bytes; shift > 8. */
TRN_KERNEL int8_t trn_pow2_sink_narrow(int32_t sum, trn_pow2_range_t range)
{
    const int16_t v = (int16_t)((int16_t)(sum >> 8) >> (range.shift - 9u));
    const int16_t q = (int16_t)((v >> 1) + (v & 1));
    return q < range.lo ? range.lo : q > range.hi ? range.hi : (int8_t)q;
}

TRN_KERNEL int8_t trn_pow2_sink(int32_t sum, trn_pow2_sink_t to, bool narrow)
{
    if (to.by_factor) {
        return trn_pow2_sink_by_factor(sum, to);
    }
    return narrow && to.range.shift > 8u ? trn_pow2_sink_narrow(sum, to.range) : trn_pow2_store(sum, to.range);
}

#endif
