/* SPDX-License-Identifier: Apache-2.0 */
/* Types and conventions shared by all kernels.
 *
 * Every kernel is a TRN_KERNEL: generated code calls it with literal shapes and the compiler folds all border logic away;
 * a shared instance calls the same source with run-time shapes and gets the same bits. The arithmetic of each kernel is laid
 * down in docs/numerics.md. Memory belongs to the caller; no kernel needs any beyond its arguments. */
#ifndef TRN_BASE_H
#define TRN_BASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TRN_KERNEL static inline __attribute__((always_inline))
/* Without noclone GCC folds the constant addresses of the arena into the function; GCC 12 at -O2 then gets the exit of a loop over two
 * parts of one array wrong (induction variables of both, scaled differently: the pooling loop ended before it began). */
#define TRN_NOINLINE __attribute__((noinline, noclone))

/* A constant that is generated whether or not a plan reads it. */
#define TRN_UNUSED __attribute__((unused))

/* Whether to use the AVR kernels written in assembly; the C ones, which TRN_USE_ASM 0 asks for, give the same bits. */
#if defined(__AVR__) && (!defined(TRN_USE_ASM) || TRN_USE_ASM)
#define TRN_AVR_ASM 1
#else
#define TRN_AVR_ASM 0
#endif

/* Number of elements, or a distance in elements. 32 bits also where int has 16, but for AVR, whose memories no array outgrows. */
#if defined(__AVR__)
typedef int16_t trn_size_t;
#else
typedef int32_t trn_size_t;
#endif

typedef enum {
    TRN_ACT_NONE,
    TRN_ACT_RELU,
    TRN_ACT_RELU6,
    TRN_ACT_LEAKY_RELU,
    TRN_ACT_SIGMOID,
    TRN_ACT_TANH,
    TRN_ACT_SOFTMAX, /* over all outputs of the last layer */
} trn_activation_t;

/* Geometry of a convolution, depthwise convolution or pooling window. Tensors are [H, W, C]. */
typedef struct {
    int16_t in_h, in_w, in_c;
    int16_t out_h, out_w, out_c;
    int16_t kernel_h, kernel_w;
    int16_t stride_h, stride_w;
    int16_t pad_top, pad_left; /* rows and columns of zeros before the first; those behind the last follow from out_h, out_w */
} trn_window_t;

/* What happens to an input gradient before it is stored (docs/numerics.md, "Epilogue"). */
typedef struct {
    trn_activation_t activation; /* of the layer that produced x; TRN_ACT_NONE: the gradient passes */
    const float *y;              /* output of that activation (= x), so never below 0 for relu; may be the buffer dx is written to;
                                    NULL if bits are given */
    const uint8_t *bits;         /* instead of y, for the relu family: bit i, LSB first, says that the derivative at i is 1 */
    bool accumulate;             /* dx already holds the contribution of another consumer */
} trn_epilogue_t;

/* Unrolls the loop that follows if its trip count is a small constant, so that an array indexed by it lives in registers. Builds that
 * watch every access, or do not optimize, keep their arrays in memory and compile in a fraction of the time. */
#if defined(__SANITIZE_ADDRESS__) || !defined(__OPTIMIZE__)
#define TRN_UNROLL
#elif defined(__clang__)
#define TRN_UNROLL _Pragma("clang loop unroll(full)")
#elif defined(__GNUC__) && __GNUC__ >= 8
#define TRN_UNROLL _Pragma("GCC unroll 64")
#else
#define TRN_UNROLL
#endif

/* Runs a statement for k = 0 .. count-1, count a small constant. */
#define TRN_EACH(k, count, ...)                       \
    do {                                              \
        TRN_UNROLL                                    \
        for (trn_size_t k = 0; k < (count); k++) {    \
            __VA_ARGS__                               \
        }                                             \
    } while (0)

#endif
