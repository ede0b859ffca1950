# SPDX-License-Identifier: Apache-2.0
"""The block hook follows the branches of a Cortex-M7: a loop is predicted, an alternating branch is not."""

from __future__ import annotations

from typing import Any

import pytest
from bare_guest import FLASH, BareGuest

pytest.importorskip("unicorn", reason="the unicorn extra is not installed")

from unicorn import UC_ARCH_ARM, UC_MODE_MCLASS, UC_MODE_THUMB, UC_PROT_EXEC, UC_PROT_READ, Uc, arm_const

from trainbed.backends.block_hook import BlockCounter


def cycles(source: str) -> int:
    """Cycles of a program on a Cortex-M7, up to its WFI."""
    code = bytes(BareGuest(source + "\nwfi\n").uc.mem_read(FLASH, 0x400))
    uc: Any = Uc(UC_ARCH_ARM, UC_MODE_THUMB | UC_MODE_MCLASS)
    uc.ctl_set_cpu_model(arm_const.UC_CPU_ARM_CORTEX_M7)
    uc.mem_map(FLASH, 0x10000, UC_PROT_READ | UC_PROT_EXEC)
    uc.mem_write(FLASH, code)
    counter = BlockCounter("cortex-m7")
    counter.attach(uc)
    uc.emu_start(FLASH | 1, 0xFFFF_FFFF)
    return counter.cycles


def per_turn(body: str) -> float:
    """Cycles of one turn of a loop, entry and exit dropped."""

    def total(turns: int) -> int:
        return cycles(f"movw r7, #{turns}\nmovs r0, #0\n1:\n{body}\nsubs r7, #1\nbne 1b")

    return (total(400) - total(200)) / 200


def test_a_loop_costs_its_issue_slots_alone() -> None:
    # Two products, the subtraction beside the second; the branch stands beside the first one of the next turn.
    assert per_turn("mul r1, r2, r3\nmul r1, r2, r3") == pytest.approx(2, abs=0.01)


def test_a_branch_that_alternates_is_mispredicted_every_other_time_or_more() -> None:
    straight = per_turn("eor r0, r0, #1\ncmp r0, #2\nbeq 2f\nnop\n2:")
    alternating = per_turn("eor r0, r0, #1\ncmp r0, #0\nbeq 2f\nnop\n2:")
    assert straight < 5
    assert 3 <= alternating - straight <= 9


def test_a_return_to_the_same_caller_is_predicted_and_to_two_is_not() -> None:
    same = per_turn("bl 3f\nb 2f\n3: bx lr\n2:")
    two = per_turn("bl 3f\nbl 3f\nb 2f\n3: bx lr\n2:")
    assert two - same >= 2 * 8 - 2


def test_the_leaving_of_a_loop_costs_one_wrong_guess() -> None:
    assert cycles("movs r7, #20\n1: subs r7, #1\nbne 1b") - cycles("movs r7, #19\n1: subs r7, #1\nbne 1b") < 4
    without = cycles("movs r7, #1\n1: subs r7, #1\nbne 1b")
    assert cycles("movs r7, #20\n1: subs r7, #1\nbne 1b") >= without + 19 + 8
