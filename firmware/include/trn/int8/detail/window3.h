/* SPDX-License-Identifier: Apache-2.0 */
/* 3 x 3 windows of stride 1, channel by channel (depthwise), for cores with the DSP extension and a float unit.
 *
 * Two channels of four outputs side by side share their columns: with x0 .. x5 paired as (x0, x1), (x2, x3), (x4, x5), a row of taps is one SMLAD and
 * one product of halves for each output, against the pairs (w0, w1) and (w1, w2). The weights wait in float registers, from where they
 * take a cycle. Columns outside the input are `edge`, the code of 0. */
#ifndef TRN_INT8_DETAIL_WINDOW3_H
#define TRN_INT8_DETAIL_WINDOW3_H

#include "trn/int8/base.h"
#include "trn/int8/detail/dot.h"
#include "trn/int8/detail/outer.h"
#include "trn/int8/detail/window3_half.h"

/* True if a window is of this kind and lies so that at most one column is missing on either side. */
TRN_KERNEL bool trn_i8_window3_fits(trn_window_t s)
{
    const trn_size_t beyond = s.out_w - 1 - s.pad_left + 3 - s.in_w;
    return TRN_I8_OUTER_SIMD && s.kernel_h == 3 && s.kernel_w == 3 && s.stride_h == 1 && s.stride_w == 1 && s.in_c == s.out_c && s.in_c % 2 == 0 &&
           s.out_w >= 4 && s.pad_left <= 1 && beyond <= 1 && 5 * s.in_c <= TRN_I8_REACH;
}

#if TRN_I8_OUTER_SIMD

/* Columns of a row, two channels each: `t` points to the first and is used up. What is missing comes from `z`. */
#define TRN_I8_W3_FIRST_IN "ldrh.w %[p], [%[t]]\n\t"
#define TRN_I8_W3_FIRST_OUT "vmov %[p], %[z]\n\t"
#define TRN_I8_W3_LAST_IN "ldrh.w %[t], [%[t], %[c]*5]\n\t"
#define TRN_I8_W3_LAST_OUT "vmov %[t], %[z]\n\t"
/* Words of code, all of them, so that loads overlap on the Cortex-M4; taken apart and multiplied in turn for the Cortex-M7. */
#define TRN_I8_W3_ROW(TAKE, FIRST, LAST)             \
    ".p2align 2\n\t" FIRST                           \
    "ldrh.w %[v], [%[t], %[c]]\n\t"                  \
    "ldrh.w %[q], [%[t], %[c]*2]\n\t"                \
    "ldrh.w %[r], [%[t], %[c]*4]\n\t"                \
    "pkhbt %[p], %[p], %[v], lsl #16\n\t"            \
    "ldrh.w %[v], [%[t], %[c]*3]\n\t"                \
    LAST                                             \
    "pkhbt %[q], %[q], %[v], lsl #16\n\t"            \
    "vmov %[v], %[w0]\n\t"                           \
    "pkhbt %[r], %[r], %[t], lsl #16\n\t"            \
    TAKE("%[t]", "%[p]")                             \
    TAKE("%[p]", "%[p], ror #8")                     \
    "smlad %[a0], %[t], %[v], %[a0]\n\t"             \
    "smlatb %[a1], %[t], %[v], %[a1]\n\t"            \
    TAKE("%[t]", "%[q]")                             \
    TAKE("%[q]", "%[q], ror #8")                     \
    "smlad %[a2], %[t], %[v], %[a2]\n\t"             \
    "smlatb %[a3], %[t], %[v], %[a3]\n\t"            \
    "vmov %[v], %[w1]\n\t"                           \
    "smlabt %[a0], %[t], %[v], %[a0]\n\t"            \
    "smlad %[a1], %[t], %[v], %[a1]\n\t"             \
    TAKE("%[t]", "%[r]")                             \
    TAKE("%[r]", "%[r], ror #8")                     \
    "smlabt %[a2], %[t], %[v], %[a2]\n\t"            \
    "smlad %[a3], %[t], %[v], %[a3]\n\t"             \
    "vmov %[t], %[w2]\n\t"                           \
    "vmov %[v], %[w3]\n\t"                           \
    "smlad %[b0], %[p], %[t], %[b0]\n\t"             \
    "smlatb %[b1], %[p], %[t], %[b1]\n\t"            \
    "smlad %[b2], %[q], %[t], %[b2]\n\t"             \
    "smlatb %[b3], %[q], %[t], %[b3]\n\t"            \
    "smlabt %[b0], %[q], %[v], %[b0]\n\t"            \
    "smlad %[b1], %[q], %[v], %[b1]\n\t"             \
    "smlabt %[b2], %[r], %[v], %[b2]\n\t"            \
    "smlad %[b3], %[r], %[v], %[b3]\n\t"
#define TRN_I8_W3_ASM(TAKE, FIRST, LAST)                                                                                          \
    __asm__ volatile(TRN_I8_W3_ROW(TAKE, FIRST, LAST)                                                                              \
                     : [a0] "+r"(acc[0]), [a1] "+r"(acc[2]), [a2] "+r"(acc[4]), [a3] "+r"(acc[6]), [b0] "+r"(acc[1]),             \
                       [b1] "+r"(acc[3]), [b2] "+r"(acc[5]), [b3] "+r"(acc[7]), [t] "+r"(x), [p] "=&r"(p), [q] "=&r"(q),          \
                       [r] "=&r"(r), [v] "=&r"(v)                                                                                 \
                     : [w0] "t"(w[0]), [w1] "t"(w[1]), [w2] "t"(w[2]), [w3] "t"(w[3]), [z] "t"(edge), [c] "n"(channels)           \
                     : "memory")

/* acc[2 k + i] += the row of taps w of output k, channel i; x: the column of the first tap of output 0, which may be missing. */
TRN_KERNEL void trn_i8_window3_taps(int32_t acc[8], const uint8_t *x, const float w[4], trn_size_t channels, bool is_signed, float edge,
                                    bool left, bool right)
{
    uint32_t p, q, r, v;
    if (is_signed) {
        if (left && right) {
            TRN_I8_W3_ASM(TRN_I8_TAKE_SIGNED, TRN_I8_W3_FIRST_OUT, TRN_I8_W3_LAST_OUT);
        } else if (left) {
            TRN_I8_W3_ASM(TRN_I8_TAKE_SIGNED, TRN_I8_W3_FIRST_OUT, TRN_I8_W3_LAST_IN);
        } else if (right) {
            TRN_I8_W3_ASM(TRN_I8_TAKE_SIGNED, TRN_I8_W3_FIRST_IN, TRN_I8_W3_LAST_OUT);
        } else {
            TRN_I8_W3_ASM(TRN_I8_TAKE_SIGNED, TRN_I8_W3_FIRST_IN, TRN_I8_W3_LAST_IN);
        }
    } else if (left && right) {
        TRN_I8_W3_ASM(TRN_I8_TAKE_UNSIGNED, TRN_I8_W3_FIRST_OUT, TRN_I8_W3_LAST_OUT);
    } else if (left) {
        TRN_I8_W3_ASM(TRN_I8_TAKE_UNSIGNED, TRN_I8_W3_FIRST_OUT, TRN_I8_W3_LAST_IN);
    } else if (right) {
        TRN_I8_W3_ASM(TRN_I8_TAKE_UNSIGNED, TRN_I8_W3_FIRST_IN, TRN_I8_W3_LAST_OUT);
    } else {
        TRN_I8_W3_ASM(TRN_I8_TAKE_UNSIGNED, TRN_I8_W3_FIRST_IN, TRN_I8_W3_LAST_IN);
    }
}

/* The weights of two channels, and what their sums start with: the bias less what the zero point contributes. */
typedef struct {
    float w[3][4];
    int32_t start[2];
} trn_i8_window3_t;

/* w: the first tap of the first channel, taps `next` apart (negative: from the last to the first); only rows first to first+count-1 take part. */
TRN_KERNEL trn_i8_window3_t trn_i8_window3_pack(const int8_t *w, trn_size_t next, trn_size_t first, trn_size_t count, const int32_t *b,
                                                int32_t zero)
{
    trn_i8_window3_t k;
    int32_t sum[2] = {0, 0};
    TRN_UNROLL
    for (trn_size_t u = 0; u < 3; u++) {
        uint32_t low = 0, high = 0;
        if (u >= first && u < first + count) {
            const uint32_t middle = trn_i8_load_half(w + (3 * u + 1) * next);
            low = trn_i8_load_half(w + 3 * u * next) | middle << 16;
            high = middle | trn_i8_load_half(w + (3 * u + 2) * next) << 16;
        }
        const uint32_t pairs[4] = {trn_i8_sxtb16(low), trn_i8_sxtb16(high), trn_i8_sxtb16_ror8(low), trn_i8_sxtb16_ror8(high)};
        TRN_EACH(i, 4, k.w[u][i] = trn_i8_park(pairs[i]););
        if (zero != 0) {
            TRN_EACH(i, 2, sum[i] += (int16_t)pairs[2 * i] + ((int32_t)pairs[2 * i] >> 16) + ((int32_t)pairs[2 * i + 1] >> 16););
        }
    }
    TRN_EACH(i, 2, k.start[i] = (b == NULL ? 0 : b[i]) - sum[i] * zero;);
    return k;
}

/* Outputs j to j+3. */
TRN_KERNEL void trn_i8_window3_four(const uint8_t *const rows[3], const trn_i8_window3_t *k, trn_window_t s, bool is_signed, float edge,
                                    trn_size_t first, trn_size_t j, bool left, bool right, trn_size_t o, trn_i8_sink_t to)
{
    int32_t acc[8];
    TRN_EACH(i, 8, acc[i] = k->start[i % 2];);
    TRN_EACH(u, 3, trn_i8_window3_taps(acc, rows[u] + (j - s.pad_left) * s.in_c + o, k->w[u], s.in_c, is_signed, edge, left, right););
    trn_i8_finish(acc, 2, 2, first + j * s.in_c, s.in_c, o, to);
    trn_i8_finish(acc + 4, 2, 2, first + (j + 2) * s.in_c, s.in_c, o, to);
}

/* Channels o and o+1 of a row of at least four outputs, the first of which is element `first`, channel 0. The last four may overlap those before. */
TRN_KERNEL void trn_i8_window3_row(const uint8_t *const rows[3], const trn_i8_window3_t *k, trn_window_t s, bool is_signed, int32_t zero,
                                   trn_size_t first, trn_size_t o, trn_i8_sink_t to)
{
    const float edge = trn_i8_park((uint32_t)zero * 0x101u);
    const bool left = s.pad_left == 1, right = s.out_w - 1 - s.pad_left + 3 > s.in_w;
    trn_i8_window3_four(rows, k, s, is_signed, edge, first, 0, left, right && s.out_w == 4, o, to);
    for (trn_size_t j = 4; j < s.out_w - 4; j += 4) {
        trn_i8_window3_four(rows, k, s, is_signed, edge, first, j, false, false, o, to);
    }
    if (s.out_w > 4) {
        trn_i8_window3_four(rows, k, s, is_signed, edge, first, s.out_w - 4, false, right, o, to);
    }
}

/* All outputs. w, next, b: as for trn_i8_window3_pack, of channel 0; rows that are not there meet weights of 0. */
TRN_KERNEL void trn_i8_window3(const uint8_t *x, const int8_t *w, trn_size_t next, const int32_t *b, trn_window_t s, bool is_signed, int32_t zero,
                               trn_i8_sink_t to)
{
    const trn_size_t in_row = (trn_size_t)s.in_w * s.in_c, out_row = (trn_size_t)s.out_w * s.in_c;
    for (trn_size_t o = 0; o < s.in_c; o += 2) {
        trn_i8_window3_t k;
        trn_run_t before = {0, -1, 0};
        for (trn_size_t i = 0; i < s.out_h; i++) {
            const trn_run_t taps = trn_taps_of_output(i, s.in_h, 3, 1, s.pad_top);
            if (!trn_same_taps(taps, before)) {
                k = trn_i8_window3_pack(w + o, next, taps.first, taps.count, b == NULL ? NULL : b + o, zero);
                before = taps;
            }
            const uint8_t *rows[3];
            TRN_EACH(u, 3, rows[u] = x + trn_i8_clamp(i - s.pad_top + u, 0, s.in_h - 1) * in_row;);
            trn_i8_window3_row(rows, &k, s, is_signed, zero, i * out_row, o, to);
        }
    }
}

/* The weight gradients of the same windows: sums over pixels of products of an error and an input, a row of taps of two channels at a time.
 * A step takes the errors (e0, e1) of two pixels beside x0 .. x3, of which (x0, x1) are there from the step before. All core registers but
 * one serve it, so that the turns left wait in a float register; x and e have as many columns. */
#define TRN_I8_G3_LOAD(Q, X0, X1, E0, E1)            \
    "ldrh.w %[" Q "], [%[x], %[c]*" X0 "]\n\t"       \
    "ldrh.w %[u], [%[x], %[c]*" X1 "]\n\t"           \
    "ldrh.w %[r], [%[e], %[c]*" E0 "]\n\t"           \
    "ldrh.w %[v], [%[e], %[c]*" E1 "]\n\t"           \
    "pkhbt %[" Q "], %[" Q "], %[u], lsl #16\n\t"    \
    "pkhbt %[r], %[r], %[v], lsl #16\n\t"
/* The last two pixels of a row, of which the right one has no neighbour; the last one alone, without and with a neighbour. */
#define TRN_I8_G3_LOAD_LAST_TWO                      \
    "ldrh.w %[q], [%[x]]\n\t"                        \
    "ldrh.w %[r], [%[e]]\n\t"                        \
    "ldrh.w %[v], [%[e], %[c]]\n\t"                  \
    "vmov %[u], %[z]\n\t"                            \
    "pkhbt %[q], %[q], %[u], lsl #16\n\t"            \
    "pkhbt %[r], %[r], %[v], lsl #16\n\t"
#define TRN_I8_G3_LOAD_LAST                          \
    "ldrh.w %[r], [%[e]]\n\t"                        \
    "vmov %[q], %[z]\n\t"
#define TRN_I8_G3_LOAD_ONE                           \
    "ldrh.w %[q], [%[x]]\n\t"                        \
    "ldrh.w %[r], [%[e]]\n\t"
/* P becomes free, Q is P of the next step. */
#define TRN_I8_G3_MULTIPLY(P, Q)                     \
    "uxtb16 %[u], %[" P "]\n\t"                      \
    "sxtb16 %[v], %[r]\n\t"                          \
    "uxtb16 %[" P "], %[" P "], ror #8\n\t"          \
    "smlad %[a0], %[u], %[v], %[a0]\n\t"             \
    "sxtb16 %[r], %[r], ror #8\n\t"                  \
    "smlatb %[a1], %[u], %[v], %[a1]\n\t"            \
    "uxtb16 %[u], %[" Q "]\n\t"                      \
    "smlad %[b0], %[" P "], %[r], %[b0]\n\t"         \
    "smlabt %[a1], %[u], %[v], %[a1]\n\t"            \
    "smlad %[a2], %[u], %[v], %[a2]\n\t"             \
    "uxtb16 %[u], %[" Q "], ror #8\n\t"              \
    "smlatb %[b1], %[" P "], %[r], %[b1]\n\t"        \
    "smlabt %[b1], %[u], %[r], %[b1]\n\t"            \
    "smlad %[b2], %[u], %[r], %[b2]\n\t"
/* Four pixels a turn. */
#define TRN_I8_G3_TURNS                              \
    "1:\n\t" TRN_I8_G3_LOAD("q", "0", "1", "0", "1") \
    TRN_I8_G3_MULTIPLY("p", "q")                     \
    TRN_I8_G3_LOAD("p", "2", "3", "2", "3")          \
    TRN_I8_G3_MULTIPLY("q", "p")                     \
    "add.w %[e], %[e], %[c]*4\n\t"                   \
    "add.w %[x], %[x], %[c]*4\n\t"                   \
    "vmov %[v], %[n]\n\t"                            \
    "subs.w %[v], %[v], #1\n\t"                      \
    "vmov %[n], %[v]\n\t"                            \
    "bne.n 1b\n\t"
#define TRN_I8_G3_ASM(...)                                                                                                        \
    __asm__ volatile(".p2align 2\n" __VA_ARGS__                                                                                   \
                     : [a0] "+r"(acc[0]), [a1] "+r"(acc[1]), [a2] "+r"(acc[2]), [b0] "+r"(acc[3]), [b1] "+r"(acc[4]),             \
                       [b2] "+r"(acc[5]), [p] "+r"(p), [x] "+r"(x), [e] "+r"(e), [n] "+t"(n), [q] "=&r"(q), [r] "=&r"(r),     \
                       [u] "=&r"(u), [v] "=&r"(v)                                                                                 \
                     : [z] "t"(edge), [c] "n"(channels)                                                                           \
                     : "memory", "cc")

/* acc[3 i + v] += sum over a row of `columns` (at least 3) pixels of e x, channel i, tap v. x: the column of tap 1 of the first pixel. */
TRN_KERNEL void trn_i8_window3_weights_row(int32_t acc[6], const uint8_t *x, const int8_t *e, trn_size_t columns, bool left, bool right,
                                           trn_size_t channels, float edge, int32_t zero)
{
    const trn_size_t turns = (columns - 1) / 4, rest = columns - 4 * turns; /* rest: 1 to 4 */
    float n = trn_i8_park((uint32_t)turns);
    uint32_t p = (left ? (uint32_t)zero * 0x101u : trn_i8_load_half(x - channels)) | trn_i8_load_half(x) << 16, q, r, u, v;
    x += channels;
    if (turns > 0) {
        TRN_I8_G3_ASM(TRN_I8_G3_TURNS);
    }
    if (rest > 2) {
        TRN_I8_G3_ASM(TRN_I8_G3_LOAD("q", "0", "1", "0", "1") TRN_I8_G3_MULTIPLY("p", "q") "mov %[p], %[q]\n\t");
        x += 2 * channels;
        e += 2 * channels;
    }
    if (rest % 2 == 0 && right) {
        TRN_I8_G3_ASM(TRN_I8_G3_LOAD_LAST_TWO TRN_I8_G3_MULTIPLY("p", "q"));
    } else if (rest % 2 == 0) {
        TRN_I8_G3_ASM(TRN_I8_G3_LOAD("q", "0", "1", "0", "1") TRN_I8_G3_MULTIPLY("p", "q"));
    } else if (right) {
        TRN_I8_G3_ASM(TRN_I8_G3_LOAD_LAST TRN_I8_G3_MULTIPLY("p", "q"));
    } else {
        TRN_I8_G3_ASM(TRN_I8_G3_LOAD_ONE TRN_I8_G3_MULTIPLY("p", "q"));
    }
}

/* sums[9 i + 3 u + v] = sum over the pixels of e (x - zero), channel i of the two that x and e point to; of stride 1 or 2. */
TRN_KERNEL void trn_i8_window3_weights(const uint8_t *x, const int8_t *e, int32_t *sums, trn_window_t s, int32_t zero)
{
    const trn_size_t n_c = s.in_c;
    const float edge = trn_i8_park((uint32_t)zero * 0x101u);
    const bool left = s.pad_left == 1, right = (s.out_w - 1) * s.stride_w - s.pad_left + 3 > s.in_w;
    for (trn_size_t u = 0; u < 3; u++) {
        const trn_run_t rows = trn_outputs_of_tap(u, s.in_h, s.out_h, s.stride_h, s.pad_top);
        const uint8_t *from = x + (rows.at * s.in_w - s.pad_left) * n_c;
        const int8_t *error = e + rows.first * s.out_w * n_c;
        int32_t acc[6] = {0, 0, 0, 0, 0, 0};
        for (trn_size_t i = 0; i < rows.count; i++) {
            const uint8_t *row = from + i * s.stride_h * s.in_w * n_c;
            const int8_t *error_row = error + i * s.out_w * n_c;
            if (s.stride_w == 2) {
                trn_i8_window3_half_row(acc, row, error_row, s.out_w, left, right, n_c, (uint32_t)zero * 0x101u);
            } else {
                trn_i8_window3_weights_row(acc, row + n_c, error_row, s.out_w, left, right, n_c, edge, zero);
            }
        }
        for (trn_size_t i = 0; i < 2 && zero != 0; i++) {
            int32_t all = 0;
            for (trn_size_t k = 0; k < rows.count * s.out_w; k++) {
                all += error[k * n_c + i];
            }
            TRN_EACH(v, 3, acc[3 * i + v] -= all * zero;);
        }
        TRN_EACH(v, 3, {
            sums[3 * u + v] = acc[v];
            sums[9 + 3 * u + v] = acc[3 + v];
        });
    }
}

#endif

#endif
