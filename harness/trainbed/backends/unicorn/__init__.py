# SPDX-License-Identifier: Apache-2.0
"""Microcontrollers on the Unicorn engine: a Cortex-M core with its system registers, and the peripherals of one SoC.

Where to look:
    guest.py       what a worker drives: start, exchange, counts, memory
    machine.py     one board put together; the loop that runs, sleeps, interrupts and stops it
    config.py      what a machine is built from
    schedule.py    what is due when, in core cycles
    registers.py   what a peripheral is, and how the engine reaches it
    exceptions.py  exception entry and return;  nvic.py systick.py scb.py dwt.py  the core's own peripherals
    first_look.py  what the engine would let pass: fpu.py floating point before it is enabled, alignment.py
    faults.py      what went wrong, with kind, address and reason
    nrf52840/      the SoC: memory map, UARTE, CLOCK, NVMC, GPIO

Where this machine departs from the part (each module says more):
    time           goes block by block: CYCCNT sees the running block charged in full, an interrupt waits for its end
    memory         code runs from flash alone; ICACHECNF reads back, but the cycle model's cache is the board file's
    faults         the first one ends the run with a typed error; the firmware's own fault handlers are never entered
    alignment      checked when a block first runs, for base registers set before it
    WFE            sleeps like WFI: there is no event register
    interrupts     PRIGROUP without effect; FP registers stacked at once; entry and return 12 and 10 cycles
    UARTE          bursts arrive and leave whole; no FIFO behind RXD.MAXCNT, no shortcuts; RXTO comes with STOPRX
    CLOCK, POWER   oscillators start at once, no interrupts; all other peripherals are an error, never a silent zero
"""
