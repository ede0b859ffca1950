/* SPDX-License-Identifier: Apache-2.0 */
/* The inner loop of the 8-bit weight gradients: sums over pixels of products of an error and an input.
 *
 *     to_f[c] += sum over rows, columns of e_f[row, column] (x[row, column, c] - zero)        f < filters (1 or 2), c < n_c
 *
 * With the DSP extension: two filters times four channels, two pixels at a time. Bytes of both pixels are paired in registers, so x and
 * e are read as they lie in memory. All core registers but one serve the block; pointers and counters wait in float registers. */
#ifndef TRN_INT8_DETAIL_OUTER_H
#define TRN_INT8_DETAIL_OUTER_H

#include "trn/int8/base.h"
#include "trn/int8/detail/simd.h"

/* Pixels to sum over, and the distances between rows and between columns of x and of e in elements. `single`, literal: there is one row.
 * `room`: four bytes of x may be read at each pixel, also where there are fewer channels. */
typedef struct {
    trn_size_t rows, columns, x_row, x_column, e_row, e_column;
    bool single, room;
} trn_i8_plane_t;

/* Channel by channel. */
TRN_KERNEL void trn_i8_outer_plain(const uint8_t *x, int32_t zero, const int8_t *e0, const int8_t *e1, trn_size_t filters, int32_t *to0,
                                   int32_t *to1, trn_size_t n_c, trn_i8_plane_t p)
{
    for (trn_size_t c = 0; c < n_c; c++) {
        int32_t acc0 = 0, acc1 = 0;
        for (trn_size_t i = 0; i < p.rows; i++) {
            const uint8_t *from = x + i * p.x_row + c;
            const int8_t *error0 = e0 + i * p.e_row, *error1 = e1 + i * p.e_row;
            for (trn_size_t j = p.columns; j > 0; j--) {
                const int32_t value = (int32_t)*from - zero;
                acc0 += value * *error0;
                acc1 += filters > 1 ? value * *error1 : 0;
                from += p.x_column;
                error0 += p.e_column;
                error1 += p.e_column;
            }
        }
        to0[c] += acc0;
        if (filters > 1) {
            to1[c] += acc1;
        }
    }
}

#if TRN_I8_SIMD && defined(__ARM_FP)
#define TRN_I8_OUTER_SIMD 1
#else
#define TRN_I8_OUTER_SIMD 0
#endif

#if TRN_I8_OUTER_SIMD

/* Pointers to x and to the errors of either filter, and the turns left, live in s0 to s3: a trip between the register files takes a cycle.
 *
 * The errors of pixel P of row R and pixel Q of row S (distances from the first, as text): pairs of filter 0 in t0, of filter 1 in t1. Neighbouring
 * filters share a load; others have a pointer each. The inputs of these pixels are loaded beside them, to t2 and t3. */
#define TRN_I8_ERRORS_SIDE(P, R, Q, S)                       \
    "vmov %[t0], s1\n\t"                                     \
    "vmov %[t2], s0\n\t"                                     \
    "ldrh.w %[t1], [%[t0], %[ec]*" P "+(%c[row]&4095)*" R "]\n\t"    \
    "ldrh.w %[t0], [%[t0], %[ec]*" Q "+(%c[row]&4095)*" S "]\n\t"    \
    "ldr.w %[t3], [%[t2], %[xc]*" Q "+(%c[row]>>12)*" S "]\n\t"     \
    "ldr.w %[t2], [%[t2], %[xc]*" P "+(%c[row]>>12)*" R "]\n\t"     \
    "pkhbt %[t0], %[t1], %[t0], lsl #16\n\t"                 \
    "sxtb16 %[t1], %[t0], ror #8\n\t"                        \
    "sxtb16 %[t0], %[t0]\n\t"
#define TRN_I8_ERRORS_APART(P, R, Q, S)                      \
    "vmov %[t0], s1\n\t"                                     \
    "vmov %[t1], s2\n\t"                                     \
    "ldrsb.w %[t2], [%[t0], %[ec]*" P "+(%c[row]&4095)*" R "]\n\t"   \
    "ldrsb.w %[t0], [%[t0], %[ec]*" Q "+(%c[row]&4095)*" S "]\n\t"   \
    "ldrsb.w %[t3], [%[t1], %[ec]*" P "+(%c[row]&4095)*" R "]\n\t"   \
    "ldrsb.w %[t1], [%[t1], %[ec]*" Q "+(%c[row]&4095)*" S "]\n\t"   \
    "pkhbt %[t0], %[t2], %[t0], lsl #16\n\t"                 \
    "vmov %[t2], s0\n\t"                                     \
    "pkhbt %[t1], %[t3], %[t1], lsl #16\n\t"                 \
    "ldr.w %[t3], [%[t2], %[xc]*" Q "+(%c[row]>>12)*" S "]\n\t"     \
    "ldr.w %[t2], [%[t2], %[xc]*" P "+(%c[row]>>12)*" R "]\n\t"

/* Two pixels. */
#define TRN_I8_PAIR(ERRORS, P, R, Q, S)                      \
    ERRORS(P, R, Q, S)                                       \
    "pkhbt %[t4], %[t2], %[t3], lsl #16\n\t"                 \
    "pkhtb %[t3], %[t3], %[t2], asr #16\n\t"                 \
    "uxtb16 %[t2], %[t4]\n\t"                                \
    "uxtb16 %[t4], %[t4], ror #8\n\t"                        \
    "smlad %[a0], %[t0], %[t2], %[a0]\n\t"                   \
    "smlad %[b0], %[t1], %[t2], %[b0]\n\t"                   \
    "uxtb16 %[t2], %[t3]\n\t"                                \
    "smlad %[a1], %[t0], %[t4], %[a1]\n\t"                   \
    "smlad %[b1], %[t1], %[t4], %[b1]\n\t"                   \
    "uxtb16 %[t3], %[t3], ror #8\n\t"                        \
    "smlad %[a2], %[t0], %[t2], %[a2]\n\t"                   \
    "smlad %[b2], %[t1], %[t2], %[b2]\n\t"                   \
    "smlad %[a3], %[t0], %[t3], %[a3]\n\t"                   \
    "smlad %[b3], %[t1], %[t3], %[b3]\n\t"

/* One pixel: the errors' upper halves are 0, whatever stands in those of x. */
#define TRN_I8_LAST_SIDE(P)                          \
    "vmov %[t0], s1\n\t"                             \
    "vmov %[t3], s0\n\t"                             \
    "ldrh.w %[t0], [%[t0], %[ec]*" P "]\n\t"         \
    "ldr.w %[t3], [%[t3], %[xc]*" P "]\n\t"          \
    "sxtb16 %[t1], %[t0], ror #8\n\t"                \
    "sxtb16 %[t0], %[t0]\n\t"
#define TRN_I8_LAST_APART(P)                         \
    "vmov %[t0], s1\n\t"                             \
    "vmov %[t1], s2\n\t"                             \
    "vmov %[t3], s0\n\t"                             \
    "ldrb.w %[t0], [%[t0], %[ec]*" P "]\n\t"         \
    "ldrb.w %[t1], [%[t1], %[ec]*" P "]\n\t"         \
    "ldr.w %[t3], [%[t3], %[xc]*" P "]\n\t"          \
    "sxtb16 %[t0], %[t0]\n\t"                        \
    "sxtb16 %[t1], %[t1]\n\t"
#define TRN_I8_LAST(ERRORS, P)                       \
    ERRORS(P)                                        \
    "uxtb16 %[t2], %[t3]\n\t"                        \
    "uxtb16 %[t4], %[t3], ror #8\n\t"                \
    "smlad %[a0], %[t0], %[t2], %[a0]\n\t"           \
    "smlad %[b0], %[t1], %[t2], %[b0]\n\t"           \
    "uxtb16 %[t2], %[t3], ror #16\n\t"               \
    "smlad %[a1], %[t0], %[t4], %[a1]\n\t"           \
    "smlad %[b1], %[t1], %[t4], %[b1]\n\t"           \
    "uxtb16 %[t3], %[t3], ror #24\n\t"               \
    "smlad %[a2], %[t0], %[t2], %[a2]\n\t"           \
    "smlad %[b2], %[t1], %[t2], %[b2]\n\t"           \
    "smlad %[a3], %[t0], %[t3], %[a3]\n\t"           \
    "smlad %[b3], %[t1], %[t3], %[b3]\n\t"

/* On to the next turn. */
#define TRN_I8_OUTER_NEXT_SIDE                       \
    "vmov %[t0], s1\n\t"                             \
    "vmov %[t1], %[de]\n\t"                          \
    "vmov %[t2], s0\n\t"                             \
    "vmov %[t4], %[dx]\n\t"                          \
    "vmov %[t3], s3\n\t"                             \
    "add %[t0], %[t0], %[t1]\n\t"                    \
    "add %[t2], %[t2], %[t4]\n\t"                    \
    "subs %[t3], %[t3], #1\n\t"                      \
    "vmov s1, %[t0]\n\t"                             \
    "vmov s0, %[t2]\n\t"                             \
    "vmov s3, %[t3]\n\t"                             \
    "bne 1b\n\t"
#define TRN_I8_OUTER_NEXT_APART                      \
    "vmov %[t0], s2\n\t"                             \
    "vmov %[t1], %[de]\n\t"                          \
    "add %[t0], %[t0], %[t1]\n\t"                    \
    "vmov s2, %[t0]\n\t"                             \
    TRN_I8_OUTER_NEXT_SIDE

/* Of a single turn the last step is left out. */
#define TRN_I8_OUTER_ASM(NEXT, ...)                                                                                               \
    do {                                                                                                                          \
        if (__builtin_constant_p(turns) && turns == 1) {                                                                          \
            TRN_I8_OUTER_TURNS("", __VA_ARGS__);                                                                                  \
        } else {                                                                                                                  \
            TRN_I8_OUTER_TURNS(NEXT, __VA_ARGS__);                                                                                \
        }                                                                                                                         \
    } while (0)
#define TRN_I8_OUTER_TURNS(NEXT, ...)                                                                                               \
    __asm__ volatile("vmov.f32 s0, %[px]\n\t"                                                                                         \
                     "vmov.f32 s1, %[pe]\n\t"                                                                                     \
                     "vmov.f32 s2, %[pf]\n\t"                                                                                     \
                     "vmov.f32 s3, %[n]\n\t"                                                                                      \
                     ".p2align 2\n"                                                                                               \
                     "1:\n\t" __VA_ARGS__ NEXT                                                                                    \
                     : [a0] "+r"(a[0]), [a1] "+r"(a[1]), [a2] "+r"(a[2]), [a3] "+r"(a[3]), [b0] "+r"(b[0]), [b1] "+r"(b[1]),      \
                       [b2] "+r"(b[2]), [b3] "+r"(b[3]), [t0] "=&r"(t0), [t1] "=&r"(t1), [t2] "=&r"(t2), [t3] "=&r"(t3),          \
                       [t4] "=&r"(t4)                                                                                             \
                     : [px] "t"(px), [pe] "t"(pe), [pf] "t"(pf), [n] "t"(n), [dx] "t"(dx), [de] "t"(de), [xc] "n"(x_column),      \
                       [ec] "n"(e_column), [row] "n"(row)                                                                                       \
                     : "s0", "s1", "s2", "s3", "memory", "cc")
#define TRN_I8_OUTER_BY_PIXELS(ERRORS, LAST, NEXT)                                                                                \
    do {                                                                                                                          \
        if (rows == 2 && pixels == 7) {                                                                                           \
            TRN_I8_OUTER_ASM(NEXT, TRN_I8_PAIR(ERRORS, "0", "0", "1", "0")                                                        \
                             TRN_I8_PAIR(ERRORS, "2", "0", "3", "0")                                                              \
                             TRN_I8_PAIR(ERRORS, "4", "0", "5", "0")                                                              \
                             TRN_I8_PAIR(ERRORS, "6", "0", "6", "1")                                                              \
                             TRN_I8_PAIR(ERRORS, "0", "1", "1", "1")                                                              \
                             TRN_I8_PAIR(ERRORS, "2", "1", "3", "1")                                                              \
                             TRN_I8_PAIR(ERRORS, "4", "1", "5", "1"));                                                            \
        } else if (rows == 2 && pixels == 4) {                                                                                    \
            TRN_I8_OUTER_ASM(NEXT, TRN_I8_PAIR(ERRORS, "0", "0", "1", "0")                                                        \
                             TRN_I8_PAIR(ERRORS, "2", "0", "3", "0")                                                              \
                             TRN_I8_PAIR(ERRORS, "0", "1", "1", "1")                                                              \
                             TRN_I8_PAIR(ERRORS, "2", "1", "3", "1"));                                                            \
        } else if (rows == 2 && pixels == 3) {                                                                                    \
            TRN_I8_OUTER_ASM(NEXT, TRN_I8_PAIR(ERRORS, "0", "0", "1", "0")                                                        \
                             TRN_I8_PAIR(ERRORS, "2", "0", "2", "1")                                                              \
                             TRN_I8_PAIR(ERRORS, "0", "1", "1", "1"));                                                            \
        } else if (rows == 2 && pixels == 2) {                                                                                    \
            TRN_I8_OUTER_ASM(NEXT, TRN_I8_PAIR(ERRORS, "0", "0", "1", "0")                                                        \
                             TRN_I8_PAIR(ERRORS, "0", "1", "1", "1"));                                                            \
        } else if (rows == 2 && pixels == 1) {                                                                                    \
            TRN_I8_OUTER_ASM(NEXT, TRN_I8_PAIR(ERRORS, "0", "0", "0", "1"));                                                      \
        } else if (rows == 1 && pixels == 8) {                                                                                    \
            TRN_I8_OUTER_ASM(NEXT, TRN_I8_PAIR(ERRORS, "0", "0", "1", "0")                                                        \
                             TRN_I8_PAIR(ERRORS, "2", "0", "3", "0")                                                              \
                             TRN_I8_PAIR(ERRORS, "4", "0", "5", "0")                                                              \
                             TRN_I8_PAIR(ERRORS, "6", "0", "7", "0"));                                                            \
        } else if (rows == 1 && pixels == 7) {                                                                                    \
            TRN_I8_OUTER_ASM(NEXT, TRN_I8_PAIR(ERRORS, "0", "0", "1", "0")                                                        \
                             TRN_I8_PAIR(ERRORS, "2", "0", "3", "0")                                                              \
                             TRN_I8_PAIR(ERRORS, "4", "0", "5", "0")                                                              \
                             TRN_I8_LAST(LAST, "6"));                                                                             \
        } else if (rows == 1 && pixels == 4) {                                                                                    \
            TRN_I8_OUTER_ASM(NEXT, TRN_I8_PAIR(ERRORS, "0", "0", "1", "0")                                                        \
                             TRN_I8_PAIR(ERRORS, "2", "0", "3", "0"));                                                            \
        } else if (rows == 1 && pixels == 2) {                                                                                    \
            TRN_I8_OUTER_ASM(NEXT, TRN_I8_PAIR(ERRORS, "0", "0", "1", "0"));                                                      \
        } else if (rows == 1 && pixels == 1) {                                                                                    \
            TRN_I8_OUTER_ASM(NEXT, TRN_I8_LAST(LAST, "0"));                                                                       \
        }                                                                                                                         \
    } while (0)

/* A number in a float register. */
TRN_KERNEL float trn_i8_park(uint32_t value)
{
    float parked;
    __asm__("vmov %0, %1" : "=t"(parked) : "r"(value));
    return parked;
}

/* It, each time anew: a number that waits there takes no core register. */
TRN_KERNEL uint32_t trn_i8_fetch(float parked)
{
    uint32_t value;
    __asm__ volatile("vmov %0, %1" : "=r"(value) : "t"(parked));
    return value;
}

/* `turns` (at least 1) times `pixels` pixels of each of `rows` rows (both literal: 8, 7, 4, 2 or 1 of one, 7, 4, 3, 2 or 1 of two), two filters
 * by four channels; turns x_turn and e_turn apart. */
TRN_KERNEL void trn_i8_outer_turns(int32_t a[4], int32_t b[4], const uint8_t *x, const int8_t *e0, const int8_t *e1, bool side,
                                   trn_size_t rows, trn_size_t pixels, trn_i8_plane_t p, trn_size_t turns, trn_size_t x_turn,
                                   trn_size_t e_turn)
{
    uint32_t t0, t1, t2, t3, t4;
    const float px = trn_i8_park((uint32_t)x), pe = trn_i8_park((uint32_t)e0), pf = side ? pe : trn_i8_park((uint32_t)e1);
    const float n = trn_i8_park((uint32_t)turns), dx = trn_i8_park((uint32_t)x_turn), de = trn_i8_park((uint32_t)e_turn);
    const trn_size_t x_column = p.x_column, e_column = p.e_column;
    const int32_t row = rows > 1 ? p.x_row << 12 | p.e_row : 0; /* one operand for both: GCC counts no more than thirty */
    if (side) {
        TRN_I8_OUTER_BY_PIXELS(TRN_I8_ERRORS_SIDE, TRN_I8_LAST_SIDE, TRN_I8_OUTER_NEXT_SIDE);
    } else {
        TRN_I8_OUTER_BY_PIXELS(TRN_I8_ERRORS_APART, TRN_I8_LAST_APART, TRN_I8_OUTER_NEXT_APART);
    }
}

/* True if two rows are in reach of one pointer. */
TRN_KERNEL bool trn_i8_outer_two_rows(trn_i8_plane_t p)
{
    return !p.single && __builtin_constant_p(p.x_row) && __builtin_constant_p(p.e_row) && p.x_row + 8 * p.x_column <= TRN_I8_REACH &&
           p.e_row + 8 * p.e_column <= TRN_I8_REACH;
}

/* `pixels` columns of `rows` rows from column j, row i on: in `turns` turns, x_turn and e_turn apart. */
#define TRN_I8_OUTER_COLUMNS(rows, pixels, i, turns, x_turn, e_turn)                                                              \
    trn_i8_outer_turns(a, b, x + (i) * p.x_row + j * p.x_column, e0 + (i) * p.e_row + j * p.e_column,                              \
                       e1 + (i) * p.e_row + j * p.e_column, side, rows, pixels, p, turns, x_turn, e_turn);                         \
    j += (pixels)

/* Four channels, of which those from `from` to `end`-1 are kept. `side`, literal: e1 = e0 + 1. Columns in groups of eight, each for all
 * rows; of a single row one after the other. What is left of the columns takes two rows in a turn. */
TRN_KERNEL void trn_i8_outer_block(const uint8_t *x, const int8_t *e0, const int8_t *e1, bool side, int32_t *to0, int32_t *to1,
                                   const int32_t correction[2], trn_size_t from, trn_size_t end, trn_i8_plane_t p)
{
    const bool two = trn_i8_outer_two_rows(p);
    const trn_size_t rows = p.single ? 1 : p.rows, pairs = two ? rows / 2 : 0, row = 2 * pairs, eights = p.columns / 8 * 8;
    int32_t a[4], b[4];
    a[0] = a[1] = a[2] = a[3] = -correction[0];
    b[0] = b[1] = b[2] = b[3] = -correction[1];
    trn_size_t j = 0;
    if (p.single) {
        if (eights > 0) {
            TRN_I8_OUTER_COLUMNS(1, 8, 0, p.columns / 8, 8 * p.x_column, 8 * p.e_column);
            j = eights;
        }
    } else {
        while (j < eights) {
            TRN_I8_OUTER_COLUMNS(1, 8, 0, rows, p.x_row, p.e_row);
        }
    }
    if (pairs > 0) {
        if (p.columns - j == 7) {
            TRN_I8_OUTER_COLUMNS(2, 7, 0, pairs, 2 * p.x_row, 2 * p.e_row);
        }
        if (p.columns - j >= 4) {
            TRN_I8_OUTER_COLUMNS(2, 4, 0, pairs, 2 * p.x_row, 2 * p.e_row);
        }
        if (p.columns - j == 3) {
            TRN_I8_OUTER_COLUMNS(2, 3, 0, pairs, 2 * p.x_row, 2 * p.e_row);
        } else if (p.columns - j == 2) {
            TRN_I8_OUTER_COLUMNS(2, 2, 0, pairs, 2 * p.x_row, 2 * p.e_row);
        } else if (p.columns - j == 1) {
            TRN_I8_OUTER_COLUMNS(2, 1, 0, pairs, 2 * p.x_row, 2 * p.e_row);
        }
        j = eights;
    }
    if (row < rows) {
        const trn_size_t left = two ? 1 : rows;
        if (!two && p.columns - j == 7) {
            TRN_I8_OUTER_COLUMNS(1, 7, row, left, p.x_row, p.e_row);
        }
        if (p.columns - j >= 4) {
            TRN_I8_OUTER_COLUMNS(1, 4, row, left, p.x_row, p.e_row);
        }
        if (p.columns - j >= 2) {
            TRN_I8_OUTER_COLUMNS(1, 2, row, left, p.x_row, p.e_row);
        }
        if (p.columns - j == 1) {
            TRN_I8_OUTER_COLUMNS(1, 1, row, left, p.x_row, p.e_row);
        }
    }
    TRN_EACH(k, 4, if (k >= from && k < end) { to0[k] += a[k]; });
    if (to1 != NULL) {
        TRN_EACH(k, 4, if (k >= from && k < end) { to1[k] += b[k]; });
    }
}

/* The sum of a plane of errors, times zero: what the zero point contributes to each sum of its filter. */
TRN_KERNEL int32_t trn_i8_outer_correction(const int8_t *e, int32_t zero, trn_i8_plane_t p)
{
    int32_t sum = 0;
    for (trn_size_t i = 0; i < p.rows && zero != 0; i++) {
        for (trn_size_t j = 0; j < p.columns; j++) {
            sum += e[i * p.e_row + j * p.e_column];
        }
    }
    return sum * zero;
}

#endif

/* `side`, literal: e1 = e0 + 1 if there are two filters. */
TRN_KERNEL void trn_i8_outer(const uint8_t *x, int32_t zero, const int8_t *e0, const int8_t *e1, bool side, trn_size_t filters,
                             int32_t *to0, int32_t *to1, trn_size_t n_c, trn_i8_plane_t p)
{
    (void)side;
#if TRN_I8_OUTER_SIMD
    if (p.rows > 0 && p.columns > 0 && __builtin_constant_p(p.x_column) && __builtin_constant_p(p.e_column) && 8 * p.x_column <= TRN_I8_REACH &&
        8 * p.e_column <= TRN_I8_REACH && (n_c >= 4 || p.room) && p.rows * p.columns > 1) {
        const int32_t correction[2] = {trn_i8_outer_correction(e0, zero, p), filters > 1 ? trn_i8_outer_correction(e1, zero, p) : 0};
        for (trn_size_t c = 0; c < n_c; c += 4) { /* the last four may overlap those before */
            const trn_size_t at = n_c % 4 == 0 ? c : trn_max(trn_min(c, n_c - 4), 0);
            trn_i8_outer_block(x + at, e0, e1, side && filters > 1, to0 + at, filters > 1 ? to1 + at : NULL, correction,
                               n_c % 4 == 0 ? 0 : c - at, trn_min(n_c, 4), p);
        }
        return;
    }
#endif
    trn_i8_outer_plain(x, zero, e0, e1, filters, to0, to1, n_c, p);
}

#endif
