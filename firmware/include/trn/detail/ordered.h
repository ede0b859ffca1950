/* SPDX-License-Identifier: Apache-2.0 */
/* Loads, products and sums that stay in the order in which they are written.
 *
 * On the Cortex-M4F the order is what an inner loop's speed hangs on: neighbouring loads take one cycle each after the first, and
 * a float operation waits a cycle for the result of the one before. The compiler's scheduler keeps to neither. So the kernels
 * spell out the order, and here each operation is one instruction that the compiler may give registers but may not move.
 * Elsewhere, or with TRN_USE_ASM 0, they are plain C: the same operations, hence the same bits. The Cortex-M7, which looks the same to
 * the preprocessor, runs this order too but was not what it was measured on: there TRN_USE_ASM 0 may be the faster choice. */
#ifndef TRN_DETAIL_ORDERED_H
#define TRN_DETAIL_ORDERED_H

#include "trn/base.h"
#include "trn/math.h"

#ifndef TRN_USE_ASM
#if defined(__ARM_ARCH_7EM__) && defined(__ARM_FP) && defined(__GNUC__) && defined(__OPTIMIZE__)
#define TRN_USE_ASM 1
#else
#define TRN_USE_ASM 0
#endif
#endif

/* 1: a product and its addition to a sum are rounded once (docs/numerics.md, "Fused"). */
#ifndef TRN_FUSED
#define TRN_FUSED 0
#endif

/* a b + c, rounded once. */
TRN_KERNEL float trn_fuse(float a, float b, float c)
{
#if defined(__ARM_FEATURE_FMA)
    __asm__ volatile("vfma.f32 %0, %1, %2" : "+t"(c) : "t"(a), "t"(b));
    return c;
#else
    return __builtin_fmaf(a, b, c);
#endif
}

#if TRN_USE_ASM

/* Starts a run of 32-bit instructions on a word: the core fetches whole words, and a long run across words starves it. */
#define TRN_ALIGN_CODE() __asm__ volatile(".p2align 2")

TRN_KERNEL float trn_load(const float *from)
{
    float value;
    __asm__ volatile("vldr.32 %0, %1" : "=t"(value) : "Uv"(*from));
    return value;
}

TRN_KERNEL void trn_store(float *to, float value)
{
    __asm__ volatile("vstr.32 %1, %0" : "=Uv"(*to) : "t"(value));
}

TRN_KERNEL float trn_multiply(float a, float b)
{
    float product;
    __asm__ volatile("vmul.f32 %0, %1, %2" : "=t"(product) : "t"(a), "t"(b));
    return product;
}

TRN_KERNEL float trn_sum(float a, float b)
{
    float sum;
    __asm__ volatile("vadd.f32 %0, %1, %2" : "=t"(sum) : "t"(a), "t"(b));
    return sum;
}

TRN_KERNEL float trn_difference(float a, float b)
{
    float difference;
    __asm__ volatile("vsub.f32 %0, %1, %2" : "=t"(difference) : "t"(a), "t"(b));
    return difference;
}

TRN_KERNEL float trn_quotient(float a, float b)
{
    float quotient;
    __asm__ volatile("vdiv.f32 %0, %1, %2" : "=t"(quotient) : "t"(a), "t"(b));
    return quotient;
}

TRN_KERNEL float trn_root(float x)
{
    float root;
    __asm__ volatile("vsqrt.f32 %0, %1" : "=t"(root) : "t"(x));
    return root;
}

/* *to = +0, by way of an integer register: it can run beside a division. */
TRN_KERNEL void trn_store_zero(float *to)
{
    __asm__ volatile("str %1, %0" : "=m"(*to) : "r"(0));
}

/* As a signed integer: the bits of -0 and of negative numbers go up to here; NaN, +0 and positive numbers lie above. */
#define TRN_BITS_OF_MINUS_INFINITY UINT32_C(0xFF800000)

/* *to = x <= 0 ? +0 : x; NaN passes. Read as signed integers, the numbers from -0 to -infinity are the smallest there are, and the
 * comparison does without the transfer of the float flags. */
TRN_KERNEL void trn_store_relu(float *to, float x)
{
    uint32_t bits;
    __asm__ volatile("vmov %0, %2\n\tcmp %0, %3\n\tit le\n\tmovle %0, #0\n\tstr %0, %1"
                     : "=&r"(bits), "=m"(*to)
                     : "t"(x), "r"(TRN_BITS_OF_MINUS_INFINITY)
                     : "cc");
}

TRN_KERNEL uint32_t trn_load_bits(const float *from)
{
    uint32_t bits;
    __asm__ volatile("ldr %0, %1" : "=r"(bits) : "m"(*from));
    return bits;
}

/* The bits of d where the output of relu with these bits is above 0, else +0. Such an output is +0, whose bits then are the result, or
 * above: nothing else needs to be told apart. */
TRN_KERNEL uint32_t trn_gate_relu(float d, uint32_t bits)
{
    __asm__ volatile("cmp %0, #0\n\tit ne\n\tvmovne %0, %1" : "+r"(bits) : "t"(d) : "cc");
    return bits;
}

/* The bits of x in an integer register. */
TRN_KERNEL uint32_t trn_move_bits(float x)
{
    uint32_t bits;
    __asm__ volatile("vmov %0, %1" : "=r"(bits) : "t"(x));
    return bits;
}

TRN_KERNEL void trn_store_bits(float *to, uint32_t bits)
{
    __asm__ volatile("str %1, %0" : "=m"(*to) : "r"(bits));
}

/* to[k] = values[k]. One store of many registers takes a cycle each and one more, stores one by one may take two. The registers of
 * such a store are consecutive; the compiler gives them to the values from the start. */
TRN_KERNEL void trn_store_4(float *to, const float *values)
{
    register float s0 __asm__("s0") = values[0];
    register float s1 __asm__("s1") = values[1];
    register float s2 __asm__("s2") = values[2];
    register float s3 __asm__("s3") = values[3];
    __asm__ volatile("vstmia %1, {s0-s3}" : "=m"(*(float(*)[4])to) : "r"(to), "t"(s0), "t"(s1), "t"(s2), "t"(s3));
}

TRN_KERNEL void trn_store_8(float *to, const float *values)
{
    register float s0 __asm__("s0") = values[0];
    register float s1 __asm__("s1") = values[1];
    register float s2 __asm__("s2") = values[2];
    register float s3 __asm__("s3") = values[3];
    register float s4 __asm__("s4") = values[4];
    register float s5 __asm__("s5") = values[5];
    register float s6 __asm__("s6") = values[6];
    register float s7 __asm__("s7") = values[7];
    __asm__ volatile("vstmia %1, {s0-s7}"
                     : "=m"(*(float(*)[8])to)
                     : "r"(to), "t"(s0), "t"(s1), "t"(s2), "t"(s3), "t"(s4), "t"(s5), "t"(s6), "t"(s7));
}

TRN_KERNEL void trn_store_12(float *to, const float *values)
{
    register float s0 __asm__("s0") = values[0];
    register float s1 __asm__("s1") = values[1];
    register float s2 __asm__("s2") = values[2];
    register float s3 __asm__("s3") = values[3];
    register float s4 __asm__("s4") = values[4];
    register float s5 __asm__("s5") = values[5];
    register float s6 __asm__("s6") = values[6];
    register float s7 __asm__("s7") = values[7];
    register float s8 __asm__("s8") = values[8];
    register float s9 __asm__("s9") = values[9];
    register float s10 __asm__("s10") = values[10];
    register float s11 __asm__("s11") = values[11];
    __asm__ volatile("vstmia %1, {s0-s11}"
                     : "=m"(*(float(*)[12])to)
                     : "r"(to), "t"(s0), "t"(s1), "t"(s2), "t"(s3), "t"(s4), "t"(s5), "t"(s6), "t"(s7), "t"(s8), "t"(s9), "t"(s10),
                       "t"(s11));
}

#else

#define TRN_ALIGN_CODE() ((void)0)

TRN_KERNEL float trn_load(const float *from)
{
    return *from;
}

TRN_KERNEL void trn_store(float *to, float value)
{
    *to = value;
}

TRN_KERNEL float trn_multiply(float a, float b)
{
    return a * b;
}

TRN_KERNEL float trn_sum(float a, float b)
{
    return a + b;
}

TRN_KERNEL float trn_difference(float a, float b)
{
    return a - b;
}

TRN_KERNEL float trn_quotient(float a, float b)
{
    return a / b;
}

TRN_KERNEL float trn_root(float x)
{
    return trn_sqrt(x);
}

TRN_KERNEL void trn_store_zero(float *to)
{
    *to = 0.0f;
}

TRN_KERNEL void trn_store_relu(float *to, float x)
{
    *to = x <= 0.0f ? 0.0f : x;
}

TRN_KERNEL uint32_t trn_load_bits(const float *from)
{
    return trn_float_bits(*from);
}

TRN_KERNEL uint32_t trn_gate_relu(float d, uint32_t bits)
{
    return bits != 0 ? trn_float_bits(d) : 0;
}

TRN_KERNEL uint32_t trn_move_bits(float x)
{
    return trn_float_bits(x);
}

TRN_KERNEL void trn_store_bits(float *to, uint32_t bits)
{
    *to = trn_float_from_bits(bits);
}

TRN_KERNEL void trn_store_4(float *to, const float *values)
{
    for (trn_size_t k = 0; k < 4; k++) {
        to[k] = values[k];
    }
}

TRN_KERNEL void trn_store_8(float *to, const float *values)
{
    for (trn_size_t k = 0; k < 8; k++) {
        to[k] = values[k];
    }
}

TRN_KERNEL void trn_store_12(float *to, const float *values)
{
    for (trn_size_t k = 0; k < 12; k++) {
        to[k] = values[k];
    }
}

#endif

/* to[k] = values[k], k < count */
TRN_KERNEL void trn_store_row(float *to, const float *values, trn_size_t count)
{
    if (count == 12) {
        trn_store_12(to, values);
    } else if (count == 8) {
        trn_store_8(to, values);
    } else if (count == 4) {
        trn_store_4(to, values);
    } else {
        TRN_UNROLL
        for (trn_size_t k = 0; k < count; k++) {
            trn_store(to + k, values[k]);
        }
    }
}

/* A pointer the compiler knows nothing about: it then adds it up once, not anew for every access near it. */
TRN_KERNEL float *trn_opaque(float *pointer)
{
#if TRN_USE_ASM
    __asm__("" : "+r"(pointer));
#endif
    return pointer;
}

/* A number of turns derived from n; if n is not literal, one that the compiler cannot bound: it would peel the loop. */
TRN_KERNEL trn_size_t trn_opaque_count(trn_size_t count, trn_size_t n)
{
#if TRN_USE_ASM
    if (!__builtin_constant_p(n)) {
        __asm__("" : "+r"(count));
    }
#endif
    (void)n;
    return count;
}

TRN_KERNEL const float *trn_opaque_const(const float *pointer)
{
#if TRN_USE_ASM
    __asm__("" : "+r"(pointer));
#endif
    return pointer;
}

#endif
