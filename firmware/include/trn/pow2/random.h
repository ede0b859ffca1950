/* SPDX-License-Identifier: Apache-2.0 */
/* Random bits for stochastic rounding, cheap on 8-bit cores: a 16-bit xorshift of period 65535 (shifts 7, 9, 8), restarted in every
 * step from the counter-based generator. Source: Marsaglia, Xorshift RNGs, 2003. */
#ifndef TRN_POW2_RANDOM_H
#define TRN_POW2_RANDOM_H

#include "trn/random.h"

/* Next number of the stream, 1 .. 65535; state is the last one. */
TRN_KERNEL uint16_t trn_pow2_draw(uint16_t *state)
{
    uint16_t x = *state;
    x = (uint16_t)(x ^ (uint16_t)(x << 7));
    x = (uint16_t)(x ^ (uint16_t)(x >> 9));
    x = (uint16_t)(x ^ (uint16_t)(x << 8));
    *state = x;
    return x;
}

/* State the stream of a step starts from; never 0. */
TRN_KERNEL uint16_t trn_pow2_begin_stream(uint32_t key, uint32_t step)
{
    const uint16_t low = (uint16_t)trn_random_at(key, step);
    return low != 0u ? low : 1u;
}

#endif
