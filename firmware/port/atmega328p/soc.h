/* SPDX-License-Identifier: Apache-2.0 */
/* ATmega328P: its vectors and the pin of its receiver; all else in classic.h. */
#ifndef TRN_SOC_H
#define TRN_SOC_H

#include "classic.h"

#define TRN_SOC_VECTORS 26
#define TRN_SOC_WAKE_VECTOR 18 /* USART0, receive complete */
#define TRN_SOC_RX_PORT TRN_REGISTER8(0x2B) /* bit 0 is PD0 */

#endif
