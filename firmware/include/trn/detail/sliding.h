/* SPDX-License-Identifier: Apache-2.0 */
/* The inner loop of depthwise kernels with literal shapes: a window that slides along one row of one channel.
 *
 * A tile of neighbouring outputs loads each input once and uses it for every tap that meets it. Tiles at the ends of a row leave
 * out the taps that fall outside; their place is a constant, so nothing is decided at run time. The order of every sum is that of
 * the plain loop. */
#ifndef TRN_DETAIL_SLIDING_H
#define TRN_DETAIL_SLIDING_H

#include "trn/base.h"
#include "trn/detail/block.h"
#include "trn/detail/ordered.h"
#include "trn/detail/window.h"

/* One row: outputs, inputs, and the window between them. `mirror`: tap v meets input p stride + taps - 1 - v of the tile. */
typedef struct {
    trn_size_t n_out, n_in, taps, stride, pad;
    bool mirror;
} trn_slide_t;

/* A tile of `count` outputs from output j on; of the inputs under its windows those in lo .. hi-1 exist. */
typedef struct {
    trn_size_t j, count, lo, hi;
} trn_tile_t;

/* Inputs under the windows of so many neighbouring outputs. */
TRN_KERNEL trn_size_t trn_slide_reach(trn_slide_t s, trn_size_t count)
{
    return (count - 1) * s.stride + s.taps;
}

/* Outputs of a full tile: 8 or 4, as many as leave room in 32 registers for sums, inputs, weights and products; 0: none fit. */
TRN_KERNEL trn_size_t trn_slide_count(trn_slide_t s, trn_size_t channels)
{
    const trn_size_t spare = 30 - s.taps;
    if (channels <= 96 && 8 + trn_slide_reach(s, 8) <= spare) {
        return 8;
    }
    return 4 + trn_slide_reach(s, 4) <= spare && (channels <= 96 || trn_slide_reach(s, 4) <= 8) ? 4 : 0;
}

/* Outputs, counted from 0, up to which windows end inside the input. */
TRN_KERNEL trn_size_t trn_slide_inside(trn_slide_t s)
{
    return trn_min(s.n_out, trn_max((s.n_in - s.taps + s.pad) / s.stride + 1, 0));
}

/* True if the whole shape is known at compile time and its tiles fit the registers: then trn_for_tiles may be used. */
TRN_KERNEL bool trn_slide_fits(trn_slide_t s, trn_size_t channels)
{
    if (TRN_BLOCK_MAX == 1 || !__builtin_constant_p(s.n_out) || !__builtin_constant_p(s.n_in) || !__builtin_constant_p(s.taps) ||
        !__builtin_constant_p(s.stride) || !__builtin_constant_p(s.pad) || !__builtin_constant_p(channels)) {
        return false;
    }
    const trn_size_t count = s.taps > 7 ? 0 : trn_slide_count(s, channels);
    return count > 0 && s.pad >= 0 && s.pad <= count * s.stride && s.n_out - trn_slide_inside(s) <= count && s.n_in >= s.taps;
}

TRN_KERNEL trn_tile_t trn_slide_tile(trn_slide_t s, trn_size_t j, trn_size_t count)
{
    const trn_size_t base = j * s.stride - s.pad;
    return (trn_tile_t){j, count, trn_max(-base, 0), trn_min(trn_slide_reach(s, count), s.n_in - base)};
}

/* Runs a statement for the tiles of a row in order: the first, those inside, the last one or two. */
#define TRN_FOR_TILES(tile, slide, full, ...)                                                                    \
    do {                                                                                                         \
        const trn_slide_t s_ = (slide);                                                                          \
        const trn_size_t full_ = (full), first_ = trn_min(full_, s_.n_out);                                      \
        const trn_size_t inner_ = trn_max(trn_slide_inside(s_) - first_, 0) / full_;                             \
        const trn_size_t last_ = first_ + inner_ * full_;                                                        \
        {                                                                                                        \
            const trn_tile_t tile = trn_slide_tile(s_, 0, first_);                                               \
            __VA_ARGS__                                                                                          \
        }                                                                                                        \
        for (trn_size_t i_ = 0; i_ < inner_; i_++) {                                                             \
            const trn_tile_t tile = {first_ + i_ * full_, full_, 0, trn_slide_reach(s_, full_)};                 \
            __VA_ARGS__                                                                                          \
        }                                                                                                        \
        if (last_ < s_.n_out) {                                                                                  \
            const trn_tile_t tile = trn_slide_tile(s_, last_, trn_min(full_, s_.n_out - last_));                 \
            __VA_ARGS__                                                                                          \
        }                                                                                                        \
        if (last_ + full_ < s_.n_out) {                                                                          \
            const trn_tile_t tile = trn_slide_tile(s_, last_ + full_, s_.n_out - last_ - full_);                 \
            __VA_ARGS__                                                                                          \
        }                                                                                                        \
    } while (0)

/* The tile's inputs that exist, from one row of the channel; `next` elements apart. */
TRN_KERNEL void trn_slide_load(float x[2 * TRN_BLOCK_MAX], trn_slide_t s, trn_tile_t tile, const float *row, trn_size_t next)
{
    trn_lanes_t lanes = {{NULL}, trn_lanes_each(tile.hi - tile.lo, next, 0, 1)};
    trn_lanes_start(&lanes, row + (tile.j * s.stride - s.pad + tile.lo) * next, tile.hi - tile.lo, next, false);
    TRN_ALIGN_CODE();
    TRN_UNROLL
    for (trn_size_t q = tile.lo; q < tile.hi; q++) {
        const trn_size_t k = q - tile.lo;
        x[q] = trn_load(lanes.at[k / lanes.each] + k % lanes.each * next);
    }
}

/* Input of the tile that tap v of its output p meets. */
TRN_KERNEL trn_size_t trn_slide_input(trn_slide_t s, trn_size_t p, trn_size_t v)
{
    return p * s.stride + (s.mirror ? s.taps - 1 - v : v);
}

/* acc[p] += sum over v of w[v] x[p, v], for one row of x and of w. */
TRN_KERNEL void trn_slide_sum(float acc[TRN_BLOCK_MAX], trn_slide_t s, trn_tile_t tile, const float *row, trn_size_t next,
                              const float *w, trn_size_t w_next)
{
    float x[2 * TRN_BLOCK_MAX], weight[8];
    trn_slide_load(x, s, tile, row, next);
    TRN_ALIGN_CODE();
    TRN_UNROLL
    for (trn_size_t v = 0; v < s.taps; v++) {
        weight[v] = trn_load(w + v * w_next);
    }
    float product = 0.0f;
    trn_size_t pending = -1; /* output that the product waits to be added to */
    TRN_UNROLL
    for (trn_size_t k = 0; k < s.taps * tile.count; k++) {
        const trn_size_t v = k / tile.count, p = k % tile.count, q = trn_slide_input(s, p, v);
        if (TRN_FUSED && q >= tile.lo && q < tile.hi) {
            acc[p] = trn_fuse(weight[v], x[q], acc[p]);
        } else if (q >= tile.lo && q < tile.hi) {
            const float following = trn_multiply(weight[v], x[q]);
            if (pending >= 0) {
                acc[pending] = trn_sum(acc[pending], product);
            }
            product = following;
            pending = p;
        }
    }
    if (pending >= 0) {
        acc[pending] = trn_sum(acc[pending], product);
    }
}

/* acc[v] += sum over p of e[p] x[p, v], for one row of x and of e. */
TRN_KERNEL void trn_slide_sum_weights(float acc[TRN_BLOCK_MAX], trn_slide_t s, trn_tile_t tile, const float *row, trn_size_t next,
                                      const float *e, trn_size_t e_next)
{
    float x[2 * TRN_BLOCK_MAX], error[8];
    trn_slide_load(x, s, tile, row, next);
    trn_lanes_t lanes = {{NULL}, trn_lanes_each(tile.count, e_next, 0, 1)};
    trn_lanes_start(&lanes, e + tile.j * e_next, tile.count, e_next, false);
    TRN_ALIGN_CODE();
    TRN_UNROLL
    for (trn_size_t p = 0; p < tile.count; p++) {
        error[p] = trn_load(lanes.at[p / lanes.each] + p % lanes.each * e_next);
    }
    float product = 0.0f;
    trn_size_t pending = -1; /* tap that the product waits to be added to */
    TRN_UNROLL
    for (trn_size_t k = 0; k < s.taps * tile.count; k++) {
        const trn_size_t p = k / s.taps, v = k % s.taps, q = trn_slide_input(s, p, v);
        if (TRN_FUSED && q >= tile.lo && q < tile.hi) {
            acc[v] = trn_fuse(error[p], x[q], acc[v]);
        } else if (q >= tile.lo && q < tile.hi) {
            const float following = trn_multiply(error[p], x[q]);
            if (pending >= 0) {
                acc[pending] = trn_sum(acc[pending], product);
            }
            product = following;
            pending = v;
        }
    }
    if (pending >= 0) {
        acc[pending] = trn_sum(acc[pending], product);
    }
}

#endif
