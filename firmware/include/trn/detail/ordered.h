/* SPDX-License-Identifier: Apache-2.0 */
/* Loads, products and sums that stay in the order in which they are written.
 *
 * On the Cortex-M4F the order is what an inner loop's speed hangs on: neighbouring loads take one cycle each after the first, and
 * a float operation waits a cycle for the result of the one before. The compiler's scheduler keeps to neither. So the kernels
 * spell out the order, and here each operation is one instruction that the compiler may give registers but may not move.
 * Elsewhere, or with TRN_USE_ASM 0, they are plain C: the same operations, hence the same bits. */
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

/* The bits of +0 and of every float above it go up to here; those of -0, of negative numbers and of NaN lie above. */
#define TRN_BITS_OF_INFINITY UINT32_C(0x7F800000)

/* *to = x > 0 ? x : +0. An integer comparison does without the transfer of the float flags. */
TRN_KERNEL void trn_store_relu(float *to, float x)
{
    uint32_t bits;
    __asm__ volatile("vmov %0, %2\n\tcmp %0, %3\n\tit hi\n\tmovhi %0, #0\n\tstr %0, %1"
                     : "=&r"(bits), "=m"(*to)
                     : "t"(x), "r"(TRN_BITS_OF_INFINITY)
                     : "cc");
}

TRN_KERNEL uint32_t trn_load_bits(const float *from)
{
    uint32_t bits;
    __asm__ volatile("ldr %0, %1" : "=r"(bits) : "m"(*from));
    return bits;
}

/* d where the output of relu with these bits is above 0, else +0. Such an output is +0 or above: nothing else needs to be told apart. */
TRN_KERNEL float trn_gate_relu(float d, uint32_t bits)
{
    __asm__ volatile("cmp %1, #0\n\tit eq\n\tvmoveq.f32 %0, %2" : "+t"(d) : "r"(bits), "t"(0.0f) : "cc");
    return d;
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
    *to = x > 0.0f ? x : 0.0f;
}

TRN_KERNEL uint32_t trn_load_bits(const float *from)
{
    return trn_float_bits(*from);
}

TRN_KERNEL float trn_gate_relu(float d, uint32_t bits)
{
    return bits != 0 ? d : 0.0f;
}

#endif

/* A pointer the compiler knows nothing about: it then adds it up once, not anew for every access near it. */
TRN_KERNEL float *trn_opaque(float *pointer)
{
#if TRN_USE_ASM
    __asm__("" : "+r"(pointer));
#endif
    return pointer;
}

TRN_KERNEL const float *trn_opaque_const(const float *pointer)
{
#if TRN_USE_ASM
    __asm__("" : "+r"(pointer));
#endif
    return pointer;
}

#endif
