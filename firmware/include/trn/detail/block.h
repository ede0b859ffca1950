/* SPDX-License-Identifier: Apache-2.0 */
/* The one inner loop of the runtime: a register block of sums of products.
 *
 *     acc[r][s] += sum over outer, middle, inner of a_r * b_s        r < rows, s < columns
 *
 * Forward pass, weight gradient and input gradient of dense, pointwise, conv2d and depthwise layers are all of this form, with
 * other operands. Blocking goes across outputs and never across the reduction, so every sum has the order of the plain loop
 * and the block's shape can never be seen in a result. A core may replace the C loop by its own of the same bits (TRN_USE_ASM). */
#ifndef TRN_DETAIL_BLOCK_H
#define TRN_DETAIL_BLOCK_H

#include "trn/base.h"

/* Sums in one block: as many as leave room for operands and products in 32 registers. Cores without a floating-point
 * register file gain nothing from blocks, only flash. */
#if defined(__AVR__) || (defined(__ARM_ARCH) && !defined(__ARM_FP))
#define TRN_BLOCK_MAX 1
#else
#define TRN_BLOCK_MAX 16
#endif

/* One factor. Distances in elements: between the block's rows (or columns), and between terms along each axis of the sum. */
typedef struct {
    const float *at;
    trn_size_t next, outer, middle, inner;
} trn_factor_t;

/* Number of terms along each axis of the sum. */
typedef struct {
    trn_size_t outer, middle, inner;
} trn_extent_t;

TRN_KERNEL void trn_block_accumulate(float acc[TRN_BLOCK_MAX], trn_size_t rows, trn_size_t columns, trn_factor_t a, trn_factor_t b,
                                     trn_extent_t n)
{
    for (trn_size_t i = 0; i < n.outer; i++) {
        const float *a_i = a.at + i * a.outer;
        const float *b_i = b.at + i * b.outer;
        for (trn_size_t j = 0; j < n.middle; j++) {
            const float *a_k = a_i + j * a.middle;
            const float *b_k = b_i + j * b.middle;
            for (trn_size_t k = 0; k < n.inner; k++) {
                float column[TRN_BLOCK_MAX];
                TRN_UNROLL
                for (trn_size_t s = 0; s < columns; s++) {
                    column[s] = b_k[s * b.next];
                }
                TRN_UNROLL
                for (trn_size_t r = 0; r < rows; r++) {
                    const float row = a_k[r * a.next];
                    TRN_UNROLL
                    for (trn_size_t s = 0; s < columns; s++) {
                        acc[r * columns + s] += row * column[s];
                    }
                }
                a_k += a.inner;
                b_k += b.inner;
            }
        }
    }
}

/* Sets every row of the block to start[s] (a bias), or to +0 if start is NULL. */
TRN_KERNEL void trn_block_start(float acc[TRN_BLOCK_MAX], trn_size_t rows, trn_size_t columns, const float *start)
{
    TRN_UNROLL
    for (trn_size_t s = 0; s < columns; s++) {
        const float value = start == NULL ? 0.0f : start[s];
        TRN_UNROLL
        for (trn_size_t r = 0; r < rows; r++) {
            acc[r * columns + s] = value;
        }
    }
}

/* Rows of a block whose columns run over n outputs: a wide n fills rows of 8, and few rows suit short image lines. A shared
 * instance, which must carry the code of every case, makes do with one. */
TRN_KERNEL trn_size_t trn_block_rows(trn_size_t n)
{
    return TRN_BLOCK_MAX == 1 ? 1 : __builtin_constant_p(n) && n >= 8 ? 2 : 4;
}

/* Columns of a full block of so many rows. */
TRN_KERNEL trn_size_t trn_block_columns(trn_size_t rows)
{
    return TRN_BLOCK_MAX == 1 ? 1 : rows > 2 ? 4 : 8;
}

/* Runs a statement for blocks that cover 0 .. n-1: full ones, then one of 4, then one of 3, 2 or 1. In the statement, `at` is the
 * block's first element and `count`, a constant, its size. Sizes that n rules out at compile time leave no code; if n is known
 * only at run time the rest goes element by element, which is slower and smaller. */
#define TRN_FOR_BLOCKS(at, count, n, full, ...)                                                                  \
    do {                                                                                                         \
        const trn_size_t n_ = (n), full_ = (full), rest_ = n_ % full_;                                           \
        for (trn_size_t at = 0; at < n_ - rest_; at += full_) {                                                  \
            const trn_size_t count = full_;                                                                      \
            __VA_ARGS__                                                                                          \
        }                                                                                                        \
        if (__builtin_constant_p(rest_)) {                                                                       \
            if (full_ > 4 && (rest_ & 4) != 0) {                                                                 \
                const trn_size_t at = n_ - rest_, count = 4;                                                     \
                __VA_ARGS__                                                                                      \
            }                                                                                                    \
            if ((rest_ & 3) == 3) {                                                                              \
                const trn_size_t at = n_ - 3, count = 3;                                                         \
                __VA_ARGS__                                                                                      \
            } else if ((rest_ & 3) == 2) {                                                                       \
                const trn_size_t at = n_ - 2, count = 2;                                                         \
                __VA_ARGS__                                                                                      \
            } else if ((rest_ & 3) == 1) {                                                                       \
                const trn_size_t at = n_ - 1, count = 1;                                                         \
                __VA_ARGS__                                                                                      \
            }                                                                                                    \
        } else {                                                                                                 \
            for (trn_size_t at = n_ - rest_; at < n_; at++) {                                                    \
                const trn_size_t count = 1;                                                                      \
                __VA_ARGS__                                                                                      \
            }                                                                                                    \
        }                                                                                                        \
    } while (0)

#endif
