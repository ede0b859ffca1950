/* SPDX-License-Identifier: Apache-2.0 */
/* Where a sliding window meets the input, along one axis. Convolution, depthwise convolution and pooling all go through here. */
#ifndef TRN_DETAIL_WINDOW_H
#define TRN_DETAIL_WINDOW_H

#include "trn/base.h"

/* A run of terms: `count` taps (or outputs), the first of them `first`, which meets element `at` of the other tensor. */
typedef struct {
    trn_size_t first, count, at;
} trn_run_t;

TRN_KERNEL trn_size_t trn_max(trn_size_t a, trn_size_t b)
{
    return a > b ? a : b;
}

TRN_KERNEL trn_size_t trn_min(trn_size_t a, trn_size_t b)
{
    return a < b ? a : b;
}

/* Taps of output i that lie inside the input. The next tap meets the next input. */
TRN_KERNEL trn_run_t trn_taps_of_output(trn_size_t i, trn_size_t n_in, trn_size_t kernel, trn_size_t stride, trn_size_t pad)
{
    const trn_size_t base = i * stride - pad;
    const trn_size_t first = trn_max(-base, 0);
    const trn_size_t end = trn_min(n_in - base, kernel);
    return (trn_run_t){first, trn_max(end - first, 0), base + first};
}

/* Taps through which input a reached an output, every stride-th one. The next of them meets the output before. */
TRN_KERNEL trn_run_t trn_taps_of_input(trn_size_t a, trn_size_t n_out, trn_size_t kernel, trn_size_t stride, trn_size_t pad)
{
    const trn_size_t last = (a + pad) / stride; /* the last output that may see a */
    const trn_size_t phase = (a + pad) - last * stride;
    const trn_size_t begin = trn_max(last - n_out + 1, 0);
    const trn_size_t end = trn_min((kernel - phase + stride - 1) / stride, last + 1);
    return (trn_run_t){phase + begin * stride, trn_max(end - begin, 0), last - begin};
}

/* Outputs whose tap u lies inside the input. The next output meets the input `stride` further on. */
TRN_KERNEL trn_run_t trn_outputs_of_tap(trn_size_t u, trn_size_t n_in, trn_size_t n_out, trn_size_t stride, trn_size_t pad)
{
    const trn_size_t first = u < pad ? (pad - u + stride - 1) / stride : 0;
    const trn_size_t room = n_in - 1 + pad - u;
    const trn_size_t end = room < 0 ? 0 : trn_min(room / stride + 1, n_out);
    return (trn_run_t){first, trn_max(end - first, 0), first * stride - pad + u};
}

/* Outputs whose window lies inside the input; `at` means nothing. */
TRN_KERNEL trn_run_t trn_outputs_with_all_taps(trn_size_t n_in, trn_size_t n_out, trn_size_t kernel, trn_size_t stride, trn_size_t pad)
{
    const trn_run_t of_first = trn_outputs_of_tap(0, n_in, n_out, stride, pad);
    const trn_run_t of_last = trn_outputs_of_tap(kernel - 1, n_in, n_out, stride, pad);
    return (trn_run_t){of_first.first, trn_max(of_last.first + of_last.count - of_first.first, 0), 0};
}

/* No window reaches beyond the input. */
TRN_KERNEL bool trn_all_taps_inside(trn_window_t s)
{
    return s.pad_top == 0 && s.pad_left == 0 && (s.out_h - 1) * s.stride_h + s.kernel_h <= s.in_h &&
           (s.out_w - 1) * s.stride_w + s.kernel_w <= s.in_w;
}

/* Two outputs (or inputs) can share a register block, and with them all in between, if they use the same taps. */
TRN_KERNEL bool trn_same_taps(trn_run_t p, trn_run_t q)
{
    return p.first == q.first && p.count == q.count;
}

#endif
