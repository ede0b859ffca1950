/* SPDX-License-Identifier: Apache-2.0 */
/* Sigmoid and tanh of 8-bit codes by a table of 256 entries. y of sigmoid: scale 1/256, zero point 0; of tanh: scale 1/128, zero point
 * 128. */
#ifndef TRN_INT8_TABLE_H
#define TRN_INT8_TABLE_H

#include "trn/int8/base.h"
#include "trn/int8/convert.h"
#include "trn/math.h"

/* table[x] = code of sigmoid(s_x (x - z_x)) */
TRN_KERNEL void trn_i8_sigmoid_table(uint8_t *table, float s_x, int32_t z_x)
{
    for (int32_t x = 0; x < 256; x++) {
        const float y = trn_sigmoid((float)(x - z_x) * s_x);
        table[x] = (uint8_t)trn_i8_clamp(trn_i8_nearest(y, 256.0f), 0, 255);
    }
}

/* table[x] = code of tanh(s_x (x - z_x)) */
TRN_KERNEL void trn_i8_tanh_table(uint8_t *table, float s_x, int32_t z_x)
{
    for (int32_t x = 0; x < 256; x++) {
        const float y = trn_tanh((float)(x - z_x) * s_x);
        table[x] = (uint8_t)trn_i8_clamp(128 + trn_i8_nearest(y, 128.0f), 0, 255);
    }
}

/* y[i] = table[x[i]]; y may be x. */
TRN_KERNEL void trn_i8_table_forward(const uint8_t *x, uint8_t *y, trn_size_t n, const uint8_t *table)
{
    for (trn_size_t i = 0; i < n; i++) {
        y[i] = table[x[i]];
    }
}

/* dx[i] = error(e[i] y (256 - y)), y the code sigmoid gave: the scale of error is s_e / (65536 s_dx). dx may be e. */
TRN_KERNEL void trn_i8_sigmoid_backward(const int8_t *e, const uint8_t *y, int8_t *dx, trn_size_t n, trn_i8_error_t error)
{
    for (trn_size_t i = 0; i < n; i++) {
        const int32_t code = y[i];
        trn_i8_store_error(dx, i, e[i] * (code * (256 - code)), error);
    }
}

/* dx[i] = error(e[i] (16384 - (y - 128)^2)), y the code tanh gave: the scale of error is s_e / (16384 s_dx). dx may be e. */
TRN_KERNEL void trn_i8_tanh_backward(const int8_t *e, const uint8_t *y, int8_t *dx, trn_size_t n, trn_i8_error_t error)
{
    for (trn_size_t i = 0; i < n; i++) {
        const int32_t code = (int32_t)y[i] - 128;
        trn_i8_store_error(dx, i, e[i] * (16384 - code * code), error);
    }
}

#endif
