/* SPDX-License-Identifier: Apache-2.0 */
/* What the weight gradients of all layers share: bias sums, slices of chosen structures, norms, 16-bit accumulators. */
#ifndef TRN_INT8_GRADIENT_H
#define TRN_INT8_GRADIENT_H

#include "trn/int8/base.h"
#include "trn/int8/detail/simd.h"

TRN_KERNEL void trn_i8_clear(int32_t *g, trn_size_t n)
{
    for (trn_size_t i = 0; i < n; i++) {
        g[i] = 0;
    }
}

#if TRN_I8_SIMD

/* gb[k] += sum over p of e[p next + k], k < 4: in 16 bits for 256 pixels at a time. */
TRN_KERNEL void trn_i8_bias_four(const int8_t *e, int32_t *gb, trn_size_t n_pixels, trn_size_t next)
{
    while (n_pixels > 0) {
        const trn_size_t count = trn_min(n_pixels, 256);
        uint32_t even = 0, odd = 0;
        for (trn_size_t p = 0; p < count; p++) {
            const uint32_t word = trn_i8_load((const uint8_t *)e);
            even = trn_i8_sxtab16(even, word);
            odd = trn_i8_sxtab16_ror8(odd, word);
            e += next;
        }
        gb[0] += (int16_t)even;
        gb[1] += (int16_t)odd;
        gb[2] += (int32_t)even >> 16;
        gb[3] += (int32_t)odd >> 16;
        n_pixels -= count;
    }
}

#endif

/* gb[o] += sum over p of e[p, o], for the structures that take part; gb NULL: nobody asks. */
TRN_KERNEL void trn_i8_bias_gradient(const int8_t *e, int32_t *gb, trn_size_t n_pixels, trn_size_t n_channels, trn_i8_structures_t which)
{
    const trn_size_t n = gb == NULL ? 0 : trn_i8_count(which, n_channels);
#if TRN_I8_SIMD
    const trn_size_t fours = which.list == NULL ? n / 4 * 4 : 0;
    for (trn_size_t k = 0; k < fours; k += 4) {
        trn_i8_bias_four(e + k, gb + k, n_pixels, n_channels);
    }
#else
    const trn_size_t fours = 0;
#endif
    for (trn_size_t k = fours; k < n; k++) {
        const trn_size_t o = trn_i8_structure(which, k);
        int32_t sum = 0;
        for (trn_size_t p = 0; p < n_pixels; p++) {
            sum += e[p * n_channels + o];
        }
        gb[o] += sum;
    }
}

#if TRN_I8_SIMD

/* Magnitudes of four bytes within -127 .. 127. */
TRN_KERNEL uint32_t trn_i8_magnitudes(const int8_t *e)
{
    const uint32_t word = trn_i8_load((const uint8_t *)e), negative = word >> 7 & UINT32_C(0x01010101);
    return (word ^ trn_i8_spread(negative)) + negative;
}

/* norms[k] = sum over p of |e[p next + k]|, k < 4: two pixels fit a byte, 512 of them 16 bits. */
TRN_KERNEL void trn_i8_norms_four(const int8_t *e, int32_t *norms, trn_size_t n_pixels, trn_size_t next)
{
    norms[0] = norms[1] = norms[2] = norms[3] = 0;
    while (n_pixels > 0) {
        const trn_size_t count = trn_min(n_pixels, 512);
        uint32_t even = 0, odd = 0;
#pragma GCC unroll 4
        for (trn_size_t pair = 0; pair < count / 2; pair++) {
            const uint32_t sum = trn_i8_magnitudes(e) + trn_i8_magnitudes(e + next);
            even = trn_i8_uxtab16(even, sum);
            odd = trn_i8_uxtab16_ror8(odd, sum);
            e += 2 * next;
        }
        if (count % 2 != 0) {
            const uint32_t last = trn_i8_magnitudes(e);
            even = trn_i8_uxtab16(even, last);
            odd = trn_i8_uxtab16_ror8(odd, last);
        }
        norms[0] += (int32_t)(even & 0xFFFFu);
        norms[1] += (int32_t)(odd & 0xFFFFu);
        norms[2] += (int32_t)(even >> 16);
        norms[3] += (int32_t)(odd >> 16);
        n_pixels -= count;
    }
}

#endif

/* norms[o] = sum over p of |e[p, o]|: what dynamic updates rank structures by. */
TRN_KERNEL void trn_i8_norms(const int8_t *e, int32_t *norms, trn_size_t n_pixels, trn_size_t n_channels)
{
#if TRN_I8_SIMD
    const trn_size_t fours = n_channels / 4 * 4;
    for (trn_size_t o = 0; o < fours; o += 4) {
        trn_i8_norms_four(e + o, norms + o, n_pixels, n_channels);
    }
#else
    const trn_size_t fours = 0;
#endif
    for (trn_size_t o = fours; o < n_channels; o++) {
        int32_t sum = 0;
        for (trn_size_t p = 0; p < n_pixels; p++) {
            const int32_t d = e[p * n_channels + o];
            sum += d < 0 ? -d : d;
        }
        norms[o] = sum;
    }
}

/* to[p, k] = e[p, o_k] */
TRN_KERNEL void trn_i8_gather(const int8_t *e, int8_t *to, trn_size_t n_pixels, trn_size_t n_channels, trn_i8_structures_t which)
{
    for (trn_size_t p = 0; p < n_pixels; p++) {
        for (trn_size_t k = 0; k < which.count; k++) {
            *to++ = e[p * n_channels + (trn_size_t)which.list[k]];
        }
    }
}

/* list <- the k structures with the largest norms, ascending; of equal norms the lower numbers. */
TRN_KERNEL void trn_i8_select(const int32_t *norms, trn_size_t n, trn_size_t k, uint16_t *list)
{
    trn_size_t chosen = 0;
    for (trn_size_t o = 0; o < n && chosen < k; o++) {
        trn_size_t before = 0; /* structures that go before o */
        for (trn_size_t p = 0; p < n; p++) {
            before += norms[p] > norms[o] || (norms[p] == norms[o] && p < o) ? 1 : 0;
        }
        if (before < k) {
            list[chosen++] = (uint16_t)o;
        }
    }
}

/* sum / 2^shift, half up. */
TRN_KERNEL int32_t trn_i8_scaled_down(int32_t sum, int32_t shift)
{
    return shift == 0 ? sum : (sum >> shift) + ((sum >> (shift - 1)) & 1);
}

/* The 16-bit gradient of one structure, g[i next] * 2^*shift, grows by sums[i], i < n. *shift first grows to the smallest that keeps
 * every element within -32767 .. 32767: g becomes round(g / 2^step) and each sum is rounded once. */
TRN_KERNEL void trn_i8_deposit(int16_t *g, uint8_t *shift, const int32_t *sums, trn_size_t n, trn_size_t next)
{
    int32_t step = 0;
    for (trn_size_t i = 0; i < n; i++) {
        for (;;) {
            const int32_t after = trn_i8_scaled_down(g[i * next], step) + trn_i8_scaled_down(sums[i], *shift + step);
            if (after >= -32767 && after <= 32767) {
                break;
            }
            step++;
        }
    }
    for (trn_size_t i = 0; i < n; i++) {
        g[i * next] = (int16_t)(trn_i8_scaled_down(g[i * next], step) + trn_i8_scaled_down(sums[i], *shift + step));
    }
    *shift = (uint8_t)(*shift + step);
}

#endif
