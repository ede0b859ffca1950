/* SPDX-License-Identifier: Apache-2.0 */
#include "trn/mark.h"

#if defined(__AVR__)
#include "soc.h"
#define ENTER(phase) (TRN_GPIOR0 = (phase))
#else
/* The number keeps the bodies apart: a compiler that folds identical functions would give all marks one address. */
#define ENTER(phase) __asm__ volatile("" : : "i"(phase) : "memory")
#endif

#define MARK __attribute__((noinline, used))

MARK void trn_mark_other(void)
{
    ENTER(TRN_PHASE_OTHER);
}

MARK void trn_mark_forward(void)
{
    ENTER(TRN_PHASE_FORWARD);
}

MARK void trn_mark_backward(void)
{
    ENTER(TRN_PHASE_BACKWARD);
}

MARK void trn_mark_update(void)
{
    ENTER(TRN_PHASE_UPDATE);
}

MARK void trn_mark_evaluate(void)
{
    ENTER(TRN_PHASE_EVALUATE);
}

MARK void trn_mark_convert(void)
{
    ENTER(TRN_PHASE_CONVERT);
}
