/* SPDX-License-Identifier: Apache-2.0 */
/* Counter-based random numbers: number i of a stream is a function of its key and i, with no state to keep. */
#ifndef TRN_RANDOM_H
#define TRN_RANDOM_H

#include "trn/base.h"

/* All steps of the mixing but the last. */
TRN_KERNEL uint32_t trn_random_spread(uint32_t x)
{
    x ^= x >> 16;
    x *= UINT32_C(0x7FEB352D);
    x ^= x >> 15;
    return x * UINT32_C(0x846CA68B);
}

/* A bijection of 32 bits (lowbias32 of C. Wellons's hash-prospector). */
TRN_KERNEL uint32_t trn_random_mix(uint32_t x)
{
    x = trn_random_spread(x);
    return x ^ x >> 16;
}

/* Number i of the stream `key`. */
TRN_KERNEL uint32_t trn_random_at(uint32_t key, uint32_t i)
{
    return trn_random_mix(key + i * UINT32_C(0x9E3779B9));
}

/* The upper half of number i: the last step of the mixing changes the lower one alone. */
TRN_KERNEL uint32_t trn_random_half(uint32_t key, uint32_t i)
{
    return trn_random_spread(key + i * UINT32_C(0x9E3779B9)) >> 16;
}

/* w[i] uniform in [-limit, limit), never -0: number i of the stream, its upper 24 bits as a fraction. */
TRN_KERNEL void trn_init_uniform(float *w, trn_size_t n, uint32_t key, float limit)
{
    for (trn_size_t i = 0; i < n; i++) {
        const float fraction = (float)(int32_t)(trn_random_at(key, (uint32_t)i) >> 8) * 0x1p-23f;
        w[i] = (fraction - 1.0f) * limit + 0.0f;
    }
}

#endif
