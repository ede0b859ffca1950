/* SPDX-License-Identifier: Apache-2.0 */
/* Arm MPS2 FPGA images of Cortex-M3, M4 and M7: UART0 of the CMSDK, one byte at a time. */
#include "soc.h"

#include "byte_uart.h"

void trn_port_init(void)
{
    TRN_UART0_BAUDDIV = TRN_UART0_BAUDDIV_VALUE;
    TRN_UART0_CTRL = TRN_UART0_CTRL_TX_ENABLE | TRN_UART0_CTRL_RX_ENABLE | TRN_UART0_CTRL_RX_INTERRUPT;
    trn_cortexm_enable_wakeup(TRN_UART0_RX_IRQ);
    trn_cortexm_start_cycle_counter();
}
