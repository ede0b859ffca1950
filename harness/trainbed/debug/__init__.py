# SPDX-License-Identifier: Apache-2.0
"""Debugging a guest: gdb on a running scenario, and the state of one that broke.

Where to look:
    session.py         ``trainbed debug``: a scenario whose guest waits for gdb
    console.py         what it prints
    guest.py           the guests such a session drives: Unicorn and the AVR emulators behind our own gdb server,
    qemu_guest.py      ... QEMU behind QEMU's
    unicorn_target.py  the machine inside the worker that halts, steps and resumes
    avr_target.py      the same of an AVR board
    stub.py            gdb's remote serial protocol: what each packet means
    rsp.py             its packets on a socket
    registers.py       the registers gdb is shown
    post_mortem.py     what is kept of a guest that broke, and how it reads
    unwind.py          the stack trace behind it
"""
