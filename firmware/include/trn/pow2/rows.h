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
    bool lifted;         /* dense, flash: weights are kept as w + 128 and codes with a sign taken as x + 128, so that no product has one. The
                            biases have 128 times the sum of the weights taken off for the latter; see trn_pow2_lift() for the former */
} trn_pow2_kind_t;

/* An input times a weight as it is kept. */
TRN_KERNEL int32_t trn_pow2_product(uint8_t code, const int8_t *w, trn_pow2_kind_t kind)
{
    const int8_t weight = trn_pow2_weight(w, kind.flash);
    if (kind.lifted) {
        const uint8_t raised = kind.unsigned_input ? code : (uint8_t)(code ^ 0x80u);
        return (int32_t)(uint16_t)((uint16_t)raised * (uint8_t)weight);
    }
    return (int16_t)((kind.unsigned_input ? (int16_t)code : (int16_t)(int8_t)code) * weight);
}

/* sums[r] += sum over i of x[i] w[i][r], literal rows. */
TRN_KERNEL void trn_pow2_rows_c(const int8_t *x, const int8_t *w, trn_size_t n, trn_size_t rows, trn_pow2_kind_t kind, int32_t *sums)
{
    int32_t a[TRN_POW2_ROWS];
    TRN_EACH(r, rows, a[r] = sums[r];);
    for (trn_size_t i = 0; i < n; i++) {
        TRN_EACH(r, rows, a[r] += trn_pow2_product((uint8_t)x[i], w + r, kind););
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
        TRN_EACH(r, rows, a[r] += trn_pow2_product(list[2 * i + 1], w + r, kind););
        w += rows;
    }
    TRN_EACH(r, rows, sums[r] = a[r];);
}

#if TRN_AVR_ASM
#include "trn/avr/inputs.h"
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
#if TRN_AVR_ASM
    return (trn_size_t)(trn_avr_list((const uint8_t *)x, list, (uint16_t)n) - list) / 2;
#endif
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

/* What lifted weights add to every sum: 128 times the sum of the codes without a sign, n of them, or of the list's where there is one. */
TRN_KERNEL int32_t trn_pow2_lift(const int8_t *x, const uint8_t *list, trn_size_t n, trn_pow2_kind_t kind)
{
    const trn_size_t step = list != NULL ? 2 : 1;
    const uint8_t *from = list != NULL ? list : (const uint8_t *)x;
    int32_t total = 0;
    for (trn_size_t left = kind.lifted ? n : 0; left > 0; left -= 256) {
        const trn_size_t now = left < 256 ? left : 256;
#if TRN_AVR_ASM
        total += list != NULL ? trn_avr_total(from, now, true, false) : trn_avr_total(from, now, false, !kind.unsigned_input);
#else
        for (trn_size_t i = 0; i < now; i++) {
            const uint8_t code = from[i * step + step - 1];
            total += kind.unsigned_input ? code : (uint8_t)(code ^ 0x80u);
        }
#endif
        from += now * step;
    }
    return 128 * total;
}

#endif
