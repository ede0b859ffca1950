/* SPDX-License-Identifier: Apache-2.0 */
/* What cores with the DSP extension (Cortex-M4, M7, M33) do in one instruction. The steps of the inner loops are written as one statement
 * each, so that their loads stand side by side and the compiler only hands out registers. TRN_I8_SIMD 0 leaves plain C: the same bits. */
#ifndef TRN_INT8_DETAIL_SIMD_H
#define TRN_INT8_DETAIL_SIMD_H

#include "trn/base.h"

#ifndef TRN_I8_SIMD
#if defined(__ARM_FEATURE_DSP) && defined(__GNUC__) && defined(__OPTIMIZE__) && defined(__thumb2__)
#define TRN_I8_SIMD 1
#else
#define TRN_I8_SIMD 0
#endif
#endif

/* Farthest byte an immediate offset reaches. */
#define TRN_I8_REACH 4095

#if TRN_I8_SIMD

/* A pointer or number the compiler knows nothing about. */
TRN_KERNEL const uint8_t *trn_i8_opaque(const uint8_t *pointer)
{
    __asm__("" : "+r"(pointer));
    return pointer;
}

TRN_KERNEL int32_t trn_i8_smmlar(int32_t a, int32_t b, int32_t c)
{
    int32_t d;
    if (__builtin_constant_p(c) && c == 0) {
        __asm__("smmulr %0, %1, %2" : "=r"(d) : "r"(a), "r"(b));
        return d;
    }
    __asm__("smmlar %0, %1, %2, %3" : "=r"(d) : "r"(a), "r"(b), "r"(c));
    return d;
}

/* The upper word of a product. */
TRN_KERNEL int32_t trn_i8_smmul(int32_t a, int32_t b)
{
    int32_t d;
    __asm__("smmul %0, %1, %2" : "=r"(d) : "r"(a), "r"(b));
    return d;
}

/* c + the upper word of a product. */
TRN_KERNEL int32_t trn_i8_smmla(int32_t a, int32_t b, int32_t c)
{
    int32_t d;
    __asm__("smmla %0, %1, %2, %3" : "=r"(d) : "r"(a), "r"(b), "r"(c));
    return d;
}

TRN_KERNEL int32_t trn_i8_usat8(int32_t a)
{
    int32_t d;
    __asm__("usat %0, #8, %1" : "=r"(d) : "r"(a));
    return d;
}

/* The upper half of a, held within -128 .. 127. */
TRN_KERNEL int32_t trn_i8_ssat8_high(int32_t a)
{
    int32_t d;
    __asm__("ssat %0, #8, %1, asr #16" : "=r"(d) : "r"(a));
    return d;
}

/* -128 becomes -127 in each byte. */
TRN_KERNEL uint32_t trn_i8_no_minimum(uint32_t codes)
{
    __asm__("qsub8 %0, %0, %1\n\tsadd8 %0, %0, %1" : "+r"(codes) : "r"(UINT32_C(0x01010101)));
    return codes;
}

/* `word` with its byte k (literal) replaced by the lowest of `byte`. */
TRN_KERNEL uint32_t trn_i8_insert(uint32_t word, int32_t byte, trn_size_t k)
{
    __asm__("bfi %0, %1, %2, #8" : "+r"(word) : "r"(byte), "n"(8 * k));
    return word;
}

/* to[k] = the word k distance (literal, three times in reach of an immediate offset) bytes behind `from`. */
TRN_KERNEL void trn_i8_load_words(int32_t *to, const int32_t *from, trn_size_t distance)
{
    __asm__ volatile("ldr %0, [%4]\n\tldr %1, [%4, #%c5]\n\tldr %2, [%4, #2*%c5]\n\tldr %3, [%4, #3*%c5]"
                     : "=&r"(to[0]), "=&r"(to[1]), "=&r"(to[2]), "=&r"(to[3])
                     : "r"(from), "n"(distance)
                     : "memory");
}

/* Products of halves, c added: of both, of a's upper with b's lower one; without c: of both, of the upper ones. */
TRN_KERNEL int32_t trn_i8_smlad(uint32_t a, uint32_t b, int32_t c)
{
    int32_t d;
    __asm__("smlad %0, %1, %2, %3" : "=r"(d) : "r"(a), "r"(b), "r"(c));
    return d;
}

TRN_KERNEL int32_t trn_i8_smlatb(uint32_t a, uint32_t b, int32_t c)
{
    int32_t d;
    __asm__("smlatb %0, %1, %2, %3" : "=r"(d) : "r"(a), "r"(b), "r"(c));
    return d;
}

TRN_KERNEL int32_t trn_i8_smuad(uint32_t a, uint32_t b)
{
    int32_t d;
    __asm__("smuad %0, %1, %2" : "=r"(d) : "r"(a), "r"(b));
    return d;
}

TRN_KERNEL int32_t trn_i8_smultt(uint32_t a, uint32_t b)
{
    int32_t d;
    __asm__("smultt %0, %1, %2" : "=r"(d) : "r"(a), "r"(b));
    return d;
}

/* Four bytes, at any address. */
TRN_KERNEL uint32_t trn_i8_load(const uint8_t *from)
{
    uint32_t word;
    __builtin_memcpy(&word, from, sizeof word);
    return word;
}

TRN_KERNEL void trn_i8_store(uint8_t *to, uint32_t word)
{
    __builtin_memcpy(to, &word, sizeof word);
}

/* Halves of a plus bytes 0 and 2 (or 1 and 3) of b, signed. */
TRN_KERNEL uint32_t trn_i8_sxtab16(uint32_t a, uint32_t b)
{
    uint32_t d;
    __asm__("sxtab16 %0, %1, %2" : "=r"(d) : "r"(a), "r"(b));
    return d;
}

TRN_KERNEL uint32_t trn_i8_sxtab16_ror8(uint32_t a, uint32_t b)
{
    uint32_t d;
    __asm__("sxtab16 %0, %1, %2, ror #8" : "=r"(d) : "r"(a), "r"(b));
    return d;
}

/* The same, unsigned. */
TRN_KERNEL uint32_t trn_i8_uxtab16(uint32_t a, uint32_t b)
{
    uint32_t d;
    __asm__("uxtab16 %0, %1, %2" : "=r"(d) : "r"(a), "r"(b));
    return d;
}

TRN_KERNEL uint32_t trn_i8_uxtab16_ror8(uint32_t a, uint32_t b)
{
    uint32_t d;
    __asm__("uxtab16 %0, %1, %2, ror #8" : "=r"(d) : "r"(a), "r"(b));
    return d;
}

/* Bytes 0 and 2 (or 1 and 3) as halves, signed. */
TRN_KERNEL uint32_t trn_i8_sxtb16(uint32_t a)
{
    uint32_t d;
    __asm__("sxtb16 %0, %1" : "=r"(d) : "r"(a));
    return d;
}

TRN_KERNEL uint32_t trn_i8_sxtb16_ror8(uint32_t a)
{
    uint32_t d;
    __asm__("sxtb16 %0, %1, ror #8" : "=r"(d) : "r"(a));
    return d;
}

/* Bytes 0 and 2 (or 1 and 3) as halves, unsigned. */
TRN_KERNEL uint32_t trn_i8_uxtb16(uint32_t a)
{
    uint32_t d;
    __asm__("uxtb16 %0, %1" : "=r"(d) : "r"(a));
    return d;
}

TRN_KERNEL uint32_t trn_i8_uxtb16_ror8(uint32_t a)
{
    uint32_t d;
    __asm__("uxtb16 %0, %1, ror #8" : "=r"(d) : "r"(a));
    return d;
}

/* The lower half of a below that of b. */
TRN_KERNEL uint32_t trn_i8_pkhbt(uint32_t a, uint32_t b)
{
    uint32_t d;
    __asm__("pkhbt %0, %1, %2, lsl #16" : "=r"(d) : "r"(a), "r"(b));
    return d;
}

/* Each byte of a less that of b, held at 0. Comparisons of bytes are made of this one: not every emulator of these cores keeps the flags that
 * SEL reads. */
TRN_KERNEL uint32_t trn_i8_uqsub8(uint32_t a, uint32_t b)
{
    uint32_t d;
    __asm__("uqsub8 %0, %1, %2" : "=r"(d) : "r"(a), "r"(b));
    return d;
}

/* 255 for 1 and 0 for 0, in each byte. */
TRN_KERNEL uint32_t trn_i8_spread(uint32_t ones)
{
    return (ones << 8) - ones;
}

/* 255 in each byte that is not 0. */
TRN_KERNEL uint32_t trn_i8_not_zero(uint32_t bytes)
{
    return trn_i8_spread(bytes - trn_i8_uqsub8(bytes, UINT32_C(0x01010101)));
}

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
