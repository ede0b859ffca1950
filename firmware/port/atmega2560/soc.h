/* SPDX-License-Identifier: Apache-2.0 */
/* ATmega2560: its vectors and the pin of its receiver; all else in classic.h. */
#ifndef TRN_SOC_H
#define TRN_SOC_H

#include "classic.h"

#define TRN_SOC_VECTORS 57
#define TRN_SOC_WAKE_VECTOR 25 /* USART0, receive complete */
#define TRN_SOC_RX_PORT TRN_REGISTER8(0x2E) /* bit 0 is PE0 */

#endif
