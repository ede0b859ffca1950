# SPDX-License-Identifier: Apache-2.0
"""The Renode backend: boards of Renode, driven through pyrenode3 inside a worker process.

Where to look:
    tool.py     which Renode and which pyrenode3 there are, and the lines that get them
    config.py   one firmware on one board: what crosses to the worker
    guest.py    what the worker drives: start, exchange, counts, memory
    machine.py  Renode's machine: power on, run for a while, look at it
    watch.py    native code that notes marks, sleep, faults and bytes sent, at the guest's full speed
    dotnet.py   the .NET side: loading it once, arrays, delegates, expressions
    guard.py    memory Renode would let pass: what lies outside the board's memories

Nothing here asks a clock what the guest does. Time is given out in slices; after each one Renode itself has told
whether the core sleeps, and the place it sleeps at says what for.

Where Renode departs from the part (docs/fidelity.md has the table): one instruction is one cycle; a UART's bytes take
no time; there is no cycle counter; an unaligned access that the part refuses is carried out. What Renode would carry
out silently and a part never does (access outside the memories, stores into flash) is made a fault by the core's own
memory protection unit.
"""
