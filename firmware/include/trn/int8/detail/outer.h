/* SPDX-License-Identifier: Apache-2.0 */
/* The inner loop of the 8-bit weight gradients: sums over pixels of products of an error and an input.
 *
 *     to_f[c] += sum over rows, columns of e_f[row, column] (x[row, column, c] - zero)        f < filters (1 or 2), c < n_c
 */
#ifndef TRN_INT8_DETAIL_OUTER_H
#define TRN_INT8_DETAIL_OUTER_H

#include "trn/int8/base.h"

/* Pixels to sum over, and the distances between rows and between columns of x and of e in elements. */
typedef struct {
    trn_size_t rows, columns, x_row, x_column, e_row, e_column;
} trn_i8_plane_t;

TRN_KERNEL void trn_i8_outer(const uint8_t *x, int32_t zero, const int8_t *e0, const int8_t *e1, trn_size_t filters, int32_t *to0,
                             int32_t *to1, trn_size_t n_c, trn_i8_plane_t p)
{
    for (trn_size_t c = 0; c < n_c; c++) {
        int32_t acc0 = 0, acc1 = 0;
        for (trn_size_t i = 0; i < p.rows; i++) {
            for (trn_size_t j = 0; j < p.columns; j++) {
                const int32_t value = (int32_t)x[i * p.x_row + j * p.x_column + c] - zero;
                acc0 += value * e0[i * p.e_row + j * p.e_column];
                if (filters > 1) {
                    acc1 += value * e1[i * p.e_row + j * p.e_column];
                }
            }
        }
        to0[c] += acc0;
        if (filters > 1) {
            to1[c] += acc1;
        }
    }
}

#endif
