/* SPDX-License-Identifier: Apache-2.0 */
#include "trn/mark.h"

#if defined(__AVR__)
#include <avr/io.h>
#if defined(GPIOR0)
#define PHASE_REGISTER GPIOR0
#elif defined(GPIO_GPIOR0)
#define PHASE_REGISTER GPIO_GPIOR0
#elif defined(GPIO_GPIO0)
#define PHASE_REGISTER GPIO_GPIO0
#else
#error "no general purpose I/O register 0 on this AVR"
#endif
#define ENTER(phase) (PHASE_REGISTER = (phase))
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
