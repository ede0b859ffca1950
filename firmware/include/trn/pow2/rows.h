/* SPDX-License-Identifier: Apache-2.0 */
/* Sums of products: up to four outputs over a run of inputs. Exact, so their order is free; AVR has its own (trn/avr/rows.h). */
#ifndef TRN_POW2_ROWS_H
#define TRN_POW2_ROWS_H

#include "trn/pow2/base.h"

/* What the code generator knows about a layer; always a literal. */
typedef struct {
    bool flash;          /* weights and biases are constants in flash (TRN_FLASH), not in SRAM */
    bool unsigned_input; /* x holds uint8_t: the network's input, where it is never negative */
    bool narrow;         /* every partial sum is proven to stay within 24 bits */
} trn_pow2_kind_t;

/* sums[r] += sum over i of x[i] w[i][r], literal rows. */
TRN_KERNEL void trn_pow2_rows_c(const int8_t *x, const int8_t *w, trn_size_t n, trn_size_t rows, trn_pow2_kind_t kind, int32_t *sums)
{
    int32_t a[TRN_POW2_ROWS];
    TRN_EACH(r, rows, a[r] = sums[r];);
    for (trn_size_t i = 0; i < n; i++) {
        const int16_t v = kind.unsigned_input ? (int16_t)(uint8_t)x[i] : (int16_t)x[i];
        TRN_EACH(r, rows, a[r] += (int16_t)(v * trn_pow2_weight(w + r, kind.flash)););
        w += rows;
    }
    TRN_EACH(r, rows, sums[r] = a[r];);
}

/* The same over a list of the inputs that are not zero: pairs (4 * inputs left out before it, input). */
TRN_KERNEL void trn_pow2_listed_c(const uint8_t *list, const int8_t *w, trn_size_t n, trn_size_t rows, trn_pow2_kind_t kind,
                                  int32_t *sums)
{
    int32_t a[TRN_POW2_ROWS];
    TRN_EACH(r, rows, a[r] = sums[r];);
    for (trn_size_t i = 0; i < n; i++) {
        w += (trn_size_t)(list[2 * i] >> 2) * rows;
        const int16_t v = kind.unsigned_input ? (int16_t)list[2 * i + 1] : (int16_t)(int8_t)list[2 * i + 1];
        TRN_EACH(r, rows, a[r] += (int16_t)(v * trn_pow2_weight(w + r, kind.flash)););
        w += rows;
    }
    TRN_EACH(r, rows, sums[r] = a[r];);
}

#if TRN_AVR_ASM
#include "trn/avr/rows.h"
#define trn_pow2_rows_any(x, ...) trn_avr_rows((const uint8_t *)(x), __VA_ARGS__)
#define trn_pow2_listed_any trn_avr_listed
#else
#define trn_pow2_rows_any trn_pow2_rows_c
#define trn_pow2_listed_any trn_pow2_listed_c
#endif

/* rows of 1 .. 4 to a literal */
#define TRN_POW2_WITH_ROWS(rows, call) \
    switch (rows) {                    \
    case 4:                            \
        call(4);                       \
        break;                         \
    case 3:                            \
        call(3);                       \
        break;                         \
    case 2:                            \
        call(2);                       \
        break;                         \
    default:                           \
        call(1);                       \
        break;                         \
    }

TRN_KERNEL void trn_pow2_run(const int8_t *x, const int8_t *w, trn_size_t n, trn_size_t rows, trn_pow2_kind_t kind, int32_t *sums)
{
#define TRN_CALL(literal) trn_pow2_rows_any(x, w, n, literal, kind, sums)
    TRN_POW2_WITH_ROWS(rows, TRN_CALL)
#undef TRN_CALL
}

TRN_KERNEL void trn_pow2_run_listed(const uint8_t *list, const int8_t *w, trn_size_t n, trn_size_t rows, trn_pow2_kind_t kind,
                                    int32_t *sums)
{
#define TRN_CALL(literal) trn_pow2_listed_any(list, w, n, literal, kind, sums)
    TRN_POW2_WITH_ROWS(rows, TRN_CALL)
#undef TRN_CALL
}

/* Finds the inputs that are not zero. list: room for 2 * n bytes. Returns the number of pairs; a gap above 63 takes further pairs
 * of an input that is zero. */
TRN_KERNEL trn_size_t trn_pow2_list(const int8_t *x, uint8_t *list, trn_size_t n)
{
    uint8_t *to = list;
    uint8_t gap = 0;
    const int8_t *const end = x + n;
    while (x != end) {
        const uint8_t v = (uint8_t)*x++;
        if (v != 0u || gap == 252u) {
            *to++ = gap;
            *to++ = v;
            gap = 0;
        } else {
            gap = (uint8_t)(gap + 4u);
        }
    }
    return (trn_size_t)(to - list) / 2;
}

#endif
