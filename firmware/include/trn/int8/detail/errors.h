/* SPDX-License-Identifier: Apache-2.0 */
/* Errors that are codes already, four at a time: accumulated, masked, stored. */
#ifndef TRN_INT8_DETAIL_ERRORS_H
#define TRN_INT8_DETAIL_ERRORS_H

#include "trn/int8/base.h"
#include "trn/int8/detail/dot.h"

/* True if trn_i8_store_errors may be used. */
TRN_KERNEL bool trn_i8_errors_pack(trn_i8_error_t error)
{
#if TRN_I8_SIMD
    return trn_i8_error_packs(error);
#else
    (void)error;
    return false;
#endif
}

#if TRN_I8_SIMD

/* dx[i .. i+3] <- what `error` says of four codes, sums and scale left aside. */
TRN_KERNEL void trn_i8_store_errors(int8_t *dx, trn_size_t i, uint32_t d, trn_i8_error_t error)
{
    const uint32_t y = error.y == NULL ? 0 : trn_i8_load(error.y + i);
    const uint32_t before = error.accumulate ? trn_i8_load((const uint8_t *)dx + i) : 0;
    trn_i8_store((uint8_t *)dx + i, trn_i8_finish_bytes(d, before, y, error));
}

/* Bytes of a where those of p equal those of q, else 0. */
TRN_KERNEL uint32_t trn_i8_where_equal(uint32_t a, uint32_t p, uint32_t q)
{
    return a & trn_i8_spread(trn_i8_uqsub8(UINT32_C(0x01010101), p ^ q));
}

#endif

#endif
