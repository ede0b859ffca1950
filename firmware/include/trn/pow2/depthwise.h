/* SPDX-License-Identifier: Apache-2.0 */
/* Depthwise convolution: w [kernel_h, kernel_w, in_c * m], channel c feeds outputs c m .. c m + m - 1; b [in_c * m]. */
#ifndef TRN_POW2_DEPTHWISE_H
#define TRN_POW2_DEPTHWISE_H

#include "trn/detail/window.h"
#include "trn/pow2/rows.h"

/* y[i, j, c m + k] = store(b[c m + k] + sum over u, v of w[u, v, c m + k] x[i stride + u - pad, j stride + v - pad, c]) */
TRN_KERNEL void trn_pow2_depthwise_conv2d_forward(const int8_t *x, const int8_t *w, const int32_t *b, int8_t *y, trn_window_t s,
                                                  trn_pow2_range_t range, trn_pow2_kind_t kind)
{
    const trn_size_t multiplier = s.out_c / s.in_c;
    for (trn_size_t i = 0; i < s.out_h; i++) {
        const trn_run_t us = trn_taps_of_output(i, s.in_h, s.kernel_h, s.stride_h, s.pad_top);
        for (trn_size_t j = 0; j < s.out_w; j++) {
            const trn_run_t vs = trn_taps_of_output(j, s.in_w, s.kernel_w, s.stride_w, s.pad_left);
            for (trn_size_t c = 0; c < s.in_c; c++) {
                for (trn_size_t o = c * multiplier; o < (c + 1) * multiplier; o++) {
                    int32_t sum = trn_pow2_bias(b + o, kind.flash);
                    for (trn_size_t u = 0; u < us.count; u++) {
                        const int8_t *from = x + ((us.at + u) * s.in_w + vs.at) * s.in_c + c;
                        const int8_t *tap = w + ((us.first + u) * s.kernel_w + vs.first) * s.out_c + o;
                        for (trn_size_t v = 0; v < vs.count; v++) {
                            const int16_t value = kind.unsigned_input ? (int16_t)(uint8_t)*from : (int16_t)*from;
                            sum += (int16_t)(value * trn_pow2_weight(tap, kind.flash));
                            from += s.in_c;
                            tap += s.out_c;
                        }
                    }
                    *y++ = trn_pow2_store(sum, range);
                }
            }
        }
    }
}

#endif
