/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TRN_AVR_KERNEL_H
#define TRN_AVR_KERNEL_H

#include "trn/base.h"

/* Functions around one asm statement. Whatever the build optimizes for, they get the registers the statement needs, Y among them. */
#define TRN_AVR_KERNEL static __attribute__((noinline, noclone, unused, optimize("O2", "omit-frame-pointer")))

#endif
