/* SPDX-License-Identifier: Apache-2.0 */
/* ATmega2560: USART0, timer 1 as a clock. */
#include "soc.h"

#include "avr_port.h"

void trn_port_init(void)
{
    TRN_SOC_RX_PORT |= 1u; /* pull-up: an open line is an idle line */
    trn_classic_init();
}
