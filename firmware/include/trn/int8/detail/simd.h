/* SPDX-License-Identifier: Apache-2.0 */
/* The steps of the inner loops for cores with the DSP extension, each written as one statement, so that its loads stand side by side and the
 * compiler only hands out registers. Single instructions are in instructions.h. */
#ifndef TRN_INT8_DETAIL_SIMD_H
#define TRN_INT8_DETAIL_SIMD_H

#include "trn/int8/detail/instructions.h"

#if TRN_I8_SIMD

/* Bytes 0 and 2 (`ror` 0) or 1 and 3 (`ror` 8) of four, as two halves: signed, or unsigned less the zero point twice in `minus_zero`. */
#define TRN_I8_TAKE_SIGNED(to, from) "sxtb16 " to ", " from "\n\t"
#define TRN_I8_TAKE_UNSIGNED(to, from) "uxtb16 " to ", " from "\n\t"
#define TRN_I8_TAKE_LESS_ZERO(to, from) "uxtab16 " to ", %[z], " from "\n\t"

/* The k-th four terms of a block, K their distance from the first in bytes, as text. ODD and EVEN multiply bytes 1 and 3, 0 and
 * 2 of four: SMLAD both, SMLATT the latter alone. Loads stand together for the Cortex-M4, which overlaps
 * them; behind, words are taken apart and multiplied in turn for the Cortex-M7, which does both in one cycle. */
#define TRN_I8_STEP_2X2(TAKE, K, ODD, EVEN)          \
    "ldr.w %[v0], [%[w], #" K "]\n\t"                \
    "ldr.w %[v1], [%[w], %[wn]+" K "]\n\t"           \
    "ldr.w %[u0], [%[x], #" K "]\n\t"                \
    "ldr.w %[u1], [%[x], %[xn]+" K "]\n\t"           \
    "sxtb16 %[v2], %[v0], ror #8\n\t"                \
    TAKE("%[u2]", "%[u0], ror #8")                   \
    "sxtb16 %[v3], %[v1], ror #8\n\t"                \
    ODD " %[a0], %[v2], %[u2], %[a0]\n\t"            \
    "sxtb16 %[v0], %[v0]\n\t"                        \
    ODD " %[a1], %[v3], %[u2], %[a1]\n\t"            \
    TAKE("%[u0]", "%[u0]")                           \
    "sxtb16 %[v1], %[v1]\n\t"                        \
    EVEN " %[a0], %[v0], %[u0], %[a0]\n\t"           \
    TAKE("%[u2]", "%[u1], ror #8")                   \
    EVEN " %[a1], %[v1], %[u0], %[a1]\n\t"           \
    TAKE("%[u1]", "%[u1]")                           \
    ODD " %[a2], %[v2], %[u2], %[a2]\n\t"            \
    ODD " %[a3], %[v3], %[u2], %[a3]\n\t"            \
    EVEN " %[a2], %[v0], %[u1], %[a2]\n\t"           \
    EVEN " %[a3], %[v1], %[u1], %[a3]\n\t"

/* With a zero point to subtract there is a register less: the second pixel is loaded once the first is done with. */
#define TRN_I8_STEP_2X2_TIGHT(TAKE, K, ODD, EVEN)    \
    "ldr.w %[v0], [%[w], #" K "]\n\t"                \
    "ldr.w %[v1], [%[w], %[wn]+" K "]\n\t"           \
    "ldr.w %[u0], [%[x], #" K "]\n\t"                \
    "sxtb16 %[v2], %[v0], ror #8\n\t"                \
    TAKE("%[u2]", "%[u0], ror #8")                   \
    "sxtb16 %[v3], %[v1], ror #8\n\t"                \
    ODD " %[a0], %[v2], %[u2], %[a0]\n\t"            \
    "sxtb16 %[v0], %[v0]\n\t"                        \
    ODD " %[a1], %[v3], %[u2], %[a1]\n\t"            \
    TAKE("%[u0]", "%[u0]")                           \
    "sxtb16 %[v1], %[v1]\n\t"                        \
    EVEN " %[a0], %[v0], %[u0], %[a0]\n\t"           \
    EVEN " %[a1], %[v1], %[u0], %[a1]\n\t"           \
    "ldr.w %[u0], [%[x], %[xn]+" K "]\n\t"           \
    TAKE("%[u2]", "%[u0], ror #8")                   \
    TAKE("%[u0]", "%[u0]")                           \
    ODD " %[a2], %[v2], %[u2], %[a2]\n\t"            \
    ODD " %[a3], %[v3], %[u2], %[a3]\n\t"            \
    EVEN " %[a2], %[v0], %[u0], %[a2]\n\t"           \
    EVEN " %[a3], %[v1], %[u0], %[a3]\n\t"

/* The same for one pixel. */
#define TRN_I8_STEP_1X2(TAKE, K, ODD, EVEN)          \
    "ldr.w %[v0], [%[w], #" K "]\n\t"                \
    "ldr.w %[v1], [%[w], %[wn]+" K "]\n\t"           \
    "ldr.w %[u0], [%[x], #" K "]\n\t"                \
    "sxtb16 %[v2], %[v0], ror #8\n\t"                \
    TAKE("%[u2]", "%[u0], ror #8")                   \
    "sxtb16 %[v0], %[v0]\n\t"                        \
    ODD " %[a0], %[v2], %[u2], %[a0]\n\t"            \
    TAKE("%[u0]", "%[u0]")                           \
    "sxtb16 %[v2], %[v1], ror #8\n\t"                \
    EVEN " %[a0], %[v0], %[u0], %[a0]\n\t"           \
    "sxtb16 %[v1], %[v1]\n\t"                        \
    ODD " %[a1], %[v2], %[u2], %[a1]\n\t"            \
    EVEN " %[a1], %[v1], %[u0], %[a1]\n\t"

/* And for one pixel and one filter. */
#define TRN_I8_STEP_1X1(TAKE, K, ODD, EVEN)          \
    "ldr.w %[v0], [%[w], #" K "]\n\t"                \
    "ldr.w %[u0], [%[x], #" K "]\n\t"                \
    "sxtb16 %[v2], %[v0], ror #8\n\t"                \
    TAKE("%[u2]", "%[u0], ror #8")                   \
    "sxtb16 %[v0], %[v0]\n\t"                        \
    ODD " %[a0], %[v2], %[u2], %[a0]\n\t"            \
    TAKE("%[u0]", "%[u0]")                           \
    EVEN " %[a0], %[v0], %[u0], %[a0]\n\t"

/* From a word on: a load that straddles two words of code does not overlap with the one before. */
#define TRN_I8_WHOLE(STEP, TAKE, K) STEP(TAKE, K, "smlad", "smlad")
#define TRN_I8_STEPS_1(STEP, TAKE) ".p2align 2\n\t" TRN_I8_WHOLE(STEP, TAKE, "0")
#define TRN_I8_STEPS_2(STEP, TAKE) TRN_I8_STEPS_1(STEP, TAKE) TRN_I8_WHOLE(STEP, TAKE, "4")
#define TRN_I8_STEPS_3(STEP, TAKE) TRN_I8_STEPS_2(STEP, TAKE) TRN_I8_WHOLE(STEP, TAKE, "8")
#define TRN_I8_STEPS_4(STEP, TAKE) TRN_I8_STEPS_3(STEP, TAKE) TRN_I8_WHOLE(STEP, TAKE, "12")
#define TRN_I8_STEPS_8(STEP, TAKE)                                                          \
    TRN_I8_STEPS_4(STEP, TAKE) TRN_I8_WHOLE(STEP, TAKE, "16") TRN_I8_WHOLE(STEP, TAKE, "20") \
    TRN_I8_WHOLE(STEP, TAKE, "24") TRN_I8_WHOLE(STEP, TAKE, "28")
/* The last three or two of four terms. */
#define TRN_I8_TAIL_3(STEP, TAKE) ".p2align 2\n\t" STEP(TAKE, "0", "smlad", "smlatt")
#define TRN_I8_TAIL_2(STEP, TAKE) ".p2align 2\n\t" STEP(TAKE, "0", "smlatt", "smlatt")

/* `turns` times: `steps` (1 to 4) steps, then x and w further by x_turn and w_turn. Once: without the loop. */
#define TRN_I8_ONCE(STEPS) STEPS
#define TRN_I8_ONCE_OUT
#define TRN_I8_ONCE_IN [x] "r"(x), [w] "r"(w),
#define TRN_I8_LOOP(STEPS)                           \
    ".p2align 2\n"                                   \
    "1:\n\t" STEPS "addw %[x], %[x], %[dx]\n\t"      \
    "addw %[w], %[w], %[dw]\n\t"                     \
    "subs %[n], #1\n\t"                              \
    "bne 1b\n\t"
#define TRN_I8_LOOP_OUT , [x] "+r"(x), [w] "+r"(w), [n] "+r"(turns)
#define TRN_I8_LOOP_IN
#define TRN_I8_BLOCK_2X2(TURNS, STEPS, TAKE)                                                                                     \
    __asm__ volatile(TURNS(STEPS(TRN_I8_STEP_2X2, TAKE))                                                                         \
                     : [a0] "+r"(acc[0]), [a1] "+r"(acc[1]), [a2] "+r"(acc[2]), [a3] "+r"(acc[3]), [v0] "=&r"(v0),               \
                       [v1] "=&r"(v1), [v2] "=&r"(v2), [v3] "=&r"(v3), [u0] "=&r"(u0), [u1] "=&r"(u1),                           \
                       [u2] "=&r"(u2) TURNS##_OUT                                                                                \
                     : TURNS##_IN [wn] "n"(w_next), [xn] "n"(x_next), [dx] "n"(x_turn), [dw] "n"(w_turn)                         \
                     : "memory", "cc")
#define TRN_I8_BLOCK_2X2_TIGHT(TURNS, STEPS, TAKE)                                                                               \
    __asm__ volatile(TURNS(STEPS(TRN_I8_STEP_2X2_TIGHT, TAKE))                                                                   \
                     : [a0] "+r"(acc[0]), [a1] "+r"(acc[1]), [a2] "+r"(acc[2]), [a3] "+r"(acc[3]), [v0] "=&r"(v0),               \
                       [v1] "=&r"(v1), [v2] "=&r"(v2), [v3] "=&r"(v3), [u0] "=&r"(u0), [u2] "=&r"(u2) TURNS##_OUT                \
                     : TURNS##_IN [wn] "n"(w_next), [xn] "n"(x_next), [dx] "n"(x_turn), [dw] "n"(w_turn), [z] "r"(minus_zero)    \
                     : "memory", "cc")
#define TRN_I8_BLOCK_1X2(TURNS, STEPS, TAKE)                                                                                     \
    __asm__ volatile(TURNS(STEPS(TRN_I8_STEP_1X2, TAKE))                                                                         \
                     : [a0] "+r"(acc[0]), [a1] "+r"(acc[1]), [v0] "=&r"(v0), [v1] "=&r"(v1), [v2] "=&r"(v2), [u0] "=&r"(u0),     \
                       [u2] "=&r"(u2) TURNS##_OUT                                                                                \
                     : TURNS##_IN [wn] "n"(w_next), [dx] "n"(x_turn), [dw] "n"(w_turn), [z] "r"(minus_zero)                      \
                     : "memory", "cc")
#define TRN_I8_BLOCK_1X1(TURNS, STEPS, TAKE)                                                                                     \
    __asm__ volatile(TURNS(STEPS(TRN_I8_STEP_1X1, TAKE))                                                                         \
                     : [a0] "+r"(acc[0]), [v0] "=&r"(v0), [v2] "=&r"(v2), [u0] "=&r"(u0), [u2] "=&r"(u2) TURNS##_OUT             \
                     : TURNS##_IN [dx] "n"(x_turn), [dw] "n"(w_turn), [z] "r"(minus_zero)                                        \
                     : "memory", "cc")
#define TRN_I8_BY_STEPS(BLOCK, TAKE)                                \
    do {                                                            \
        if (__builtin_constant_p(turns) && turns == 1) {            \
            if (steps == -3) {                                      \
                BLOCK(TRN_I8_ONCE, TRN_I8_TAIL_3, TAKE);            \
            } else if (steps == -2) {                               \
                BLOCK(TRN_I8_ONCE, TRN_I8_TAIL_2, TAKE);            \
            } else if (steps == 8) {                                \
                BLOCK(TRN_I8_ONCE, TRN_I8_STEPS_8, TAKE);           \
            } else if (steps == 4) {                                \
                BLOCK(TRN_I8_ONCE, TRN_I8_STEPS_4, TAKE);           \
            } else if (steps == 3) {                                \
                BLOCK(TRN_I8_ONCE, TRN_I8_STEPS_3, TAKE);           \
            } else if (steps == 2) {                                \
                BLOCK(TRN_I8_ONCE, TRN_I8_STEPS_2, TAKE);           \
            } else {                                                \
                BLOCK(TRN_I8_ONCE, TRN_I8_STEPS_1, TAKE);           \
            }                                                       \
        } else if (steps == 4) {                                    \
            BLOCK(TRN_I8_LOOP, TRN_I8_STEPS_4, TAKE);               \
        } else if (steps == 3) {                                    \
            BLOCK(TRN_I8_LOOP, TRN_I8_STEPS_3, TAKE);               \
        } else if (steps == 2) {                                    \
            BLOCK(TRN_I8_LOOP, TRN_I8_STEPS_2, TAKE);               \
        } else {                                                    \
            BLOCK(TRN_I8_LOOP, TRN_I8_STEPS_1, TAKE);               \
        }                                                           \
    } while (0)

/* `turns` (at least 1) times 4 `steps` terms (1 to 4 steps, once also 8, literal) of a block, a turn's first term x_turn and w_turn from that
 * of the one before; once, -3 or -2 steps are the last three or two of four terms. All distances are literal and in reach of an immediate offset. */
TRN_KERNEL void trn_i8_steps(int32_t *acc, const uint8_t *x, trn_size_t x_next, trn_size_t pixels, const int8_t *w, trn_size_t w_next,
                             trn_size_t filters, trn_size_t steps, trn_size_t turns, trn_size_t x_turn, trn_size_t w_turn, bool is_signed,
                             uint32_t minus_zero)
{
    uint32_t v0, v1, v2, v3, u0, u1, u2;
    const bool plain = !is_signed && __builtin_constant_p(minus_zero) && minus_zero == 0;
    if (pixels == 2 && filters == 2) {
        if (is_signed) {
            TRN_I8_BY_STEPS(TRN_I8_BLOCK_2X2, TRN_I8_TAKE_SIGNED);
        } else if (plain) {
            TRN_I8_BY_STEPS(TRN_I8_BLOCK_2X2, TRN_I8_TAKE_UNSIGNED);
        } else {
            TRN_I8_BY_STEPS(TRN_I8_BLOCK_2X2_TIGHT, TRN_I8_TAKE_LESS_ZERO);
        }
    } else if (filters == 2) {
        if (is_signed) {
            TRN_I8_BY_STEPS(TRN_I8_BLOCK_1X2, TRN_I8_TAKE_SIGNED);
        } else if (plain) {
            TRN_I8_BY_STEPS(TRN_I8_BLOCK_1X2, TRN_I8_TAKE_UNSIGNED);
        } else {
            TRN_I8_BY_STEPS(TRN_I8_BLOCK_1X2, TRN_I8_TAKE_LESS_ZERO);
        }
    } else {
        if (is_signed) {
            TRN_I8_BY_STEPS(TRN_I8_BLOCK_1X1, TRN_I8_TAKE_SIGNED);
        } else if (plain) {
            TRN_I8_BY_STEPS(TRN_I8_BLOCK_1X1, TRN_I8_TAKE_UNSIGNED);
        } else {
            TRN_I8_BY_STEPS(TRN_I8_BLOCK_1X1, TRN_I8_TAKE_LESS_ZERO);
        }
    }
}

/* One tap of four channels: a product for each, w and x at the same place of their words. */
#define TRN_I8_TAP(TAKE, K)                          \
    "ldr.w %[v0], [%[w], %[c]*" K "]\n\t"            \
    "ldr.w %[u0], [%[x], %[c]*" K "]\n\t"            \
    "sxtb16 %[v2], %[v0], ror #8\n\t"                \
    TAKE("%[u2]", "%[u0], ror #8")                   \
    "sxtb16 %[v0], %[v0]\n\t"                        \
    "smlabb %[a1], %[v2], %[u2], %[a1]\n\t"          \
    TAKE("%[u0]", "%[u0]")                           \
    "smlatt %[a3], %[v2], %[u2], %[a3]\n\t"          \
    "smlabb %[a0], %[v0], %[u0], %[a0]\n\t"          \
    "smlatt %[a2], %[v0], %[u0], %[a2]\n\t"
#define TRN_I8_TAPS_1(TAKE) ".p2align 2\n\t" TRN_I8_TAP(TAKE, "0")
#define TRN_I8_TAPS_3(TAKE) TRN_I8_TAPS_1(TAKE) TRN_I8_TAP(TAKE, "1") TRN_I8_TAP(TAKE, "2")
#define TRN_I8_TAPS(TAPS, TAKE)                                                                                                  \
    __asm__ volatile(TAPS(TAKE)                                                                                                  \
                     : [a0] "+r"(acc[0]), [a1] "+r"(acc[1]), [a2] "+r"(acc[2]), [a3] "+r"(acc[3]), [v0] "=&r"(v0),               \
                       [v2] "=&r"(v2), [u0] "=&r"(u0), [u2] "=&r"(u2)                                                            \
                     : [x] "r"(x), [w] "r"(w), [c] "n"(channels), [z] "r"(minus_zero)                                            \
                     : "memory")

/* acc[k] += w[k] x[k] over 1 or 3 taps, `channels` (literal, 2 channels in reach of an immediate offset) bytes apart. */
TRN_KERNEL void trn_i8_taps(int32_t acc[4], const uint8_t *x, const int8_t *w, trn_size_t taps, trn_size_t channels, bool is_signed,
                            uint32_t minus_zero)
{
    uint32_t v0, v2, u0, u2;
    if (is_signed) {
        if (taps == 3) {
            TRN_I8_TAPS(TRN_I8_TAPS_3, TRN_I8_TAKE_SIGNED);
        } else {
            TRN_I8_TAPS(TRN_I8_TAPS_1, TRN_I8_TAKE_SIGNED);
        }
    } else if (__builtin_constant_p(minus_zero) && minus_zero == 0) {
        if (taps == 3) {
            TRN_I8_TAPS(TRN_I8_TAPS_3, TRN_I8_TAKE_UNSIGNED);
        } else {
            TRN_I8_TAPS(TRN_I8_TAPS_1, TRN_I8_TAKE_UNSIGNED);
        }
    } else if (taps == 3) {
        TRN_I8_TAPS(TRN_I8_TAPS_3, TRN_I8_TAKE_LESS_ZERO);
    } else {
        TRN_I8_TAPS(TRN_I8_TAPS_1, TRN_I8_TAKE_LESS_ZERO);
    }
}

#endif

#endif
