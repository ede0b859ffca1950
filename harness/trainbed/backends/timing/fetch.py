# SPDX-License-Identifier: Apache-2.0
"""The fetch unit of Cortex-M3 and M4: a three-word prefetch buffer filled one aligned word at a time.

Arm describes it (knowledge article 103488664). What it costs follows from three facts: the cycle more that a taken
branch to an unaligned 32-bit instruction takes (measured, asm-compendium), and how much of a wait state stays hidden.

* a word is requested only while fewer than three words are buffered or under way;
* it can be decoded two cycles after its request, later by the memory's wait states;
* a word leaves the buffer when its last half-word is decoded.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from trainbed.backends.timing.thumb import Instruction

_BUFFER_WORDS = 3
_COLD_BASE = 3  # request, data, decode: a taken branch hides all of it but its own extra cycle
_WARM_BASE = 1


@dataclass(frozen=True)
class CodeMemory:
    """Memory that code is fetched from, as the core sees it.

    ``line_bytes``: how much one access brings in. ``line_wait``: wait states of the first word of a line; the rest have
    none. ``data_wait``: wait states of a word of data that lies there, such as a literal.
    """

    line_bytes: int = 4
    line_wait: int = 0
    data_wait: int = 0


ZERO_WAIT = CodeMemory()
"""Code in tightly coupled memory, or flash at a clock it can follow."""


def fetch_and_execute(
    instructions: Sequence[Instruction], durations: Sequence[int], *, branched: bool, memory: CodeMemory = ZERO_WAIT
) -> int:
    """Cycles of a block, given how long each instruction executes.

    ``branched``: reached by a taken branch, the buffer is empty; else it is full. A duration of 0 is an instruction
    that executes together with the one before it (a folded IT).
    """
    if not instructions:
        return 0
    first_word = instructions[0].address >> 2
    done: list[int] = []  # last cycle of each word's data phase
    issued: list[int] = []
    freed: list[int] = []  # cycle in which a word's last half-word is decoded; grows with the instructions
    if not branched:
        done = [-1] * _BUFFER_WORDS
        issued = [-2] * _BUFFER_WORDS
    words_per_line = max(1, memory.line_bytes // 4)
    decode = 0
    execute = 0
    duration = 0
    for position, this in enumerate(instructions):
        last_word = ((this.address + this.size - 1) >> 2) - first_word
        while len(done) <= last_word:
            word = len(done)
            issue = issued[-1] + 1 if issued else 0
            if word >= _BUFFER_WORDS:
                issue = max(issue, freed[word - _BUFFER_WORDS])
            starts_line = word == 0 or (first_word + word) % words_per_line == 0
            data = max(issue + 1, done[-1] + 1 if done else 0) + (memory.line_wait if starts_line else 0)
            issued.append(issue)
            done.append(data)
        available = done[last_word] + 1
        if durations[position] == 0 and position > 0:
            decode = max(decode, available)
        else:
            decode = max(execute, available)
            execute = max(decode + 1, execute + duration)
            duration = durations[position]
        words_through = ((this.address + this.size) >> 2) - first_word
        freed.extend([decode] * (words_through - len(freed)))
    return execute + duration - (_COLD_BASE if branched else _WARM_BASE)
