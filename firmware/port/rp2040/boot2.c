/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The second stage the RP2040's boot ROM loads: 256 bytes at the start of flash, the last four of them a checksum the build puts
 * in. The ROM copies it to the top of SRAM, for it sets up the interface that the flash is read through.
 *
 * Plain serial reads (command 03h) at a quarter of the system clock: every flash chip answers them, and flash is read once here,
 * when code and initial values are copied to RAM. Source: RP2040 Datasheet, 2.8.1.2 and 4.10.13 (SSI).
 */
#include "soc.h"

void trn_boot2(void);

__attribute__((naked, used, section(".boot2"))) void trn_boot2(void)
{
    __asm__ volatile("ldr r3, =0x18000000\n\t" /* the interface (SSI) */
                     "movs r0, #0\n\t"
                     "str r0, [r3, #0x08]\n\t" /* SSIENR: off while it is set up */
                     "str r0, [r3, #0x04]\n\t" /* CTRLR1: one word a read */
                     "movs r0, #4\n\t"
                     "str r0, [r3, #0x14]\n\t" /* BAUDR: divide the clock by 4 */
                     "ldr r0, =0x001F0300\n\t"
                     "str r0, [r3, #0x00]\n\t" /* CTRLR0: words of 32 bits, send a command, then receive */
                     "ldr r0, =0x03000218\n\t"
                     "ldr r1, =0x180000F4\n\t"
                     "str r0, [r1]\n\t" /* SPI_CTRLR0: command 03h, 8 bits of it, 24 of address, no wait */
                     "movs r0, #1\n\t"
                     "str r0, [r3, #0x08]\n\t"
                     "ldr r0, =0x10000100\n\t" /* the firmware's vector table */
                     "ldr r1, =0xE000ED08\n\t"
                     "str r0, [r1]\n\t"
                     "ldmia r0!, {r1, r2}\n\t"
                     "msr msp, r1\n\t"
                     "bx r2\n\t"
                     ".ltorg\n\t"
                     ".org 252\n\t"
                     ".word 0");
}
