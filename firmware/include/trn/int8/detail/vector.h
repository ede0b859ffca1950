/* SPDX-License-Identifier: Apache-2.0 */
/* Backward products of a dense layer: one sample has one error for each row of weights, so no two products share a pair of a weight and an
 * error. For cores with the DSP extension. */
#ifndef TRN_INT8_DETAIL_VECTOR_H
#define TRN_INT8_DETAIL_VECTOR_H

#include "trn/int8/base.h"
#include "trn/int8/detail/outer.h"
#include "trn/int8/detail/simd.h"

#if TRN_I8_SIMD

/* Four columns of rows A and B, errors (e_A, e_B) in v: bytes of the same column are paired. */
#define TRN_I8_DOWN_PAIR(A0, A1, A2, A3)             \
    "pkhbt %[t], %[p], %[q], lsl #16\n\t"            \
    "pkhtb %[q], %[q], %[p], asr #16\n\t"            \
    "sxtb16 %[p], %[t]\n\t"                          \
    "sxtb16 %[t], %[t], ror #8\n\t"                  \
    "smlad %[" A0 "], %[p], %[v], %[" A0 "]\n\t"     \
    "sxtb16 %[p], %[q]\n\t"                          \
    "smlad %[" A1 "], %[t], %[v], %[" A1 "]\n\t"     \
    "sxtb16 %[q], %[q], ror #8\n\t"                  \
    "smlad %[" A2 "], %[p], %[v], %[" A2 "]\n\t"     \
    "smlad %[" A3 "], %[q], %[v], %[" A3 "]\n\t"
/* Eight columns of the rows numbered A and B (as text): errors 0 and 2 of four, or 1 and 3. */
#define TRN_I8_DOWN_ROWS(A, B, TURN)                                  \
    "vmov %[v], %[e]\n\t"                                            \
    "ldr.w %[v], [%[v]]\n\t"                                          \
    "ldr.w %[p], [%[w], %[n]*" A "]\n\t"                              \
    "ldr.w %[q], [%[w], %[n]*" B "]\n\t"                              \
    "sxtb16 %[v], %[v]" TURN "\n\t"                                   \
    TRN_I8_DOWN_PAIR("a0", "a1", "a2", "a3")                          \
    "ldr.w %[p], [%[w], %[n]*" A "+4]\n\t"                            \
    "ldr.w %[q], [%[w], %[n]*" B "+4]\n\t"                            \
    TRN_I8_DOWN_PAIR("b0", "b1", "b2", "b3")

#if TRN_I8_OUTER_SIMD

/* acc[c] += sum over `fours` (at least 1) times four rows of w[o next + c] e[o], c < 8; 4 next in reach of an immediate offset. The errors and
 * the turns left wait in float registers. */
TRN_KERNEL void trn_i8_down_fours(int32_t acc[8], const int8_t *w, const int8_t *e, trn_size_t next, trn_size_t fours)
{
    uint32_t p, q, t, v;
    float turns = trn_i8_park((uint32_t)fours), at = trn_i8_park((uint32_t)e);
    __asm__ volatile(".p2align 2\n"
                     "1:\n\t" TRN_I8_DOWN_ROWS("0", "2", "") TRN_I8_DOWN_ROWS("1", "3", ", ror #8")
                     "vmov %[p], %[e]\n\t"
                     "vmov %[v], %[turns]\n\t"
                     "addw %[w], %[w], %[n]*4\n\t"
                     "add.w %[p], %[p], #4\n\t"
                     "subs.w %[v], %[v], #1\n\t"
                     "vmov %[e], %[p]\n\t"
                     "vmov %[turns], %[v]\n\t"
                     "bne.n 1b"
                     : [a0] "+r"(acc[0]), [a1] "+r"(acc[1]), [a2] "+r"(acc[2]), [a3] "+r"(acc[3]), [b0] "+r"(acc[4]), [b1] "+r"(acc[5]),
                       [b2] "+r"(acc[6]), [b3] "+r"(acc[7]), [w] "+r"(w), [e] "+t"(at), [turns] "+t"(turns), [p] "=&r"(p), [q] "=&r"(q),
                       [t] "=&r"(t), [v] "=&r"(v)
                     : [n] "n"(next)
                     : "memory", "cc");
}

#endif

/* acc[c] += w[c] e, c < 4 */
TRN_KERNEL void trn_i8_down_one(int32_t acc[4], const int8_t *w, int32_t e)
{
    const uint32_t word = trn_i8_load((const uint8_t *)w), even = trn_i8_sxtb16(word), odd = trn_i8_sxtb16_ror8(word);
    __asm__("smlabb %0, %4, %6, %0\n\tsmlabb %1, %5, %6, %1\n\tsmlatb %2, %4, %6, %2\n\tsmlatb %3, %5, %6, %3"
            : "+r"(acc[0]), "+r"(acc[1]), "+r"(acc[2]), "+r"(acc[3])
            : "r"(even), "r"(odd), "r"(e));
}

/* g[c] += x[c] e, c < 8; x: bytes 0 and 2, 1 and 3, 4 and 6, 5 and 7 as halves. */
TRN_KERNEL void trn_i8_across(int32_t *g, const uint32_t x[4], int32_t e)
{
    int32_t g0, g1, g2, g3;
    __asm__ volatile(".p2align 2\n\t"
                     "ldr.w %[g0], [%[g], #0]\n\t"
                     "ldr.w %[g1], [%[g], #4]\n\t"
                     "ldr.w %[g2], [%[g], #8]\n\t"
                     "ldr.w %[g3], [%[g], #12]\n\t"
                     "smlabb %[g0], %[x0], %[e], %[g0]\n\t"
                     "smlabb %[g1], %[x1], %[e], %[g1]\n\t"
                     "smlatb %[g2], %[x0], %[e], %[g2]\n\t"
                     "smlatb %[g3], %[x1], %[e], %[g3]\n\t"
                     "str.w %[g0], [%[g], #0]\n\t"
                     "str.w %[g1], [%[g], #4]\n\t"
                     "str.w %[g2], [%[g], #8]\n\t"
                     "str.w %[g3], [%[g], #12]\n\t"
                     "ldr.w %[g0], [%[g], #16]\n\t"
                     "ldr.w %[g1], [%[g], #20]\n\t"
                     "ldr.w %[g2], [%[g], #24]\n\t"
                     "ldr.w %[g3], [%[g], #28]\n\t"
                     "smlabb %[g0], %[x2], %[e], %[g0]\n\t"
                     "smlabb %[g1], %[x3], %[e], %[g1]\n\t"
                     "smlatb %[g2], %[x2], %[e], %[g2]\n\t"
                     "smlatb %[g3], %[x3], %[e], %[g3]\n\t"
                     "str.w %[g0], [%[g], #16]\n\t"
                     "str.w %[g1], [%[g], #20]\n\t"
                     "str.w %[g2], [%[g], #24]\n\t"
                     "str.w %[g3], [%[g], #28]\n\t"
                     : [g0] "=&r"(g0), [g1] "=&r"(g1), [g2] "=&r"(g2), [g3] "=&r"(g3)
                     : [g] "r"(g), [e] "r"(e), [x0] "r"(x[0]), [x1] "r"(x[1]), [x2] "r"(x[2]), [x3] "r"(x[3])
                     : "memory");
}

#endif

#endif
