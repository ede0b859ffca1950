/* SPDX-License-Identifier: Apache-2.0 */
/* Where 8-bit layers meet float32 ones, and where a layer chooses the structures it trains. */
#ifndef TRN_INT8_BOUNDARY_H
#define TRN_INT8_BOUNDARY_H

#include "trn/int8/base.h"
#include "trn/int8/convert.h"
#include "trn/int8/gradient.h"

/* dx[i] = error(nearest(e[i] inv_s)): the error of a float32 layer as codes; error.scale is not used. */
TRN_KERNEL void trn_i8_take_error(const float *e, int8_t *dx, trn_size_t n, float inv_s, trn_i8_error_t error)
{
    for (trn_size_t i = 0; i < n; i++) {
        trn_i8_store_error(dx, i, trn_i8_nearest(e[i], inv_s), error);
    }
}

/* How a layer has chosen: the largest mean error it has met, the structures of the sample in hand, and how many of how many so far. */
typedef struct {
    float largest;
    trn_size_t count;
    uint32_t kept, of;
} trn_i8_choice_t;

/* The list behind the norms in the scratch of trn_i8_choose. */
TRN_KERNEL const uint16_t *trn_i8_choice_list(const uint8_t *scratch, trn_size_t n)
{
    return (const uint16_t *)(const void *)(scratch + n * (trn_size_t)sizeof(int32_t));
}

/* Chooses the structures of one sample: count = floor(rate n), at least 1, rate = least + m / largest m so far (most - least), m the mean
 * magnitude s_e |e|; those with the largest L1 norms. scratch: n int32, then n uint16.
 * Source: Deutel, Hannig, Mutschler, Teich, On-Device Training of Fully Quantized Deep Neural Networks on Cortex-M Microcontrollers. */
TRN_KERNEL void trn_i8_choose(const int8_t *e, trn_size_t n_pixels, trn_size_t n, float s_e, float least, float most, uint8_t *scratch,
                              trn_i8_choice_t *choice)
{
    int32_t *const norms = (int32_t *)(void *)scratch;
    uint16_t *const list = (uint16_t *)(void *)(scratch + n * (trn_size_t)sizeof(int32_t));
    trn_i8_norms(e, norms, n_pixels, n);
    int32_t total = 0;
    for (trn_size_t o = 0; o < n; o++) {
        total += norms[o];
    }
    const float m = (float)total * s_e / (float)(n_pixels * n);
    choice->largest = m > choice->largest ? m : choice->largest;
    const float rate = choice->largest > 0.0f ? least + m / choice->largest * (most - least) : least;
    choice->count = (trn_size_t)trn_i8_clamp(trn_i8_floor(rate * (float)n), 1, n);
    choice->kept += (uint32_t)choice->count;
    choice->of += (uint32_t)n;
    trn_i8_select(norms, n, choice->count, list);
}

#endif
