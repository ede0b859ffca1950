/* SPDX-License-Identifier: Apache-2.0 */
/* What cores with the DSP extension (Cortex-M4, M7, M33) do in one instruction, a function each, and lanes made of two or three of them.
 * TRN_I8_SIMD 0 leaves plain C: the same bits. Whole steps of inner loops are in simd.h. */
#ifndef TRN_INT8_DETAIL_INSTRUCTIONS_H
#define TRN_INT8_DETAIL_INSTRUCTIONS_H

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

#endif

#endif
