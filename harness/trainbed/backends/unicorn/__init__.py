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
"""
