/* SPDX-License-Identifier: Apache-2.0 */
/* The last step of every input gradient, on sums that are still in registers. */
#ifndef TRN_DETAIL_EPILOGUE_H
#define TRN_DETAIL_EPILOGUE_H

#include "trn/activation.h"
#include "trn/base.h"
#include "trn/detail/block.h"
#include "trn/detail/ordered.h"

/* d * act'(y), d being the whole gradient by then; i: the place of the element in epilogue.bits. */
TRN_KERNEL float trn_epilogue_apply(float d, uint32_t bits_of_y, trn_size_t i, trn_epilogue_t epilogue)
{
    if (epilogue.activation == TRN_ACT_NONE || epilogue.activation == TRN_ACT_SOFTMAX) {
        return d;
    }
    if (epilogue.bits != NULL) {
        return trn_activation_gate(d, ((epilogue.bits[i >> 3] >> (i & 7)) & 1) != 0, epilogue.activation);
    }
    return trn_activation_backward(d, trn_float_from_bits(bits_of_y), epilogue.activation);
}

/* dx[first + r next + s across] <- epilogue(acc[r][s]). Reads y[i] before it writes dx[i], so both may be one buffer. Four at a time: loads
 * side by side are cheaper. */
TRN_KERNEL void trn_block_store_input(const float *acc, trn_size_t rows, trn_size_t columns, float *dx, trn_size_t first,
                                      trn_size_t next, trn_size_t across, trn_epilogue_t epilogue)
{
    const bool reads_y = epilogue.y != NULL && epilogue.bits == NULL && epilogue.activation != TRN_ACT_NONE;
    const trn_size_t sums = rows * columns;
    float *to = trn_opaque(dx + first);
    const float *y = reads_y ? trn_opaque_const(epilogue.y + first) : NULL;
    TRN_UNROLL
    for (trn_size_t k = 0; k < sums; k += 4) {
        const trn_size_t end = sums < k + 4 ? sums : k + 4;
        uint32_t bits_of_y[4] = {0};
        float d[4];
        TRN_UNROLL
        for (trn_size_t s = k; s < end; s++) {
            d[s - k] = epilogue.accumulate ? trn_load(to + s / columns * next + s % columns * across) : 0.0f;
        }
        TRN_UNROLL
        for (trn_size_t s = k; s < end; s++) {
            bits_of_y[s - k] = reads_y ? trn_load_bits(y + s / columns * next + s % columns * across) : 0;
        }
        TRN_UNROLL
        for (trn_size_t s = k; s < end; s++) {
            const trn_size_t i = s / columns * next + s % columns * across;
            const float sum = epilogue.accumulate ? trn_sum(d[s - k], acc[s]) : acc[s];
            if (epilogue.activation == TRN_ACT_RELU && reads_y) {
                trn_store_bits(to + i, trn_gate_relu(sum, bits_of_y[s - k]));
            } else {
                trn_store(to + i, trn_epilogue_apply(sum, bits_of_y[s - k], first + i, epilogue));
            }
        }
    }
}

/* dx[i] <- epilogue(d) */
TRN_KERNEL void trn_epilogue_store(float *dx, trn_size_t i, float d, trn_epilogue_t epilogue)
{
    trn_block_store_input(&d, 1, 1, dx, i, 0, 1, epilogue);
}

#endif
