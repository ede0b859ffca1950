/* SPDX-License-Identifier: Apache-2.0 */
/* The one inner loop of the runtime: a register block of sums of products.
 *
 *     acc[r][s] += sum over outer, middle, inner of a_r * b_s        r < rows, s < columns
 *
 * Forward pass, weight gradient and input gradient of dense, pointwise, conv2d and depthwise layers are all of this form, with
 * other operands. Blocking goes across outputs and never across the reduction, so every sum has the order of the plain loop
 * and the block's shape can never be seen in a result. On the Cortex-M4F its operations are ordered by hand (detail/ordered.h). */
#ifndef TRN_DETAIL_BLOCK_H
#define TRN_DETAIL_BLOCK_H

#include "trn/activation.h"
#include "trn/base.h"
#include "trn/detail/ordered.h"
#include "trn/detail/window.h"

/* Sums in one block: as many as leave room for operands and products in 32 registers. Cores without a floating-point
 * register file gain nothing from blocks, only flash. */
#if defined(__AVR__) || (defined(__ARM_ARCH) && !defined(__ARM_FP))
#define TRN_BLOCK_MAX 1
#else
#define TRN_BLOCK_MAX 24
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

/* The rows (or columns) of one factor behind as few pointers as the reach of a load's immediate offset, 1020 bytes, allows. */
typedef struct {
    const float *at[8];
    trn_size_t each; /* rows behind one pointer */
} trn_lanes_t;

/* Rows that one pointer reaches together with `terms` terms. */
TRN_KERNEL trn_size_t trn_lanes_each(trn_size_t count, trn_size_t next, trn_size_t inner, trn_size_t terms)
{
    if (!TRN_USE_ASM || !__builtin_constant_p(next) || !__builtin_constant_p(inner) || next == 0) {
        return count;
    }
    const trn_size_t reach = (255 - (terms - 1) * (inner < 0 ? -inner : inner)) / next;
    return reach < 0 ? 1 : reach + 1 < count ? reach + 1 : count;
}

/* Several pointers are hidden from the compiler, which would make one of them again; a single one only where that pays: outside
 * loops, which keep it in a register anyway. */
TRN_KERNEL void trn_lanes_start(trn_lanes_t *lanes, const float *at, trn_size_t count, trn_size_t next, bool hidden)
{
    TRN_UNROLL
    for (trn_size_t r = 0; r < count; r += lanes->each) {
        lanes->at[r / lanes->each] = hidden || lanes->each < count ? trn_opaque_const(at + r * next) : at;
    }
}

TRN_KERNEL void trn_lanes_advance(trn_lanes_t *lanes, trn_size_t count, trn_size_t distance)
{
    TRN_UNROLL
    for (trn_size_t r = 0; r < count; r += lanes->each) {
        lanes->at[r / lanes->each] += distance;
    }
}

/* Keeps what follows a loop from reusing addresses of the loop: they would have to be copied in every turn. */
TRN_KERNEL void trn_lanes_settle(trn_lanes_t *lanes, trn_size_t count)
{
    TRN_UNROLL
    for (trn_size_t r = 0; r < count; r += lanes->each) {
        lanes->at[r / lanes->each] = trn_opaque_const(lanes->at[r / lanes->each]);
    }
}

/* True if so many terms lie in reach of an immediate offset from the first; taken for granted where distances are not literal. */
TRN_KERNEL bool trn_block_reaches(trn_size_t terms, trn_size_t a_inner, trn_size_t b_inner)
{
    return !__builtin_constant_p(a_inner) || !__builtin_constant_p(b_inner) || (terms - 1) * trn_max(a_inner, b_inner) <= 240;
}

/* Terms loaded together: the fewer sums there are, the more operands find room beside them. */
TRN_KERNEL trn_size_t trn_block_terms(trn_size_t rows, trn_size_t columns, trn_size_t a_inner, trn_size_t b_inner, trn_size_t n)
{
    const trn_size_t room = ((TRN_FUSED ? 32 : 30) - rows * columns) / (rows + columns); /* fused: no products */
    const trn_size_t terms = room >= 8 ? 8 : room >= 4 ? 4 : room >= 2 ? 2 : 1;
    const bool single = TRN_BLOCK_MAX == 1 || (__builtin_constant_p(n) && n == 1);
    return single || !trn_block_reaches(terms, a_inner, b_inner) ? 1 : terms;
}

/* Steps of so many terms to one turn of the loop: up to 3, no more than the sum has or can be reached. */
TRN_KERNEL trn_size_t trn_block_steps(trn_size_t sums, trn_size_t terms, trn_size_t a_inner, trn_size_t b_inner, trn_size_t n)
{
    const bool literal = __builtin_constant_p(n);
    if (sums < 8 || !trn_block_reaches(2 * terms, a_inner, b_inner)) {
        return 1;
    }
    if (terms > 1) {
        return sums == 8 && literal && n % (2 * terms) == 0 ? 2 : 1;
    }
    return literal && n % 3 == 0 && n % 2 != 0 && trn_block_reaches(3, a_inner, b_inner) ? 3 : 2;
}

/* Row operands (of all terms) to load at a time: all, or as many as fit beside the sums, the column operands and two products. */
TRN_KERNEL trn_size_t trn_block_stage(trn_size_t rows, trn_size_t columns, trn_size_t terms)
{
    const trn_size_t room = 29 - rows * columns - columns;
    return terms > 1 || TRN_BLOCK_MAX == 1 ? terms * rows : trn_min(rows, room);
}

/* The next `terms` terms of every sum: loads side by side, then every product with one other operation before its use. */
TRN_KERNEL void trn_block_add(float acc[TRN_BLOCK_MAX], trn_size_t rows, trn_size_t columns, trn_size_t terms, const trn_lanes_t *a,
                              trn_size_t a_next, trn_size_t a_inner, trn_size_t a_from, const trn_lanes_t *b, trn_size_t b_next,
                              trn_size_t b_inner, trn_size_t b_from)
{
    const trn_size_t sums = rows * columns, lines = terms * rows, stage = trn_block_stage(rows, columns, terms);
    float row[TRN_BLOCK_MAX], column[TRN_BLOCK_MAX], product = 0.0f;
    TRN_ALIGN_CODE();
    TRN_UNROLL
    for (trn_size_t i = 0; i < terms * columns; i++) {
        const trn_size_t t = i / columns, s = i % columns;
        column[i] = trn_load(b->at[s / b->each] + s % b->each * b_next + t * b_inner + b_from);
    }
    TRN_UNROLL
    for (trn_size_t first = 0; first < lines; first += stage) {
        const trn_size_t end = trn_min(first + stage, lines);
        TRN_UNROLL
        for (trn_size_t l = first; l < end; l++) {
            const trn_size_t t = l / rows, r = l % rows;
            row[l] = trn_load(a->at[r / a->each] + r % a->each * a_next + t * a_inner + a_from);
        }
        TRN_UNROLL
        for (trn_size_t i = first * columns; TRN_FUSED && i < end * columns; i++) {
            acc[i % sums] = trn_fuse(row[i / columns], column[i / sums * columns + i % columns], acc[i % sums]);
        }
        TRN_UNROLL
        for (trn_size_t i = first * columns; !TRN_FUSED && i < end * columns; i++) {
            const float following = trn_multiply(row[i / columns], column[i / sums * columns + i % columns]);
            if (i > 0) {
                acc[(i - 1) % sums] = trn_sum(acc[(i - 1) % sums], product);
            }
            product = following;
        }
    }
    if (!TRN_FUSED) {
        acc[sums - 1] = trn_sum(acc[sums - 1], product);
    }
}

/* The sum along the inner axis: a few steps of `terms` to one turn of the loop, then what is left. */
TRN_KERNEL void trn_block_run(float acc[TRN_BLOCK_MAX], trn_size_t rows, trn_size_t columns, const float *a_at, trn_size_t a_next,
                              trn_size_t a_inner, const float *b_at, trn_size_t b_next, trn_size_t b_inner, trn_size_t n)
{
    const trn_size_t terms = trn_block_terms(rows, columns, a_inner, b_inner, n);
    const trn_size_t steps = trn_block_steps(rows * columns, terms, a_inner, b_inner, n);
    const trn_size_t turn = terms * steps, rest = n % turn;
    trn_lanes_t a = {{NULL}, trn_lanes_each(rows, a_next, a_inner, turn)};
    trn_lanes_t b = {{NULL}, trn_lanes_each(columns, b_next, b_inner, turn)};
    const bool loops = !__builtin_constant_p(n) || n > turn;
    trn_lanes_start(&a, a_at, rows, a_next, !loops);
    trn_lanes_start(&b, b_at, columns, b_next, !loops);
    for (trn_size_t k = trn_opaque_count(n / turn, n); k > 0; k--) {
        TRN_UNROLL
        for (trn_size_t step = 0; step < steps; step++) {
            trn_block_add(acc, rows, columns, terms, &a, a_next, a_inner, step * terms * a_inner, &b, b_next, b_inner,
                          step * terms * b_inner);
        }
        trn_lanes_advance(&a, rows, turn * a_inner);
        trn_lanes_advance(&b, columns, turn * b_inner);
    }
    trn_lanes_settle(&a, rows);
    trn_lanes_settle(&b, columns);
    for (trn_size_t k = rest; k > 0; k--) {
        trn_block_add(acc, rows, columns, 1, &a, a_next, a_inner, 0, &b, b_next, b_inner, 0);
        trn_lanes_advance(&a, rows, a_inner);
        trn_lanes_advance(&b, columns, b_inner);
    }
}

TRN_KERNEL void trn_block_accumulate(float acc[TRN_BLOCK_MAX], trn_size_t rows, trn_size_t columns, trn_factor_t a, trn_factor_t b,
                                     trn_extent_t n)
{
    for (trn_size_t i = 0; i < n.outer; i++) {
        for (trn_size_t j = 0; j < n.middle; j++) {
            trn_block_run(acc, rows, columns, a.at + j * a.middle, a.next, a.inner, b.at + j * b.middle, b.next, b.inner, n.inner);
        }
        a.at += a.outer;
        b.at += b.outer;
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

/* to[r next + s] <- act(acc[r][s]) */
TRN_KERNEL void trn_block_store(const float acc[TRN_BLOCK_MAX], trn_size_t rows, trn_size_t columns, float *to, trn_size_t next,
                                trn_activation_t act)
{
    to = trn_opaque(to);
    TRN_UNROLL
    for (trn_size_t r = 0; r < rows; r++) {
        TRN_UNROLL
        for (trn_size_t s = 0; s < columns; s++) {
            trn_activate_store(to + r * next + s, acc[r * columns + s], act);
        }
    }
}

/* to[r next + s] += acc[r][s] */
TRN_KERNEL void trn_block_store_sum(const float acc[TRN_BLOCK_MAX], trn_size_t rows, trn_size_t columns, float *to, trn_size_t next)
{
    const bool in_reach = __builtin_constant_p(next) && rows * next <= 240;
    to = trn_opaque(to);
    TRN_UNROLL
    for (trn_size_t r = 0; r < rows; r++) {
        float *row = in_reach ? to + r * next : trn_opaque(to + r * next);
        float old[TRN_BLOCK_MAX];
        TRN_UNROLL
        for (trn_size_t s = 0; s < columns; s++) {
            old[s] = trn_load(row + s);
        }
        TRN_UNROLL
        for (trn_size_t s = 0; s < columns; s++) {
            old[s] = trn_sum(old[s], acc[r * columns + s]);
        }
        trn_store_row(row, old, columns);
    }
}

/* Rows of the blocks that cover a line of so many outputs, with columns that run over n. Tall blocks if they divide the line, two
 * rows of 8 columns if they do not. A shared instance, which must carry the code of every case, makes do with one. */
TRN_KERNEL trn_size_t trn_block_rows(trn_size_t line, trn_size_t n)
{
    if (TRN_BLOCK_MAX == 1) {
        return 1;
    }
    if (!__builtin_constant_p(line) || !__builtin_constant_p(n)) {
        return 4;
    }
    if (n <= 3 && line % 8 == 0) {
        return 8;
    }
    return line % 4 == 0 ? 4 : n >= 8 ? 2 : line % 3 == 0 ? 3 : 4;
}

/* Columns of a full block of so many rows. */
TRN_KERNEL trn_size_t trn_block_columns(trn_size_t rows)
{
    return TRN_BLOCK_MAX == 1 ? 1 : rows > 4 ? 3 : rows > 2 ? 4 : 8;
}

/* Runs a statement for blocks that cover 0 .. n-1: full ones of up to 15, then
 * one of 8, one of 4, and one of 3, 2 or 1. In the statement, `at` is the
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
            if (full_ > 8 && (rest_ & 8) != 0) {                                                                 \
                const trn_size_t at = n_ - rest_, count = 8;                                                     \
                __VA_ARGS__                                                                                      \
            }                                                                                                    \
            if (full_ > 4 && (rest_ & 4) != 0) {                                                                 \
                const trn_size_t at = n_ - (rest_ & 7), count = 4;                                               \
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
